"""
Tests for L{gnttwist.client}.
"""
