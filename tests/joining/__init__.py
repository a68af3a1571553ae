"""
Tests for L{gnttwist.joining}.
"""
