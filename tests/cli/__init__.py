"""
Tests for L{gnttwist.cli}.
"""
