"""
The gnt command.
"""
