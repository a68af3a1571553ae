"""
Tests for L{gnttwist.rapi}.
"""
