"""
Tests for L{gnttwist.testing}.
"""
