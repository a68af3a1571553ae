"""
Tests for the files in C{conf}.
"""
