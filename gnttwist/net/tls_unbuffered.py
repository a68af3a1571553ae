"""
TLS that encrypts what is written in the turn in which it is written.
"""

from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol


class UnbufferedTLSFactory(TLSMemoryBIOFactory):
    """
    Wraps a factory of protocols that write much at a time.

    Twisted's own collects small writes until the next turn, at the price of one timed call for each connection that
    is written to, which is wasted where thousands get one event each.
    """

    protocol = TLSMemoryBIOProtocol
