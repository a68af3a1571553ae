"""
What runs in function processes on a node.
"""
