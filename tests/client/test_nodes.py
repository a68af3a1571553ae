"""
Tests for L{gnttwist.client.nodes} and L{gnttwist.client.node_body}.
"""

import json
from collections import deque
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone

from gnttwist.client.node_body import Body, Unreachable
from gnttwist.client.node_call import RETRY_MOST, RemoteCall
from gnttwist.client.node_http import Reply
from gnttwist.client.nodes import HTTPNodeCaller
from gnttwist.client.silence import SILENCE, TOLD_EVERY, Silence
from gnttwist.errors import CallAborted, FunctionDied, FunctionFailed, NodeError, NotAnswering
from gnttwist.jobs.calls import Call, Feedback
from gnttwist.model.objects import Node
from gnttwist.wire import rpc_answers
from gnttwist.wire.framing import Splitter

KEY = "k/cluster/epoch/1/step/1"
NODE = Node(name="node1", primary_ip="192.0.2.1", secondary_ip="192.0.2.1", group="g", uuid="u")
OFFLINE = Node(
    name="node2", primary_ip="192.0.2.2", secondary_ip="192.0.2.2", group="g", uuid="v", offline=True
)
PATIENCE = 100.0
ID = "1:2:3.0:ab"


class Stream:
    """
    A streamed answer that a test writes.
    """

    def __init__(self, clock: Clock) -> None:
        self.body = Body(clock, SILENCE, Splitter(10_000))
        self.body.makeConnection(StringTransport())

    def feedback(self, serial: int, text: str = "") -> None:
        """
        The function says something.
        """
        self.write(rpc_answers.encode_feedback(rpc_answers.FeedbackMessage(serial, (1, 2), "message", text)))

    def write(self, data: bytes) -> None:
        """
        Bytes arrive.
        """
        self.body.dataReceived(data)

    def end(self, answer: rpc_answers.Answer) -> None:
        """
        The last message.
        """
        self.write(
            rpc_answers.RESULT_PREFIX
            + rpc_answers.encode_answer(answer, keyed=True)
            + rpc_answers.RESULT_SUFFIX
        )
        self.body.connectionLost(Failure(ResponseDone()))

    def cut(self) -> None:
        """
        The connection breaks.
        """
        self.body.connectionLost(Failure(ConnectionLost()))


class FakeHTTP:
    """
    A network on which a test plays the node.

    @ivar asked: The path and the decoded body of each question.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: list[tuple[str, Any]] = []
        self.answers: deque[Reply | Stream | Exception] = deque()
        self.silence: list[float] = []
        self.otherwise: Exception | None = None

    async def ask(
        self, address: str, path: str, body: bytes, silence: float, *, stream: bool = False
    ) -> Reply | Body:
        """
        See L{gnttwist.client.node_http.NodeHTTP.ask}.
        """
        assert address == NODE.primary_ip, address
        self.asked.append((path, json.loads(body)))
        self.silence.append(silence)
        answer = self.answers.popleft() if self.answers else self.otherwise
        if answer is None:
            await Deferred()
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None, "never comes"
        return answer.body if isinstance(answer, Stream) else answer


def reply(value: object, status: int = 200) -> Reply:
    """
    A plain answer.
    """
    return Reply(status, value if isinstance(value, bytes) else json.dumps(value).encode())


class CallerCase(SynchronousTestCase):
    """
    A caller on a fake network.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.http = FakeHTTP(self.clock)
        self.patience = PATIENCE
        self.caller = HTTPNodeCaller(
            self.clock,
            None,  # type: ignore[arg-type]  # no network, no security
            lambda: 1e9 + self.clock.seconds(),
            patience=lambda: self.patience,
            http=self.http,  # type: ignore[arg-type]  # has what is used of it
        )
        self.heard: list[Feedback] = []

    def call(self, key: str | None = KEY, function: str = "test_delay", **more: Any) -> Deferred[Any]:
        """
        Call a function.
        """
        return self.caller.call(NODE, Call(function, [1], key, **more), self.heard.append)

    def stream(self) -> Stream:
        """
        The next answer is a stream.
        """
        stream = Stream(self.clock)
        self.http.answers.append(stream)
        return stream

    def serials(self) -> list[int]:
        """
        Which feedback was delivered.
        """
        return [each.serial for each in self.heard]


