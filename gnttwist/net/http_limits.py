"""
What an HTTP server takes by default, and why no more.
"""

REQUEST_LINE_LIMIT = 4096
"""
Most bytes of a request's first line: paths here are function names, of 64 bytes at most, and the longest that
Ganeti's RAPI has are below 2,000.
"""

HEADERS_LIMIT = 16 * 1024
"""
Most bytes of the first line and all headers together: some fifty times what clients send, and what each connection
that a stranger opens may keep in memory.
"""

HANDSHAKE_TIME = 20.0
"""
Seconds for a TLS handshake: over a satellite link it takes three, and a stranger's unfinished one costs 40 kB.
"""

REQUEST_TIME = 60.0
"""
Seconds that a request has from its first byte to its last, however steadily it comes: 10 MiB at 1.4 Mbit/s.
"""

IDLE_TIME = 300.0
"""
Seconds without a byte after which a connection between requests is closed: 40 kB of memory each. Longer than
callers keep theirs.
"""

LINGER = 2.0
"""
Seconds that a refused connection stays open, so that the refusal is read before the connection breaks.
"""

CLOSE_TIME = 3.0
"""
Seconds that answers have to be sent when the server stops.
"""

CONNECTIONS_LIMIT = 6000
"""
Most connections: 240 MB of memory if all are idle ones. The longest idle one gives way to a newcomer, those that
have never asked anything first, so strangers cannot keep a master out.
"""

REFUSED_CONNECTIONS = 64
"""
Connections beyond the limit, while none of the others is idle, that are told so; further ones are closed.
"""

CALLER_LIMIT = 512
"""
Most connections of one caller: more than calls may run, so that a master can wait for each on its own.
"""

RETRY_AFTER = 1
"""
Seconds after which a caller may ask again when it was told that there is no room now.
"""
