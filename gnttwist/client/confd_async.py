"""
Asking confd from a program with an event loop, Twisted's or asyncio's: futures are the loop's own, by txaio.

    client = ConfdClient(TwistedNetwork(reactor), key, candidates)      # Deferreds
    client = ConfdClient(AsyncioNetwork(loop), key, candidates)         # asyncio's futures
    found = await client.ask(3)
"""

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import txaio.aio
import txaio.tx
from attrs import define, field, frozen

from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.protocol import DatagramProtocol

from gnttwist.client.confd import PORT, Answered, BadCoverage, NoAnswer, Question, choose
from gnttwist.errors import Rejected
from gnttwist.wire.confd import MAX_REPLY

TIMEOUT = 10.0
"""
Seconds to wait for answers: as long as Ganeti's client.
"""

INTERVAL = 1.0
"""
Seconds until those that have not answered are asked again.
"""

Received = Callable[[bytes, str], None]
"""
Called with each datagram and the host that it came from.
"""


class Channel(Protocol):
    """
    An open socket.
    """

    def send(self, datagram: bytes, host: str, port: int) -> None:
        """
        Send; what cannot be sent is lost.
        """

    def close(self) -> None:
        """
        Close it.
        """


class Network(Protocol):
    """
    An event loop: its futures, its timers and its datagrams.

    @ivar futures: txaio's face of the loop.
    """

    futures: Any

    def later(self, delay: float, call: Callable[[], None]) -> Callable[[], None]:
        """
        Call in so many seconds.

        @return: Takes that back.
        """

    def open(self, family: str, received: Received, opened: Callable[[Channel], None]) -> None:
        """
        Open a socket of any port.

        @param family: C{4} or C{6}.
        @param opened: Called with it, at once or later.
        """


@frozen
class Found:
    """
    What was answered.

    @ivar best: The answer with the highest serial.
    @ivar answers: All, by the address they came from.
    @ivar disagreement: Whether two of the same serial differ.
    """

    best: Answered
    answers: dict[str, Answered]
    disagreement: bool


@define(eq=False, repr=False)
class ConfdClient:
    """
    Asks confd.

    @ivar _candidates: The master candidates' addresses, all of one family.
    @ivar _now: Reads the wall clock, in seconds since the epoch.
    """

    _network: Network
    _key: bytes
    _candidates: Sequence[str]
    _port: int = PORT
    _now: Callable[[], float] = time.time
    _source: random.Random = field(factory=random.SystemRandom)

    def ask(
        self,
        type: int,
        query: Any = None,
        *,
        coverage: int = 0,
        timeout: float = TIMEOUT,
        interval: float = INTERVAL,
    ) -> Any:
        """
        Ask some candidates, those that do not answer again, and wait for enough of them.

        @param coverage: As for L{choose}.
        @return: The loop's future, of a L{Found}. Cancelling it ends the asking.
        @raise BadCoverage: There are not so many candidates, or their addresses are of both families.
        @raise NoAnswer: (future) There was no acceptable answer in time.
        """
        if len({":" in each for each in self._candidates}) > 1:
            raise BadCoverage("the candidates' addresses are of two families, and the socket is of one")
        peers = choose(self._candidates, coverage, self._source)
        question = Question.of(self._key, peers, type, query, self._now(), str(uuid.uuid4()))
        return _Asking(self._network, question, self._port, interval).start(timeout)


