"""
The process that forks function processes, and the protocol to it.
"""
