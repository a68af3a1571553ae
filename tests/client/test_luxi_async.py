"""
Tests for L{gnttwist.client.luxi_async}, on connections in memory.
"""

from pathlib import Path
from typing import Any

import msgspec

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.client.luxi import NotReachable
from gnttwist.client.luxi_async import LateAnswer, LuxiPool, TooManyCalls
from gnttwist.errors import JobLost, RemoteError
from gnttwist.wire import luxi_messages
from gnttwist.wire.framing import frame


class Wire:
    """
    The server's end of a connection.
    """

    def __init__(self, factory: Any) -> None:
        self._protocol: Any = factory.buildProtocol(None)
        self._transport = StringTransport()
        self._protocol.makeConnection(self._transport)

    @property
    def asked(self) -> list[str]:
        """
        The methods that were called.
        """
        return [type(luxi_messages.decode_request(each)).__name__ for each in self._messages()]

    def _messages(self) -> list[bytes]:
        sent: bytes = self._transport.value()
        return sent.split(b"\x03")[:-1]

    @property
    def dropped(self) -> bool:
        """
        Whether the client has ended it.
        """
        return bool(self._transport.disconnecting or self._transport.disconnected)

    def answer(self, result: Any) -> None:
        """
        Answer a call.
        """
        self.send(frame(luxi_messages.encode_success(result)))

    def send(self, data: bytes) -> None:
        """
        Send bytes.
        """
        self._protocol.dataReceived(data)

    def lose(self) -> None:
        """
        End it.
        """
        self._protocol.connectionLost(Failure(ConnectionDone()))


