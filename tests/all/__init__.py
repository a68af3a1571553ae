"""
Tests for L{gnttwist.all}.
"""
