"""
The cluster's configuration on the store, and Ganeti's files made from it.
"""
