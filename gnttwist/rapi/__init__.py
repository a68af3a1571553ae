"""
gnt-rapi: the remote API. It parses what strangers send, and has no other right than LUXI's socket.
"""
