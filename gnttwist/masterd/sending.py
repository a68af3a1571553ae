"""
Knowing when bytes have left.
"""

from typing import Any

from attrs import define, field
from zope.interface import implementer

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IPullProducer


def send_now(transport: Any, data: bytes) -> int:
    """
    Give the kernel what it takes of C{data} at once; for a transport that has nothing of its own to send.

    Most answers fit whole. To have them wait for the reactor to find out that they do costs three more system calls
    and a turn.

    @return: How many bytes it took; 0 from a transport that is no descriptor's.
    @raise ConnectionLost: The connection is gone.
    """
    if not isinstance(transport, FileDescriptor):
        return 0
    taken = transport.writeSomeData(data)
    if not isinstance(taken, int):
        raise ConnectionLost
    return taken


@implementer(IPullProducer)
@define(eq=False)
class Sending:
    """
    Writes one piece of data and tells when the transport has given all of it to the kernel.

    A transport asks a pull producer for more exactly when its own buffer is empty.
    """

    _transport: Any
    _data: bytes | None = field(default=None, init=False)
    _left: Deferred[None] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._left = Deferred(lambda _: self._transport.unregisterProducer())

    def send(self, data: bytes) -> Deferred[None]:
        """
        Write C{data}; once.

        @return: Fires when it has left; fails with L{ConnectionLost} where it cannot. Cancelling gives up waiting.
        """
        self._data = data
        self._transport.registerProducer(self, False)
        return self._left

    def resumeProducing(self) -> None:
        """
        The transport's buffer is empty.
        """
        if self._data is not None:
            data, self._data = self._data, None
            self._transport.write(data)
        else:
            self._transport.unregisterProducer()
            self._left.callback(None)

    def stopProducing(self) -> None:
        """
        The connection is lost.
        """
        self._left.errback(ConnectionLost())
