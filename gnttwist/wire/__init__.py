"""
Protocols as pure functions of bytes: framing, LUXI, node calls, confd. No I/O, no clock.
"""
