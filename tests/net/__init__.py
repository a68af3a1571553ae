"""
Tests for L{gnttwist.net}.
"""