class LuxiPoolTests(SynchronousTestCase):
    """
    Tests for L{LuxiPool}.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.pool = LuxiPool(self.reactor, Path("/run/luxi"), 2, 3)

    def call(self, method: str = "QueryTags", *arguments: Any, timeout: float = 60.0) -> Deferred[Any]:
        """
        Begin a call.
        """
        given = arguments or (("cluster", "") if method == "QueryTags" else ())
        return Deferred.fromCoroutine(self.pool.call(method, *given, timeout=timeout))

    def accept(self) -> Wire:
        """
        Take the oldest connection that is wanted.
        """
        path, factory, *_ = self.reactor.unixClients.pop(0)
        self.assertEqual(path, "/run/luxi")
        return Wire(factory)

    @property
    def wanted(self) -> int:
        """
        How many connections are being made.
        """
        return len(self.reactor.unixClients)

    def test_kept(self) -> None:
        """
        A connection is used again for the next call, and there is none before the first.
        """
        self.assertEqual(self.wanted, 0)
        first = self.call()
        wire = self.accept()
        wire.answer(["a"])
        self.assertEqual(self.successResultOf(first), ["a"])
        second = self.call("QueryClusterInfo")
        wire.answer({})
        self.assertEqual((self.successResultOf(second), self.wanted), ({}, 0))
        self.assertEqual(wire.asked, ["QueryTags", "QueryClusterInfo"])

    def test_encoded(self) -> None:
        """
        A result can be had as it came; failures are raised all the same.
        """
        asking = Deferred.fromCoroutine(self.pool.encoded("QueryTags", "cluster", ""))
        wire = self.accept()
        wire.send(b'{"success": true, "result": [1,  2]}\x03')
        found: msgspec.Raw = self.successResultOf(asking)
        self.assertEqual(bytes(found), b"[1,  2]")
        asking = Deferred.fromCoroutine(self.pool.encoded("ArchiveJob", 3))
        wire.send(frame(luxi_messages.encode_failure(JobLost("no such job"))))
        self.failureResultOf(asking, JobLost)

    def test_failure(self) -> None:
        """
        A call that fails leaves its connection usable; what is no answer fails the call.
        """
        failing = self.call("ArchiveJob", 3)
        wire = self.accept()
        wire.send(frame(luxi_messages.encode_failure(JobLost("no such job"))))
        self.assertEqual(str(self.failureResultOf(failing, JobLost).value), "no such job")
        garbled = self.call()
        wire.send(b"hello\x03")
        self.failureResultOf(garbled, RemoteError)

    def test_in_turn(self) -> None:
        """
        One call is under way on each connection; others wait in order, and one more than may is refused at once.
        """
        calls = [self.call() for _ in range(5)]
        one, two = self.accept(), self.accept()
        self.assertEqual((self.wanted, self.pool.waiting), (0, 3))
        self.failureResultOf(self.call(), TooManyCalls)
        two.answer("first of two")
        self.assertEqual((len(two.asked), len(one.asked), self.pool.waiting), (2, 1, 2))
        two.answer("second of two")
        one.answer("first of one")
        self.assertEqual(
            [self.successResultOf(calls[each]) for each in (1, 2, 0)],
            ["first of two", "second of two", "first of one"],
        )
        one.answer("last")
        two.answer("last")
        self.assertEqual([self.successResultOf(each) for each in calls[3:]], ["last", "last"])

    def test_late(self) -> None:
        """
        A call that is not answered in time fails, and its connection is not used again: its answer may still come.
        Waiting for a turn does not count.
        """
        late, other, waiting = [self.call(timeout=5) for _ in range(3)]
        wire, quick = self.accept(), self.accept()
        self.reactor.advance(4)
        quick.answer("quick")
        self.assertEqual(self.successResultOf(other), "quick")
        self.reactor.advance(1)
        self.assertIn("QueryTags", str(self.failureResultOf(late, LateAnswer).value))
        self.assertNoResult(waiting)
        self.assertTrue(wire.dropped)
        self.reactor.advance(3)
        quick.answer("after eight seconds, of which four were its own")
        self.successResultOf(waiting)

    def test_restarted(self) -> None:
        """
        A call whose kept connection breaks is made once more, on a new one; if that breaks, too, nobody is there.
        """
        self.call()
        old = self.accept()
        old.answer([])
        again = self.call()
        old.lose()
        new = self.accept()
        new.answer(["here"])
        self.assertEqual(self.successResultOf(again), ["here"])
        gone = self.call()
        new.lose()
        self.accept().lose()
        self.assertIn("went away", str(self.failureResultOf(gone, NotReachable).value))

    def test_not_repeated(self) -> None:
        """
        What would be done twice is not asked for once more: the caller is told that it is not known.
        """
        changing = self.call("ReplaceFilter", None, 0, [], "PAUSE", [])
        self.accept().lose()
        self.assertIn("not known", str(self.failureResultOf(changing, NotReachable).value))
        self.assertEqual(self.wanted, 0)

    def test_nobody(self) -> None:
        """
        Where nobody listens the error names the socket, and later calls have their turn.
        """
        for _ in range(3):
            calling = self.call()
            _, factory, *_ = self.reactor.unixClients.pop(0)
            factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
            self.assertIn("/run/luxi", str(self.failureResultOf(calling, NotReachable).value))
        served = self.call()
        self.accept().answer("there")
        self.assertEqual(self.successResultOf(served), "there")

    def test_lost_between_calls(self) -> None:
        """
        A kept connection that ended between two calls is forgotten; so is one on which something came unasked.
        """
        for end in (Wire.lose, lambda wire: wire.send(b"{}\x03")):
            self.call()
            wire = self.accept()
            wire.answer([])
            end(wire)
            calling = self.call()
            other = self.accept()
            other.answer("new")
            self.assertEqual(self.successResultOf(calling), "new")
            other.lose()

    def test_cancelled(self) -> None:
        """
        Who goes away while he waits for his turn leaves it to the next; who goes away during his call takes its
        connection along.
        """
        running, _ = self.call(), self.call()
        leaving, next_one = self.call(), self.call()
        wire, _ = self.accept(), self.accept()
        leaving.cancel()
        self.failureResultOf(leaving, CancelledError)
        self.assertEqual(self.pool.waiting, 1)
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.assertTrue(wire.dropped)
        self.accept().answer("next")
        self.assertEqual(self.successResultOf(next_one), "next")

    def test_closed(self) -> None:
        """
        Closing ends unused connections; a call under way gets its answer.
        """
        self.call()
        busy = self.call()
        unused, used = self.accept(), self.accept()
        unused.answer([])
        self.pool.close()
        self.assertEqual((unused.dropped, used.dropped), (True, False))
        used.answer("answered")
        self.assertEqual(self.successResultOf(busy), "answered")
