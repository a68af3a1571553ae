"""
Tests with real sockets, real TLS and real processes.
"""
