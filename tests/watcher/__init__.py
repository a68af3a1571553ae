"""
Tests for L{gnttwist.watcher}.
"""
