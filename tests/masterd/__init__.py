"""
Tests for L{gnttwist.masterd}.
"""
