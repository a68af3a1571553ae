"""
TLS contexts, datagram services and endpoints.
"""
