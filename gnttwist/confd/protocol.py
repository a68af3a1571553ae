"""
The UDP face of gnt-confd; the datagrams are L{gnttwist.wire.confd}'s, what to answer is L{gnttwist.confd.answers}'.
"""

from collections.abc import Callable

from attrs import define

from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from gnttwist.confd.answers import Answers
from gnttwist.errors import Rejected
from gnttwist.wire.confd import decode_request, encode_reply


@define(eq=False, slots=False, repr=False)
class ConfdProtocol(DatagramProtocol):
    """
    Answer each acceptable datagram with exactly one datagram.

    A rejected datagram meets silence, so that a stranger can neither test guesses at the cluster's key nor aim our
    replies at a third party.

    @ivar _key: Reads the cluster's key.
    @ivar _answers: Reads the newest answers; C{None} where this node has no configuration.
    @ivar _now: Reads the wall clock, in seconds since the epoch.
    """

    noisy = False
    _log = Logger()
    _key: Callable[[], bytes]
    _answers: Callable[[], Answers | None]
    _now: Callable[[], float]

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        assert self.transport is not None, "read before makeConnection"
        try:
            key = self._key()
            request = decode_request(key, datagram, self._now())
            answers = self._answers()
            if answers is None:
                raise Rejected("there is no configuration here")
            reply = answers.reply(request.type, request.query)
        except Rejected as reason:
            self._log.debug("ignored {addr}: {reason}", addr=addr, reason=reason)
        else:
            self.transport.write(encode_reply(key, request.rsalt, reply), addr)