@define(eq=False, repr=False)
class _Asking:
    """
    One question on its way.
    """

    _network: Network
    _question: Question
    _port: int
    _interval: float
    _future: Any = field(default=None, init=False)
    _channel: Channel | None = field(default=None, init=False)
    _timers: dict[str, Callable[[], None]] = field(factory=dict, init=False)
    _ended: bool = field(default=False, init=False)

    def start(self, timeout: float) -> Any:
        self._future = self._network.futures.create_future(canceller=self._cancelled)
        self._timers["end"] = self._network.later(timeout, self._end)
        family = "6" if ":" in self._question.peers[0] else "4"
        self._network.open(family, self._received, self._opened)
        return self._future

    def _opened(self, channel: Channel) -> None:
        self._channel = channel
        if self._ended:
            channel.close()
        else:
            self._send()

    def _send(self) -> None:
        assert self._channel is not None, "opened"
        for each in self._question.waiting:
            self._channel.send(self._question.datagram, each, self._port)
        self._timers["again"] = self._network.later(self._interval, self._send)

    def _received(self, datagram: bytes, host: str) -> None:
        if self._ended or len(datagram) > MAX_REPLY:
            return
        try:
            self._question.receive(datagram, host)
        except Rejected:
            return
        if self._question.complete:
            self._end()

    def _end(self) -> None:
        if self._ended:
            return
        self._close()
        best = self._question.best
        futures = self._network.futures
        if best is None:
            asked = ", ".join(self._question.peers)
            futures.reject(self._future, NoAnswer(f"no properly signed answer from {asked} in time"))
        else:
            found = Found(best, self._question.answers, self._question.disagreement)
            futures.resolve(self._future, found)

    def _cancelled(self, future: Any) -> None:
        if not self._ended:
            self._close()

    def _close(self) -> None:
        self._ended = True
        for cancel in self._timers.values():
            cancel()
        self._timers.clear()
        if self._channel is not None:
            self._channel.close()


class _TwistedChannel(DatagramProtocol):
    noisy = False

    def __init__(self, received: Received) -> None:
        self._received = received

    def datagramReceived(self, datagram: bytes, addr: tuple[Any, ...]) -> None:
        self._received(datagram, addr[0])

    def send(self, datagram: bytes, host: str, port: int) -> None:
        if self.transport is not None:
            self.transport.write(datagram, (host, port))

    def close(self) -> None:
        if self.transport is not None:
            self.transport.stopListening()


class TwistedNetwork:
    """
    Twisted's reactor.
    """

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: Provides L{IReactorTime} and L{IReactorUDP}.
        """
        self._reactor = reactor
        self.futures = txaio.tx.with_config()

    def later(self, delay: float, call: Callable[[], None]) -> Callable[[], None]:
        """
        See L{Network.later}.
        """
        timer = self._reactor.callLater(delay, call)

        def cancel() -> None:
            try:
                timer.cancel()
            except (AlreadyCalled, AlreadyCancelled):
                return

        return cancel

    def open(self, family: str, received: Received, opened: Callable[[Channel], None]) -> None:
        """
        See L{Network.open}.
        """
        channel = _TwistedChannel(received)
        self._reactor.listenUDP(0, channel, "::" if family == "6" else "0.0.0.0", MAX_REPLY + 1)
        opened(channel)


class _AsyncioChannel(asyncio.DatagramProtocol):
    def __init__(self, received: Received, opened: Callable[[Channel], None]) -> None:
        self._received = received
        self._opened = opened

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._opened(self)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._received(data, addr[0])

    def send(self, datagram: bytes, host: str, port: int) -> None:
        self._transport.sendto(datagram, (host, port))

    def close(self) -> None:
        self._transport.close()


class AsyncioNetwork:
    """
    asyncio's event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.futures = txaio.aio.with_config(loop=loop)
        self._opening: set[asyncio.Task[Any]] = set()

    def later(self, delay: float, call: Callable[[], None]) -> Callable[[], None]:
        """
        See L{Network.later}.
        """
        return self._loop.call_later(delay, call).cancel

    def open(self, family: str, received: Received, opened: Callable[[Channel], None]) -> None:
        """
        See L{Network.open}.
        """
        task = self._loop.create_task(
            self._loop.create_datagram_endpoint(
                lambda: _AsyncioChannel(received, opened),
                local_addr=("::" if family == "6" else "0.0.0.0", 0),
            )
        )
        # The loop itself keeps no reference to a task.
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
