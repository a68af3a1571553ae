"""
Tests for L{gnttwist.jobs}.
"""
