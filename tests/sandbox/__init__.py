"""
Tests for L{gnttwist.sandbox}.
"""
