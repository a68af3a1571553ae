"""
The revisioned key-value store that holds all of a cluster's state.
"""
