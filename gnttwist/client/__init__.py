"""
Clients of the daemons: LUXI, node calls, confd.
"""
