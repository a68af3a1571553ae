"""
The fields of each resource that can be queried.
"""
