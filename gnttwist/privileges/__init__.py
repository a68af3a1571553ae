"""
Who each process of a node is, what it may reach, and which files belong to whom.
"""
