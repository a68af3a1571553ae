"""
The query language and each resource's fields.
"""
