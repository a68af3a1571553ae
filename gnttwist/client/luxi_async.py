"""
A Twisted LUXI client: few connections to gnt-masterd, shared by many callers.

gnt-masterd answers one call of a connection at a time, so each connection carries one; further callers wait in
order, and no more of them than the pool's limit.
"""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from attrs import define, field

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from gnttwist.client.luxi import NOT_REPEATED, READ_TIMEOUT, NotReachable
from gnttwist.errors import GnttwistError, RemoteError
from gnttwist.wire import luxi, luxi_messages
from gnttwist.wire.framing import Splitter, frame

CONNECTIONS = 8
"""
Connections of a pool: masterd has one reactor, and more of them only wait there instead of here.
"""

WAITING_LIMIT = 6000
"""
Callers that may wait for a connection, each for 2 kB and its request: as many as an HTTP server before them has
connections.
"""

CONNECT_TIMEOUT = 5.0
"""
Seconds for a connection on the same machine, a full backlog included.
"""


class TooManyCalls(GnttwistError):
    """
    As many calls wait for gnt-masterd as may.
    """


class LateAnswer(GnttwistError):
    """
    gnt-masterd did not answer in time.
    """


@define(eq=False, slots=False, repr=False)
class _Connection(Protocol):
    """
    One call at a time.

    @ivar answered: When the answer is there; C{None} between calls.
    """

    answered: Deferred[bytes] | None = field(default=None, init=False)
    _splitter: Splitter = field(factory=lambda: Splitter(luxi.RESPONSE_LIMIT), init=False)

    def exchange(self, message: bytes) -> Deferred[bytes]:
        """
        Send a request.

        @return: Fires with the answer, or fails with L{ConnectionClosed}.
        """
        answered: Deferred[bytes] = Deferred(lambda _: self.drop())
        self.answered = answered
        wire: Any = self.transport
        wire.write(message)
        return answered

    def dataReceived(self, data: bytes) -> None:
        try:
            messages = self._splitter.feed(data)
        except RemoteError:
            self._end(Failure())
            self.drop()
            return
        for each in messages:
            if self.answered is None:
                # Nobody asked: it cannot be told any more which answer belongs to which call.
                self.drop()
                return
            answered, self.answered = self.answered, None
            answered.callback(each)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.connected = 0
        self._end(reason)

    def drop(self) -> None:
        """
        End it, whatever is on its way.
        """
        self.connected = 0
        self.answered = None
        wire: Any = self.transport
        wire.abortConnection()

    def _end(self, reason: Failure) -> None:
        answered, self.answered = self.answered, None
        if answered is not None:
            answered.errback(reason)


@define(eq=False, repr=False)
class LuxiPool:
    """
    Calls to one gnt-masterd.

    @ivar _path: Its socket.
    @ivar _size: Most connections.
    @ivar _limit: Most callers that wait for one.
    """

    _reactor: Any
    _path: Path
    _size: int = CONNECTIONS
    _limit: int = WAITING_LIMIT
    _idle: list[_Connection] = field(factory=list, init=False)
    _busy: int = field(default=0, init=False)
    _queue: deque[Deferred[None]] = field(factory=deque, init=False)

    @property
    def waiting(self) -> int:
        """
        How many callers wait for a connection.
        """
        return len(self._queue)

    async def call(self, method: str, *arguments: Any, timeout: float = READ_TIMEOUT) -> Any:
        """
        Call a method. One that may be repeated is, once, when its connection breaks: masterd was restarted.

        @param timeout: Seconds that the answer may take, waiting for a connection not counted.
        @raise OperationError: The call failed.
        @raise RemoteError: What came back is no answer, or the server could not read the request.
        @raise NotReachable: There is nobody to answer.
        @raise TooManyCalls: As many wait as may.
        @raise LateAnswer: No answer came in time.
        """
        return luxi_messages.decode_response(await self._answer(method, arguments, timeout))

    async def encoded(self, method: str, *arguments: Any, timeout: float = READ_TIMEOUT) -> msgspec.Raw:
        """
        The same, of which the result stays the JSON that it came as.
        """
        return luxi_messages.raw_response(await self._answer(method, arguments, timeout))

    async def _answer(self, method: str, arguments: Sequence[Any], timeout: float) -> bytes:
        message = frame(luxi_messages.encode_request(method, list(arguments)))
        await self._enter()
        try:
            try:
                return await self._exchange(message, method, timeout, fresh=False)
            except ConnectionClosed as reason:
                if method in NOT_REPEATED:
                    text = f"gnt-masterd went away during {method}: whether it was done is not known"
                    raise NotReachable(text) from reason
                return await self._again(message, method, timeout)
        finally:
            self._leave()

    async def _again(self, message: bytes, method: str, timeout: float) -> bytes:
        try:
            return await self._exchange(message, method, timeout, fresh=True)
        except ConnectionClosed as reason:
            raise NotReachable(f"gnt-masterd went away during {method}") from reason

    def close(self) -> None:
        """
        End the unused connections; calls that wait go on.
        """
        idle, self._idle = self._idle, []
        for each in idle:
            each.drop()

    async def _enter(self) -> None:
        if self._busy < self._size:
            self._busy += 1
            return
        if len(self._queue) >= self._limit:
            raise TooManyCalls(f"{self._limit} calls wait for gnt-masterd, the most that may")
        turn: Deferred[None] = Deferred(self._queue.remove)
        self._queue.append(turn)
        await turn

    def _leave(self) -> None:
        if self._queue:
            # The place is the next one's.
            self._queue.popleft().callback(None)
        else:
            self._busy -= 1

    async def _exchange(self, message: bytes, method: str, timeout: float, *, fresh: bool) -> bytes:
        connection = await self._connection(fresh)
        try:
            answer: bytes = await connection.exchange(message).addTimeout(timeout, self._reactor)
        except TimeoutError as reason:
            raise LateAnswer(f"gnt-masterd did not answer {method} within {timeout:g} seconds") from reason
        except CancelledError:
            connection.drop()
            raise
        if connection.connected:
            self._idle.append(connection)
        return answer

    async def _connection(self, fresh: bool) -> _Connection:
        while self._idle and not fresh:
            kept = self._idle.pop()
            if kept.connected:
                return kept
        endpoint = UNIXClientEndpoint(self._reactor, str(self._path), timeout=CONNECT_TIMEOUT)
        try:
            made: Any = await endpoint.connect(Factory.forProtocol(_Connection))
        except ConnectError as reason:
            raise NotReachable(f"gnt-masterd does not answer on {self._path}") from reason
        connection: _Connection = made
        return connection
