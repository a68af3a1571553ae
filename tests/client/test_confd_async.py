"""
Tests for L{gnttwist.client.confd_async} and the choice of peers.
"""

import random
from collections.abc import Callable
from typing import Any

import txaio.tx
from attrs import define, field

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.client.confd import ALL, BadCoverage, NoAnswer, choose
from gnttwist.client.confd_async import INTERVAL, TIMEOUT, Channel, ConfdClient, Received
from gnttwist.wire.confd import Reply, decode_request, encode_prepared, prepare

KEY = b"secret\n"


@define(eq=False)
class FakeNetwork:
    """
    A network whose daemons are the test.

    @ivar sent: Datagrams and the hosts that they were sent to.
    """

    clock: Clock
    futures: Any = field(factory=txaio.tx.with_config)
    sent: list[tuple[bytes, str]] = field(factory=list)
    closed: int = 0
    received: Received | None = None

    def later(self, delay: float, call: Callable[[], None]) -> Callable[[], None]:
        timer = self.clock.callLater(delay, call)
        return lambda: timer.cancel() if timer.active() else None

    def open(self, family: str, received: Received, opened: Callable[[Channel], None]) -> None:
        self.received = received
        opened(self)

    def send(self, datagram: bytes, host: str, port: int) -> None:
        self.sent.append((datagram, host))

    def close(self) -> None:
        self.closed += 1

    def answer(self, host: str, serial: int, answer: Any) -> None:
        """
        Answer as the daemon of this host.
        """
        asked = decode_request(KEY, self.sent[0][0], 1000.0)
        assert self.received is not None
        self.received(encode_prepared(KEY, asked.rsalt, prepare(Reply(1, 0, answer, serial))), host)


class ChooseTests(SynchronousTestCase):
    """
    Tests for L{choose}.
    """

    def test_coverage(self) -> None:
        """
        Six at most by default, all on request, so many as are asked for, in random order and without repetition.
        """
        candidates = [str(each) for each in range(9)]
        self.assertEqual(len(set(choose(candidates))), 6)
        self.assertEqual(sorted(choose(candidates, ALL)), candidates)
        self.assertEqual(len(set(choose(candidates, 2))), 2)
        self.assertNotEqual(
            choose(candidates, ALL, random.Random(1)), choose(candidates, ALL, random.Random(2))
        )

    def test_too_many(self) -> None:
        """
        More than there are cannot be asked.
        """
        self.assertRaises(BadCoverage, choose, ["a"], 2)
        self.assertRaises(BadCoverage, choose, [])


class ConfdClientTests(SynchronousTestCase):
    """
    Tests for L{ConfdClient}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        self.client = ConfdClient(self.network, KEY, ["a", "b", "c"], now=lambda: 1000.0)

    def tearDown(self) -> None:
        """
        Nothing is left behind, however it ended.
        """
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.network.closed, 1)

    def test_highest_serial(self) -> None:
        """
        When enough have answered, the answer with the highest serial is told.
        """
        found: Deferred[Any] = self.client.ask(3)
        self.assertEqual(sorted(host for _, host in self.network.sent), ["a", "b", "c"])
        self.network.answer("a", 7, "old")
        self.assertNoResult(found)
        self.network.answer("b", 8, "new")
        self.assertEqual(self.successResultOf(found).best.reply.answer, "new")

    def test_asked_again(self) -> None:
        """
        Only those that have not answered are asked again.
        """
        found: Deferred[Any] = self.client.ask(3)
        self.network.answer("a", 7, "x")
        self.clock.advance(INTERVAL)
        self.assertEqual(sorted(host for _, host in self.network.sent[3:]), ["b", "c"])
        self.network.answer("c", 7, "x")
        self.successResultOf(found)

    def test_disagreement(self) -> None:
        """
        Different answers of one serial are reported.
        """
        found: Deferred[Any] = self.client.ask(3)
        self.network.answer("a", 7, "x")
        self.network.answer("b", 7, "y")
        self.assertTrue(self.successResultOf(found).disagreement)

    def test_too_few(self) -> None:
        """
        When the time is over, what there is counts.
        """
        found: Deferred[Any] = self.client.ask(3)
        self.network.answer("a", 7, "x")
        self.clock.advance(TIMEOUT)
        self.assertEqual(set(self.successResultOf(found).answers), {"a"})

    def test_nobody(self) -> None:
        """
        Without any acceptable answer it fails; garbage and strangers are none.
        """
        found: Deferred[Any] = self.client.ask(3)
        assert self.network.received is not None
        self.network.received(b"garbage", "a")
        self.network.answer("stranger", 7, "x")
        self.clock.advance(TIMEOUT)
        self.failureResultOf(found, NoAnswer)

    def test_cancel(self) -> None:
        """
        Cancelling ends the asking.
        """
        found: Deferred[Any] = self.client.ask(3)
        found.cancel()
        self.failureResultOf(found, CancelledError)
