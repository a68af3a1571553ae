"""
Tests for L{gnttwist.config}.
"""
