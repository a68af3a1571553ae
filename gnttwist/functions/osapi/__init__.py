"""
Guest operating systems: definitions made of scripts, found and run on the node.
"""
