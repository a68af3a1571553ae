"""
Hypervisors on a node.
"""