class CallTests(CallerCase):
    """
    Tests for L{HTTPNodeCaller.call}.
    """

    def test_start(self) -> None:
        """
        A call is started with its key and a short timeout, and its payload is the result.
        """
        stream = self.stream()
        call = self.call()
        self.assertEqual(self.http.asked, [("StartFunction", ["test_delay", [1], 10.0, {"key": KEY}])])
        stream.end(rpc_answers.Finished(True, {"a": 1}))
        self.assertEqual(self.successResultOf(call), {"a": 1})

    def test_feedback(self) -> None:
        """
        Feedback is delivered as it comes.
        """
        stream = self.stream()
        self.call()
        stream.feedback(1, "one")
        self.assertEqual(self.heard, [Feedback(1, (1, 2), "message", "one")])

    def test_wait_again(self) -> None:
        """
        A call that has not ended is waited for by its key, from the feedback that was seen last.
        """
        first, second = self.stream(), self.stream()
        call = self.call()
        first.feedback(1)
        first.end(rpc_answers.Unfinished(ID))
        self.assertEqual(self.http.asked[1], ("WaitForFunction", [KEY, 60.0, {"seen": 1}]))
        second.feedback(2)
        second.end(rpc_answers.Finished(True, 7))
        self.assertEqual((self.successResultOf(call), self.serials()), (7, [1, 2]))

    def test_without_key(self) -> None:
        """
        A call without a key is waited for by its ID.
        """
        self.http.answers.extend([reply([ID, False, None]), reply([None, True, [True, 3]])])
        self.assertEqual(self.successResultOf(self.call(None)), 3)
        self.assertEqual([each[1][0] for each in self.http.asked], ["test_delay", ID])

    def test_lost_start(self) -> None:
        """
        A start whose answer was lost is repeated with the same key, and feedback is not delivered twice.
        """
        self.http.answers.append(Unreachable("lost"))
        second = self.stream()
        self.call()
        self.clock.advance(0.1)
        self.assertEqual(self.http.asked[0], self.http.asked[1])
        second.feedback(1)
        second.cut()
        third = self.stream()
        self.clock.advance(0.2)
        self.assertEqual(self.http.asked[2][0], "WaitForFunction")
        third.feedback(1)
        third.feedback(2)
        self.assertEqual(self.serials(), [1, 2])

    def test_attached_again(self) -> None:
        """
        A call of which feedback is stored already is waited for, and started if the node does not know it.
        """
        self.http.answers.append(reply(b"there is no call", 404))
        stream = self.stream()
        call = self.call(seen=4)
        self.clock.advance(0.1)
        self.assertEqual([each[0] for each in self.http.asked], ["WaitForFunction", "StartFunction"])
        stream.feedback(4)
        stream.feedback(5)
        stream.end(rpc_answers.Finished(True, None))
        self.successResultOf(call)
        self.assertEqual(self.serials(), [5])

    def test_patience(self) -> None:
        """
        A node that does not answer is asked again, ever less often, until patience is over; the error names it.
        """
        self.http.otherwise = Unreachable("connection refused")
        call = self.call()
        self.clock.pump([1.0] * int(PATIENCE + RETRY_MOST + 1))
        error = self.failureResultOf(call, NotAnswering).value
        self.assertIn("node1", str(error))
        self.assertIn("connection refused", str(error))
        self.assertLess(len(self.http.asked), PATIENCE / RETRY_MOST + 10)

    def test_patience_begins_anew(self) -> None:
        """
        Patience is counted from the last word of the node.
        """
        self.http.otherwise = Unreachable("gone")
        stream = self.stream()
        call = self.call()
        for _ in range(3):
            stream.write(rpc_answers.KEEPALIVE)
            stream.cut()
            self.clock.pump([1.0] * int(PATIENCE - 10))
            stream = self.stream()
            self.clock.advance(RETRY_MOST)
        self.assertNoResult(call)

    def test_patience_changes(self) -> None:
        """
        A call that waits already is given up by the patience that there is now.
        """
        self.http.otherwise = Unreachable("gone")
        call = self.call()
        self.clock.pump([1.0] * int(PATIENCE / 2))
        self.assertNoResult(call)
        self.patience = PATIENCE / 4
        self.clock.pump([1.0] * int(RETRY_MOST + 1))
        self.failureResultOf(call, NotAnswering)

    def test_busy(self) -> None:
        """
        A node that has no room is asked again.
        """
        self.http.answers.extend([reply(b"200 calls run", 503), reply([None, True, [True, 1]])])
        call = self.call()
        self.clock.advance(0.1)
        self.assertEqual(self.successResultOf(call), 1)

    def test_silent(self) -> None:
        """
        A stream that is silent for too long counts as broken; keepalives keep it alive.
        """
        first = self.stream()
        self.call()
        for _ in range(10):
            self.clock.advance(SILENCE - 1)
            first.write(rpc_answers.KEEPALIVE)
        self.assertEqual(len(self.http.asked), 1)
        self.stream()
        self.clock.advance(SILENCE)
        self.clock.advance(0.1)
        self.assertEqual(len(self.http.asked), 2)

    def test_silence_told(self) -> None:
        """
        A node that has said nothing for so long is told with the reason, again and again until it says something.
        """
        told: list[tuple[float, str]] = []
        first = self.stream()
        call = self.caller.call(
            NODE, Call("test_delay", [1], KEY), self.heard.append, lambda *each: told.append(each)
        )
        self.clock.advance(SILENCE - 1)
        first.write(rpc_answers.KEEPALIVE)
        self.http.otherwise = Unreachable("no route")
        first.cut()
        self.clock.pump([1.0] * int(SILENCE - 1))
        self.assertEqual(told, [])
        self.clock.advance(1)
        self.assertEqual(told, [(SILENCE, "no route")])
        self.clock.pump([1.0] * int(TOLD_EVERY))
        self.assertEqual(told[1:], [(SILENCE + TOLD_EVERY, "no route")])
        last = self.stream()
        self.clock.pump([1.0] * int(RETRY_MOST))
        last.write(rpc_answers.KEEPALIVE)
        self.assertEqual(told[-1], (0.0, ""))
        last.end(rpc_answers.Finished(True, 1))
        self.successResultOf(call)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_endings(self) -> None:
        """
        Failures, deaths and aborts are told apart; a failure's text is the function's own.
        """
        for answer, kind, text in (
            (rpc_answers.Finished(False, "no such disk"), FunctionFailed, "no such disk"),
            (rpc_answers.Finished(False, None), FunctionFailed, "No error information"),
            (rpc_answers.Ended("died", "signal 9"), FunctionDied, "Node node1: test_delay: signal 9"),
            (rpc_answers.Ended("aborted", "asked"), CallAborted, "Node node1: test_delay: asked"),
        ):
            stream = self.stream()
            call = self.call()
            stream.end(answer)
            self.assertEqual(str(self.failureResultOf(call, kind).value), text)

    def test_garbage(self) -> None:
        """
        A node that talks nonsense is asked again.
        """
        stream = self.stream()
        call = self.call()
        stream.write(b"{]\x03")
        self.http.answers.append(reply(b"nonsense"))
        self.clock.advance(0.1)
        self.http.answers.append(reply([None, True, [True, 1]]))
        self.clock.advance(0.2)
        self.assertEqual(self.successResultOf(call), 1)

    def test_refused(self) -> None:
        """
        A request that the node calls wrong is not repeated.
        """
        self.http.answers.append(reply(b"not a request", 400))
        self.assertIn("not a request", str(self.failureResultOf(self.call(), NodeError).value))

    def test_deadline(self) -> None:
        """
        After its deadline a call is given up, and the node was never asked to wait for longer.
        """
        self.http.answers.append(reply([ID, False, None]))
        self.http.otherwise = Unreachable("gone")
        call = self.call(deadline=1e9 + 4)
        self.assertEqual(
            [each[1][-2] if len(each[1]) > 3 else each[1][1] for each in self.http.asked], [4.0, 4.0]
        )
        self.clock.pump([0.5] * 20)
        self.assertIn("deadline", str(self.failureResultOf(call, NotAnswering).value))

    def test_old_node(self) -> None:
        """
        A node that knows no StartFunction gets Ganeti's form.
        """
        self.http.answers.extend([reply(b"", 404), reply([True, 3000000])])
        self.assertEqual(self.successResultOf(self.call(None, "version")), 3000000)
        self.assertEqual(self.http.asked[1], ("version", [1]))

    def test_old_node_once(self) -> None:
        """
        Ganeti's form is never repeated, as nobody could tell what became of it.
        """
        self.http.answers.extend([reply(b"", 404), Unreachable("lost")])
        self.failureResultOf(self.call(), FunctionDied)
        self.assertEqual(len(self.http.asked), 2)

    def test_offline(self) -> None:
        """
        A node that is marked offline is not asked.
        """
        call = self.caller.call(OFFLINE, Call("version", []), self.heard.append)
        self.assertIn("offline", str(self.failureResultOf(call, NotAnswering).value))
        self.assertEqual(self.http.asked, [])

    def test_left_alone(self) -> None:
        """
        A call that nobody holds any more ends quietly, as at the end of the daemon.
        """
        stream = self.stream()
        clock, http, call = self.clock, self.http, Call("test_delay", [1], KEY)
        calling = RemoteCall(
            NODE,
            call,
            self.heard.append,
            http,  # type: ignore[arg-type]  # has what is used of it
            clock,
            clock.seconds,
            lambda: PATIENCE,
            Silence(clock),
        ).run()
        calling.send(None)
        calling.close()
        assert isinstance(stream.body.transport, StringTransport), "connected"
        self.assertTrue(stream.body.transport.disconnected)

    def test_cancel(self) -> None:
        """
        Cancelling stops waiting, and asks the node nothing more.
        """
        stream = self.stream()
        call = self.call()
        call.cancel()
        self.failureResultOf(call, CancelledError)
        self.clock.advance(1000)
        self.assertEqual(len(self.http.asked), 1)
        assert isinstance(stream.body.transport, StringTransport), "connected"
        self.assertTrue(stream.body.transport.disconnected)


