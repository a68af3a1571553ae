"""
What make bench runs.
"""
