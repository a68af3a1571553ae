"""
Tests for L{gnttwist.query}.
"""