class OtherTests(CallerCase):
    """
    Tests for what is not a call.
    """

    def test_query(self) -> None:
        """
        A query is Ganeti's form, once, within its time.
        """
        self.http.answers.append(reply([True, [1]]))
        query = self.caller.query(NODE, "version", [], 5)
        self.assertEqual((self.successResultOf(query), self.http.asked), ([1], [("version", [])]))

    def test_query_fails(self) -> None:
        """
        A query that gets no answer, in time or at all, says so.
        """
        query = self.caller.query(NODE, "version", [], 5)
        self.clock.advance(5)
        self.failureResultOf(query, NotAnswering)
        self.http.answers.append(Unreachable("refused"))
        self.failureResultOf(self.caller.query(NODE, "version", []), NotAnswering)
        self.http.answers.append(reply([False, "no"]))
        self.failureResultOf(self.caller.query(NODE, "version", []), FunctionFailed)

    def test_abort(self) -> None:
        """
        An abort is repeated until the node has answered; that it knows no such call is an answer.
        """
        self.http.answers.extend([Unreachable("lost"), reply(b"no launcher", 503), reply(b"", 404)])
        abort = self.caller.abort(NODE, KEY)
        self.clock.pump([0.1, 0.2])
        self.successResultOf(abort)
        self.assertEqual(self.http.asked, [("AbortFunction", [KEY])] * 3)

    def test_forget(self) -> None:
        """
        Many keys are acknowledged in several requests.
        """
        self.http.answers.extend([reply(1000), reply(1)])
        self.successResultOf(self.caller.forget(NODE, [f"k/{number}" for number in range(1001)]))
        self.assertEqual([len(each[1][0]) for each in self.http.asked], [1000, 1])

    def test_impatience(self) -> None:
        """
        A node that never answers is given up.
        """
        self.http.otherwise = Unreachable("refused")
        forget = self.caller.forget(NODE, [KEY])
        self.clock.pump([1.0] * int(PATIENCE + RETRY_MOST + 1))
        self.failureResultOf(forget, NotAnswering)
