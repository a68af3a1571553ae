"""
Tests for L{gnttwist.noded}.
"""
