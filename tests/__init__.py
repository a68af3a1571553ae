"""
Tests; the tree mirrors gnttwist's.
"""
