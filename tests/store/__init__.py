"""
Tests for L{gnttwist.store}.
"""
