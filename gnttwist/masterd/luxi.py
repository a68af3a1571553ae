"""
The LUXI socket's connections: bytes to calls, answers to bytes; what to answer is for L{gnttwist.masterd.methods}.

One call of a connection is carried out at a time, and the next one begins when the answer to it has left. So a
connection costs at most one request and one answer, however a client behaves.
"""

from collections.abc import Callable
from typing import Any
from typing import Protocol as Interface

from attrs import define, field, frozen

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.errors import RemoteError
from gnttwist.masterd.failures import to_response
from gnttwist.masterd.peer import Peer, peer_of
from gnttwist.masterd.sending import Sending, send_now
from gnttwist.wire import luxi, luxi_messages
from gnttwist.wire.framing import Splitter, frame

READER_PATIENCE = 180.0
"""
Seconds that a client may take to read one answer: as long as Ganeti's clients wait for one.
"""

LINGER = 30.0
"""
Seconds that a refused client is still listened to, and ignored, so that it can finish sending and read why it was
refused; closing at once would break its connection before it reads.
"""


@frozen
class Answer:
    """
    What a call is answered with.

    @ivar left: Called when the answer's bytes have been given to the kernel.
    """

    result: Any
    left: Callable[[], None] | None = None


class Callee(Interface):
    """
    What can be called.
    """

    def answer(self, call: luxi.Call, peer: Peer, message: bytes) -> Deferred[Answer]:
        """
        Carry out a call. The Deferred is cancelled when the client of a read-only call goes away.

        @param message: The request's bytes, by which a repeated one is recognised.
        """


@define(eq=False, slots=False)
class LuxiProtocol(Protocol):
    """
    One client's connection.
    """

    _log = Logger()
    _clock: IReactorTime
    _callee: Callee
    _peer_of: Callable[[Any], Peer] = peer_of
    _splitter: Splitter = field(factory=lambda: Splitter(luxi.REQUEST_LIMIT), init=False)
    _waiting: list[bytes] = field(factory=list, init=False)
    _busy: Deferred[None] | None = field(default=None, init=False)
    _cancellable: bool = field(default=False, init=False)
    _beginning: bool = field(default=False, init=False)
    _lingering: IDelayedCall | None = field(default=None, init=False)

    def connectionMade(self) -> None:
        self._wire: Any = self.transport
        self._peer = self._peer_of(self._wire)

    def dataReceived(self, data: bytes) -> None:
        if self._lingering is not None:
            return
        try:
            self._waiting += self._splitter.feed(data)
        except RemoteError as reason:
            self._refuse(f"Failed to parse request: {reason}")
            return
        if self._busy is not None or len(self._waiting) > 1:
            # A client that sends ahead waits. Others are read on, so that their going away is noticed.
            self._wire.pauseProducing()
        self._next()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.connected = 0
        self._waiting.clear()
        if self._lingering is not None and self._lingering.active():
            self._lingering.cancel()
        if self._busy is not None and self._cancellable:
            self._busy.cancel()

    def _next(self) -> None:
        if self._busy is not None or self._lingering is not None or not self._waiting:
            return
        try:
            message = self._waiting.pop(0)
            call = luxi_messages.decode_request(message)
        except luxi_messages.Unintelligible as reason:
            self._refuse(str(reason))
        else:
            self._begin(call, message)

    def _begin(self, call: luxi.Call, message: bytes) -> None:
        self._cancellable = call.read_only
        self._beginning = True
        self._busy = served = Deferred.fromCoroutine(self._serve(call, message))
        served.addErrback(self._cut_off)
        served.addCallback(self._served)
        self._beginning = False

    async def _serve(self, call: luxi.Call, message: bytes) -> None:
        answering = self._callee.answer(call, self._peer, message)
        encoding = answering.addCallback(
            lambda answer: (answer.left, luxi_messages.encode_success(answer.result))
        )
        left, data = await encoding.addErrback(lambda failure: (None, to_response(failure, call)))
        if self.connected:
            framed = frame(data)
            taken = send_now(self._wire, framed)
            if taken < len(framed):
                rest = framed[taken:] if taken else framed
                await Sending(self._wire).send(rest).addTimeout(READER_PATIENCE, self._clock)
            if left is not None:
                left()

    def _cut_off(self, failure: Failure) -> None:
        if not failure.check(CancelledError, ConnectionClosed):
            self._log.warn("cut off {peer}: {reason}", peer=self._peer, reason=failure.getErrorMessage())
        self._wire.abortConnection()

    def _served(self, _: object) -> None:
        self._busy = None
        if not self.connected:
            return
        if not self._waiting:
            self._wire.resumeProducing()
        elif self._beginning:
            # Answered at once: others have their turn before this client's next call.
            self._clock.callLater(0, self._next)
        else:
            self._next()

    def _refuse(self, text: str) -> None:
        self._log.info("refused a request of {peer}: {reason}", peer=self._peer, reason=text)
        self._wire.write(frame(luxi_messages.encode_refusal(text)))
        self._wire.loseWriteConnection()
        self._lingering = self._clock.callLater(LINGER, self._wire.abortConnection)


@define(eq=False, slots=False)
class LuxiFactory(Factory):
    """
    Makes connections.
    """

    noisy = False
    _clock: IReactorTime
    _callee: Callee
    _peer_of: Callable[[Any], Peer] = peer_of

    def buildProtocol(self, addr: object) -> LuxiProtocol:
        return LuxiProtocol(self._clock, self._callee, self._peer_of)
