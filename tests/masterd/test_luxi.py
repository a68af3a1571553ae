"""
Tests for L{gnttwist.masterd.luxi}.
"""

from typing import Any

from attrs import define, field

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.test.iosim import FakeTransport, IOPump, connect
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import JobLost, OperationError
from gnttwist.masterd.luxi import LINGER, READER_PATIENCE, Answer, LuxiProtocol
from gnttwist.masterd.peer import Peer
from gnttwist.wire import luxi, luxi_messages
from gnttwist.wire.framing import Splitter, frame

PEER = Peer(pid=17, uid=1000, gid=1000)


@define
class FakeCallee:
    """
    Keeps the calls, and answers when the test says so.
    """

    calls: list[tuple[luxi.Call, Peer]] = field(factory=list)
    pending: list[Deferred[Answer]] = field(factory=list)
    cancelled: list[luxi.Call] = field(factory=list)

    def answer(self, call: luxi.Call, peer: Peer, message: bytes) -> Deferred[Answer]:
        """
        Wait for the test.
        """
        self.calls.append((call, peer))
        self.pending.append(Deferred(lambda _: self.cancelled.append(call)))
        return self.pending[-1]


class Client(Protocol):
    """
    Keeps what it is sent.
    """

    def __init__(self) -> None:
        self.splitter = Splitter(luxi.RESPONSE_LIMIT)
        self.received: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self.received += self.splitter.feed(data)


class HalfClosing(FakeTransport):
    """
    A transport that remembers that its writing side was closed, and whether reading was paused.
    """

    half_closed = False
    paused = False

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False


class LuxiProtocolTests(SynchronousTestCase):
    """
    Tests for L{LuxiProtocol}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.callee = FakeCallee()
        self.client = Client()
        self.server = LuxiProtocol(self.clock, self.callee, lambda transport: PEER)
        self.transport = HalfClosing(self.server, isServer=True)
        self.wire = FakeTransport(self.client, isServer=False)
        self.pump: IOPump = connect(self.server, self.transport, self.client, self.wire)

    def send(self, data: bytes) -> None:
        """
        Let the client send, and everything arrive.
        """
        self.wire.write(data)
        self.pump.flush()

    def ask(self, method: str, *arguments: Any) -> None:
        """
        Let the client call a method.
        """
        self.send(frame(luxi_messages.encode_request(method, list(arguments))))

    def answer(self, result: Any) -> None:
        """
        Answer the oldest call.
        """
        self.callee.pending.pop(0).callback(Answer(result))
        self.pump.flush()

    def results(self) -> list[Any]:
        """
        What the client has been answered.
        """
        return [luxi_messages.decode_response(each) for each in self.client.received]

    def test_answers(self) -> None:
        """
        A call reaches its callee with its peer, and the answer its client.
        """
        self.ask("QueryTags", "cluster", "")
        self.assertEqual(self.callee.calls, [(luxi.QueryTags("cluster", ""), PEER)])
        self.answer(["a"])
        self.assertEqual(self.results(), [["a"]])

    def test_one_at_a_time(self) -> None:
        """
        A call sent ahead begins after the one before was answered; meanwhile nothing more is read.
        """
        self.ask("ArchiveJob", 1)
        self.ask("ArchiveJob", 2)
        self.assertEqual(len(self.callee.calls), 1)
        self.assertTrue(self.transport.paused)
        self.answer(True)
        self.assertEqual(len(self.callee.calls), 2)
        self.answer(False)
        self.assertEqual(self.results(), [True, False])
        self.assertFalse(self.transport.paused)

    def test_failure(self) -> None:
        """
        A foreseen failure is answered as itself, and the connection stays usable.
        """
        self.ask("ArchiveJob", 1)
        self.callee.pending.pop().errback(JobLost("no such job"))
        self.pump.flush()
        self.assertRaises(JobLost, self.results)
        self.ask("ArchiveJob", 2)
        self.assertEqual(len(self.callee.calls), 2)

    def test_unforeseen(self) -> None:
        """
        An unforeseen failure is logged, and answered with an incident's name instead of its text.
        """
        self.ask("ArchiveJob", 1)
        self.callee.pending.pop().errback(ZeroDivisionError("secret"))
        self.pump.flush()
        error = self.assertRaises(OperationError, self.results)
        self.assertRegex(str(error), r"ArchiveJob.*incident [0-9a-f]{12}")
        self.assertNotIn("secret", str(error))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_unencodable(self) -> None:
        """
        A result that has no JSON form is an unforeseen failure, too.
        """
        self.ask("ArchiveJob", 1)
        self.answer(object())
        self.assertRaises(OperationError, self.results)
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_refused(self) -> None:
        """
        What cannot be read is answered with a text; then the writing side is closed, and what follows ignored.
        """
        self.send(b"GET / HTTP/1.1\x03")
        self.assertIn("Failed to parse request", str(self.assertRaises(luxi_messages.Refused, self.results)))
        self.assertTrue(self.transport.half_closed)
        self.ask("ArchiveJob", 1)
        self.assertEqual(self.callee.calls, [])
        self.clock.advance(LINGER)
        self.assertTrue(self.transport.disconnecting)

    def test_too_long(self) -> None:
        """
        A request over the limit is answered once, however much more of it comes.
        """
        for _ in range(3):
            self.send(b" " * (luxi.REQUEST_LIMIT // 2 + 1))
        self.assertIn("longer than", str(self.assertRaises(luxi_messages.Refused, self.results)))
        self.assertEqual(len(self.client.received), 1)

    def test_left(self) -> None:
        """
        The callee is told that an answer has left when its client has been given it, not before.
        """
        left: list[int] = []
        self.ask("SubmitJob", [])
        self.callee.pending.pop().callback(Answer(5, lambda: left.append(5)))
        self.assertEqual((left, self.client.received), ([], []))
        self.pump.flush()
        self.assertEqual((left, self.results()), ([5], [5]))

    def test_stalled_reader(self) -> None:
        """
        A client that does not read its answer is cut off.
        """
        self.ask("ArchiveJob", 1)
        self.callee.pending.pop().callback(Answer(True))
        self.assertFalse(self.transport.disconnecting)
        self.clock.advance(READER_PATIENCE)
        self.assertTrue(self.transport.disconnecting)

    def test_gone_while_reading(self) -> None:
        """
        A read-only call is given up when its client is gone.
        """
        self.ask("WaitForJobChange", 1, ["status"], None, None, 60)
        self.wire.loseConnection()
        self.pump.flush()
        self.assertEqual(len(self.callee.cancelled), 1)

    def test_gone_while_changing(self) -> None:
        """
        A call that changes something goes on when its client is gone, and its answer goes nowhere.
        """
        self.ask("SubmitJob", [])
        self.wire.loseConnection()
        self.pump.flush()
        self.assertEqual(self.callee.cancelled, [])
        self.answer(5)
        self.assertEqual(self.client.received, [])

    def test_many_ahead(self) -> None:
        """
        Many calls sent in one piece are all answered, in order.
        """
        self.send(b"".join(frame(luxi_messages.encode_request("ArchiveJob", [n])) for n in range(20)))
        for each in range(20):
            self.assertEqual(len(self.callee.pending), 1)
            self.answer(each)
        self.assertEqual(self.results(), list(range(20)))
