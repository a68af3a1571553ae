"""
C{gnt-all}: the daemons of one machine in one process.
"""
