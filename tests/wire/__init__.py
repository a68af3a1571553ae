"""
Tests for L{gnttwist.wire}.
"""
