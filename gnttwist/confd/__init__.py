"""
gnt-confd: signed answers about the configuration over UDP.
"""
