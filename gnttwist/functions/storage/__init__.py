"""
Disk templates on a node.
"""
