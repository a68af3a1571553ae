"""
Tests for L{gnttwist.launcher}.
"""
