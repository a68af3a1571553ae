"""
Tests for L{gnttwist.functions}.
"""
