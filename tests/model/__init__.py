"""
Tests for L{gnttwist.model}.
"""
