"""
Public fakes; each passes the same conformance suite as the real thing.
"""
