"""
Tests that kill things.
"""
