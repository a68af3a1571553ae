"""
Tests for L{gnttwist.privileges}.
"""
