"""
The bodies of a question and of its answer as they pass; see L{gnttwist.client.node_http}.
"""

from collections import deque
from typing import Any

from attrs import define, field
from OpenSSL import SSL
from zope.interface import implementer

from twisted.internet.defer import Deferred, TimeoutError, succeed
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IConsumer, IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import RequestTransmissionFailed, ResponseDone, ResponseFailed
from twisted.web.iweb import IBodyProducer

from gnttwist.errors import GnttwistError, RemoteError
from gnttwist.wire.framing import Splitter

ANSWER_LIMIT = 260 * 1024 * 1024
"""
Most bytes of an answer: above the largest return value that a spool has room for.
"""


class Unreachable(GnttwistError):
    """
    No answer could be had, or only half of one.
    """


@define(eq=False, slots=False)
class Body(Protocol):
    """
    An answer as it arrives. A silence that lasts too long is its end.

    @ivar _silence: Seconds of it.
    @ivar _splitter: Cuts a stream into messages; C{None} where the answer is taken as a whole.
    """

    _clock: IReactorTime
    _silence: float
    _splitter: Splitter | None
    _parts: deque[bytes] = field(factory=deque, init=False)
    _size: int = field(default=0, init=False)
    _end: Failure | None = field(default=None, init=False)
    _waiting: Deferred[None] | None = field(default=None, init=False)
    _timer: IDelayedCall | None = field(default=None, init=False)

    def connectionMade(self) -> None:
        self._listen()

    def _listen(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.reset(self._silence)
        else:
            self._timer = self._clock.callLater(self._silence, self._silent)

    def _silent(self) -> None:
        self._finish(Failure(TimeoutError(self._silence, "silent")))
        self.abandon()

    def dataReceived(self, data: bytes) -> None:
        if self._end is not None:
            return
        self._listen()
        try:
            self._size += len(data)
            if self._splitter is not None:
                self._parts.extend(self._splitter.feed(data))
            elif self._size > ANSWER_LIMIT:
                raise RemoteError(f"an answer of more than {ANSWER_LIMIT} bytes")
            else:
                self._parts.append(data)
        except RemoteError:
            self._finish(Failure())
            self.abandon()
        else:
            self._wake()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._finish(reason)

    def _finish(self, reason: Failure) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._end = self._end or reason
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def abandon(self) -> None:
        """
        Read no more; the connection ends.
        """
        if self._end is None:
            self._finish(Failure(ConnectionAborted()))
        # Twisted gives a proxy of the connection, which can close it after a goodbye of both sides, but not abort it;
        # the proxy's own end is C{None} when the answer is whole.
        connection: Any = getattr(self.transport, "_producer", self.transport)
        if connection is not None:
            connection.abortConnection()

    async def next(self) -> bytes | None:
        """
        The next part, or message of a stream; C{None} at its end.

        @raise Unreachable: It broke off.
        """
        while not self._parts:
            if self._end is not None:
                if self._end.check(ResponseDone):
                    return None
                raise Unreachable(describe(self._end.value))
            self._waiting = Deferred()
            try:
                await self._waiting
            finally:
                # Whoever leaves is not to be woken: what ends the answer then is its leaving.
                self._waiting = None
        return self._parts.popleft()

    async def whole(self) -> bytes:
        """
        All of it.

        @raise Unreachable: It broke off.
        """
        parts = []
        while (part := await self.next()) is not None:
            parts.append(part)
        return b"".join(parts)


@implementer(IBodyProducer)
@define(eq=False)
class Content:
    """
    A request's body, written at once.
    """

    _data: bytes

    @property
    def length(self) -> int:
        """
        In bytes.
        """
        return len(self._data)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._data)
        return succeed(None)

    def pauseProducing(self) -> None:
        """
        Nothing is left to pause.
        """

    resumeProducing = stopProducing = pauseProducing


def describe(reason: BaseException | None) -> str:
    """
    What went wrong, without the wrappers that Twisted puts around it.
    """
    while isinstance(reason, ResponseFailed | RequestTransmissionFailed) and reason.reasons:
        reason = reason.reasons[0].value
    if isinstance(reason, SSL.Error):
        return "TLS: " + "; ".join(str(each[-1]) for each in reason.args[0] if each) if reason.args else "TLS"
    if isinstance(reason, TimeoutError) and reason.args:
        # Twisted's own text is for programmers.
        return f"nothing came for {reason.args[0]:.0f} s"
    return str(reason) or type(reason).__name__
