"""
gnt-noded: the node daemon's unprivileged front end.
"""
