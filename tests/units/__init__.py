"""
Tests for L{gnttwist.units}.
"""
