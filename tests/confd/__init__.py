"""
Tests for L{gnttwist.confd}.
"""
