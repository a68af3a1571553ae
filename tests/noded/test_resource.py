"""
Tests for L{gnttwist.noded.resource}, with a real site on a connection in memory.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.launcher.tree import Stat
from gnttwist.net.http import LimitedSite, Refusal
from gnttwist.net.http_limits import (
    CLOSE_TIME,
    HANDSHAKE_TIME,
    HEADERS_LIMIT,
    IDLE_TIME,
    LINGER,
    REFUSED_CONNECTIONS,
    REQUEST_LINE_LIMIT,
    REQUEST_TIME,
)
from gnttwist.noded.outlet import STALL
from gnttwist.noded.processes import Exit
from gnttwist.noded.resource import NodeResource
from gnttwist.wire import rpc_answers
from gnttwist.wire.framing import Splitter
from tests.noded.test_calls import KEY, Node


class Transport(StringTransport):
    """
    A connection that buffers as a socket's does: it asks its producer to pause when much waits to be sent.
    """

    aborted = False
    full = False

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.full and self.producer is not None:
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def abortConnection(self) -> None:
        self.aborted = True


class Connection:
    """
    One client's connection.
    """

    def __init__(self, site: LimitedSite) -> None:
        self.channel = site.buildProtocol(None)
        self.transport = Transport()
        if self.channel is not None:
            self.channel.makeConnection(self.transport)

    def send(self, path: str, body: bytes, method: str = "POST", *headers: str) -> None:
        """
        Send a request.
        """
        lines = [f"{method} {path} HTTP/1.1", "Host: node", f"Content-Length: {len(body)}", *headers, "", ""]
        self.channel.dataReceived("\r\n".join(lines).encode() + body)

    def received(self) -> tuple[int, dict[str, str], bytes]:
        """
        The answer's status, headers and body, and nothing of it is left afterwards.
        """
        head, _, body = self.transport.value().partition(b"\r\n\r\n")
        self.transport.clear()
        first, *lines = head.decode().split("\r\n")
        return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body


def chunks(data: bytes) -> bytes:
    """
    The content of a chunked body, as far as it came.
    """
    content = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        content += rest[: int(size, 16)]
        data = rest[int(size, 16) + 2 :]
    return content


class ResourceCase(SynchronousTestCase):
    """
    A node's site.
    """

    body_limit = 1000

    def setUp(self) -> None:
        self.node = Node(Path(self.mktemp()))
        self.clock = self.node.clock
        self.processes = self.node.processes
        self.refusal: Refusal | None = None
        self.running: dict[int, Stat] = {}
        self.resource = NodeResource(self.clock, self.node.calls, lambda: succeed(self.running))
        self.site = LimitedSite(
            self.clock,
            self.resource,
            lambda transport: self.refusal or "node1",
            self.body_limit,
            4,
        )
        self.client = Connection(self.site)

    def ask(self, path: str, body: Any, *headers: str) -> tuple[int, Any]:
        """
        Send a request whose answer comes at once: its status, and its body as JSON or text.
        """
        self.client.send(path, json.dumps(body).encode(), "POST", *headers)
        return self.answer()

    def answer(self) -> tuple[int, Any]:
        """
        The answer that has come.
        """
        status, headers, body = self.client.received()
        if headers.get("Content-Type") == "application/json":
            return status, json.loads(body)
        return status, body.decode().strip()


class RouteTests(ResourceCase):
    """
    Tests for each kind of request.
    """

    def test_blocking(self) -> None:
        """
        The blocking form answers with the function's pair when it has ended, by POST and by PUT.
        """
        for method in ("POST", "PUT"):
            self.client.send("/test_delay", b"[0.1]", method)
            self.assertEqual(self.client.transport.value(), b"")
            self.assertEqual(self.processes.running[-1].arguments, b"[0.1]")
            self.processes.running[-1].finish(True, {"a": [1]})
            self.assertEqual(self.answer(), (200, [True, {"a": [1]}]))
        self.assertEqual(self.node.table.rows({}), [])

    def test_blocking_died(self) -> None:
        """
        A blocking call whose process died is a failure with a text.
        """
        self.client.send("/version", b"")
        self.processes.running[0].exit(Exit(None, 9))
        self.assertEqual(self.answer(), (200, [False, "the function process was killed by signal 9"]))

    def test_unknown_function(self) -> None:
        """
        A function that does not exist is 404, with one line of text.
        """
        for path, body in (("/rm", []), ("/StartFunction", ["rm", [], 0]), ("/a/b", [])):
            status, text = self.ask(path, body)
            self.assertEqual(status, 404)
            self.assertIn("there is no function", text)

    def test_start_without_key(self) -> None:
        """
        Without a key the answers are the seed's three values: the ID while it runs, the pair at the end.
        """
        status, started = self.ask("/StartFunction", ["test_delay", [1], 0])
        id = self.processes.running[0].process.id
        self.assertEqual((status, started), (200, [id, False, None]))
        self.processes.running[0].finish(True, 7)
        for _ in range(2):
            self.assertEqual(self.ask("/WaitForFunction", [id, 10]), (200, [None, True, [True, 7]]))

    def test_start_waits(self) -> None:
        """
        StartFunction answers at the function's end, or after its timeout.
        """
        self.client.send("/StartFunction", b'["test_delay", [], 10]')
        self.processes.running[0].finish(True, None)
        self.assertEqual(self.answer(), (200, [None, True, [True, None]]))
        self.client.send("/StartFunction", b'["test_delay", [], 10]')
        self.clock.advance(10)
        self.assertEqual(self.answer(), (200, [self.processes.running[1].process.id, False, None]))

    def test_died(self) -> None:
        """
        A call that died tells keyed callers so in a fourth value, and others in the pair.
        """
        detail = "the function process was killed by signal 9"
        self.ask("/StartFunction", ["test_delay", [], 0, {"key": KEY}])
        id = self.processes.running[0].process.id
        self.processes.running[0].exit(Exit(None, 9))
        self.assertEqual(
            self.ask("/WaitForFunction", [KEY, 1]),
            (200, [None, True, None, {"ended": "died", "detail": detail}]),
        )
        self.assertEqual(self.ask("/WaitForFunction", [id, 1]), (200, [None, True, [False, detail]]))

    def test_same_key(self) -> None:
        """
        Starting a key again is the same call, from another connection too.
        """
        request = ["test_delay", [], 0, {"key": KEY}]
        first = self.ask("/StartFunction", request)
        self.client = Connection(self.site)
        self.assertEqual(self.ask("/StartFunction", request), first)
        self.assertEqual(len(self.processes.running), 1)

    def test_unknown_call(self) -> None:
        """
        Waiting for and aborting what was never started is 404.
        """
        for path, body in (("Wait", [KEY, 1]), ("Wait", ["1:2:3:4", 1]), ("Abort", [KEY])):
            self.assertEqual(
                self.ask(f"/{path}{'ForFunction' if path == 'Wait' else 'Function'}", body)[0], 404
            )

    def test_abort_and_forget(self) -> None:
        """
        An aborted call says so, and can then be forgotten.
        """
        self.ask("/StartFunction", ["test_delay", [], 0, {"key": KEY}])
        self.assertEqual(self.ask("/AbortFunction", [KEY]), (200, True))
        self.processes.running[0].exit(Exit(None, 15))
        _, answer = self.ask("/WaitForFunction", [KEY, 1])
        self.assertEqual(answer[3]["ended"], "aborted")
        self.assertEqual(self.ask("/ForgetFunctions", [[KEY, "k/other"]]), (200, 1))
        self.assertEqual(self.ask("/WaitForFunction", [KEY, 1])[0], 404)

    def test_no_launcher(self) -> None:
        """
        Without a launcher a start is 503 with a word on when to ask again.
        """
        self.processes.gone = True
        self.client.send("/StartFunction", b'["test_delay", [], 0]')
        status, headers, body = self.client.received()
        self.assertEqual((status, headers["Retry-After"], body), (503, "1", b"there is no launcher\n"))

    def test_malformed(self) -> None:
        """
        Bodies that are not what they should be are 400, and so are other methods.
        """
        for path, body in (("/StartFunction", {}), ("/test_delay", {}), ("/WaitForFunction", [1])):
            self.assertEqual(self.ask(path, body)[0], 400)
        self.client.send("/test_delay", b"[]", "DELETE")
        self.assertEqual(self.answer()[0], 400)

    def test_functions(self) -> None:
        """
        The calls are listed, with their processes and what they said last.
        """
        self.ask("/StartFunction", ["test_delay", [], 0, {"key": KEY}])
        pid = self.processes.running[0].process.pid
        parents = {pid: 1, pid + 1: pid, pid + 2: pid + 1, pid + 3: 1}
        self.running.update({each: Stat(each, parent, 0, 0) for each, parent in parents.items()})
        self.processes.running[0].feedback("message", "one")
        self.processes.running[0].feedback("message", "two")
        self.client.send("/functions", b"", "GET")
        status, [row] = self.answer()
        self.assertEqual((status, row["key"], row["caller"], row["state"]), (200, KEY, "node1", "running"))
        self.assertEqual(row["processes"], [pid, pid + 1, pid + 2])
        self.assertEqual((row["last_feedback"][0], row["last_feedback"][2:]), (2, ["message", "two"]))

    def test_unexpected(self) -> None:
        """
        An error that nobody expected is 500 with an incident's number, and is logged.
        """
        self.processes._spools = None  # type: ignore[assignment]  # a bug of ours
        status, text = self.ask("/version", [])
        self.assertEqual(status, 500)
        self.assertRegex(text, r"\Ainternal error, incident [0-9a-f]{12}\Z")
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_disconnect(self) -> None:
        """
        A caller that leaves stops waiting; the call goes on.
        """
        self.client.send("/WaitForFunction", b"")
        self.client.received()
        self.client.send("/StartFunction", b'["test_delay", [], 10, {"key": "%b"}]' % KEY.encode())
        self.client.channel.connectionLost()
        self.processes.running[0].finish(True, 1)
        self.client = Connection(self.site)
        self.assertEqual(self.ask("/WaitForFunction", [KEY, 0]), (200, [None, True, [True, 1]]))


class StreamTests(ResourceCase):
    """
    Tests for streamed answers.
    """

    accept = f"Accept: {rpc_answers.STREAM_TYPE}"

    def start(self) -> None:
        """
        Start a call and stream it.
        """
        body = json.dumps(["test_delay", [], 60, {"key": KEY}]).encode()
        self.client.send("/StartFunction", body, "POST", self.accept)
        self.fake = self.processes.running[0]

    def wait(self, timeout: float, seen: int) -> None:
        """
        Wait again, with a new connection.
        """
        self.client = Connection(self.site)
        body = json.dumps([KEY, timeout, {"seen": seen}]).encode()
        self.client.send("/WaitForFunction", body, "POST", self.accept)

    def messages(self) -> list[rpc_answers.Message]:
        """
        What has come by now.
        """
        _, headers, body = self.client.received()
        self.assertEqual(headers["Content-Type"], rpc_answers.STREAM_TYPE)
        return self.split(body)

    def more(self) -> list[rpc_answers.Message]:
        """
        What has come since.
        """
        data = self.client.transport.value()
        self.client.transport.clear()
        return self.split(data)

    def split(self, body: bytes) -> list[rpc_answers.Message]:
        """
        The messages in a chunked body.
        """
        return [rpc_answers.decode_message(each) for each in Splitter(10**6).feed(chunks(body))]

    def says(self, *texts: str) -> None:
        """
        Let the function say something.
        """
        for each in texts:
            self.fake.feedback("message", each)

    def test_at_once(self) -> None:
        """
        Feedback is sent the moment it exists, and the result at the end.
        """
        self.start()
        self.assertEqual(self.messages(), [])
        self.says("one")
        [message] = self.more()
        assert isinstance(message, rpc_answers.FeedbackMessage)
        self.assertEqual((message.serial, message.type, message.payload), (1, "message", "one"))
        self.fake.finish(True, 5)
        self.assertEqual(self.more(), [rpc_answers.Finished(True, 5)])

    def test_keepalive(self) -> None:
        """
        Every five seconds of silence are broken.
        """
        self.start()
        self.messages()
        self.clock.advance(4)
        self.says("one")
        self.more()
        self.clock.advance(4.9)
        self.assertEqual(self.more(), [])
        self.clock.advance(0.1)
        self.assertEqual(self.more(), [rpc_answers.KeepAlive()])

    def test_resumed(self) -> None:
        """
        Whoever waits again gets what it has not seen, once, and a wait ends with its time.
        """
        self.start()
        self.says("one", "two", "three")
        self.wait(5, 1)
        self.assertEqual([each.payload for each in self.messages()], ["two", "three"])  # type: ignore[union-attr]
        self.clock.advance(5)
        self.assertEqual(self.more(), [rpc_answers.Unfinished(self.fake.process.id)])

    def test_after_the_end(self) -> None:
        """
        The feedback of a call that has ended can still be read.
        """
        self.start()
        self.says("one")
        self.fake.finish(False, "no")
        self.wait(5, 0)
        self.assertEqual([type(each).__name__ for each in self.messages()], ["FeedbackMessage", "Finished"])

    def test_slow_reader(self) -> None:
        """
        Nothing is read from the spool for a reader that does not read; when it does, nothing is missing.
        """
        self.start()
        self.messages()
        self.client.transport.full = True
        self.says("one", "two", "three")
        self.fake.finish(True, "x")
        self.assertEqual(len(self.more()), 1)
        self.client.transport.full = False
        self.client.channel.resumeProducing()
        self.assertEqual([getattr(each, "payload", None) for each in self.more()], ["two", "three", "x"])

    def test_stalled_reader(self) -> None:
        """
        A reader that does not read for long is cut off, and its call goes on.
        """
        self.start()
        self.client.transport.full = True
        self.says("one")
        self.clock.advance(STALL)
        self.assertTrue(self.client.transport.aborted)
        self.client.channel.connectionLost()
        self.assertEqual(self.node.table.find(KEY).state.value, "running")

    def test_large_result(self) -> None:
        """
        A large result is written piece by piece as it is read, and arrives whole.
        """
        self.start()
        self.messages()
        self.client.transport.full = True
        self.fake.finish(True, "x" * 500_000)
        data = b""
        rounds = 0
        while self.client.transport.value():
            data += self.client.transport.value()
            self.assertLess(len(self.client.transport.value()), 70_000)
            self.client.transport.clear()
            rounds += 1
            self.client.channel.resumeProducing()
        self.assertGreater(rounds, 7)
        self.assertEqual(self.split(data), [rpc_answers.Finished(True, "x" * 500_000)])


class LimitTests(ResourceCase):
    """
    Tests for what is refused while a request arrives.
    """

    def head(self, *headers: str) -> tuple[int, dict[str, str], bytes]:
        """
        Send a request's headers alone.
        """
        lines = ["POST /test_delay HTTP/1.1", "Host: node", *headers, "", ""]
        self.client.channel.dataReceived("\r\n".join(lines).encode())
        return self.client.received() if self.client.transport.value() else (0, {}, b"")

    def test_large_body(self) -> None:
        """
        A body that is too large is refused before it is sent, and the connection ends.
        """
        status, headers, body = self.head("Content-Length: 1001")
        self.assertEqual((status, headers["Connection"]), (413, "close"))
        self.assertEqual(body, b"a body of 1001 bytes, at most 1000 are taken\n")
        self.client.channel.dataReceived(b"x" * 1001)
        self.clock.advance(LINGER)
        self.assertTrue(self.client.transport.disconnecting)
        self.assertEqual(self.processes.running, [])

    def test_unknown_length(self) -> None:
        """
        A body whose length is not said beforehand is refused.
        """
        self.assertEqual(self.head("Transfer-Encoding: chunked")[0], 411)

    def test_not_allowed(self) -> None:
        """
        Whoever may not ask is refused at the headers, also where the whole request is there already.
        """
        self.refusal = Refusal(403, "not a master candidate")
        self.assertEqual(self.head("Content-Length: 5")[0], 403)
        self.client = Connection(self.site)
        self.assertEqual(self.ask("/test_delay", [1]), (403, "not a master candidate"))
        self.assertEqual(self.processes.running, [])

    def test_slow_request(self) -> None:
        """
        A request that comes a byte at a time is refused when its time is over, however steadily it comes.
        """
        for byte in b"POST /test_delay":
            self.client.channel.dataReceived(bytes([byte]))
            self.clock.advance(REQUEST_TIME / 16)
        self.assertEqual(self.client.received()[0], 408)

    def test_time_between_requests(self) -> None:
        """
        The time for a request begins with its first byte: a connection may wait between requests.
        """
        self.processes.slow = False
        self.client.channel.handshakeCompleted()
        for _ in range(2):
            self.clock.advance(REQUEST_TIME + 1)
            self.client.send("/version", b"[]")
            self.clock.advance(REQUEST_TIME + 1)
            self.processes.running[-1].finish(True, 3)
            self.assertEqual(self.answer(), (200, [True, 3]))

    def test_request_line(self) -> None:
        """
        A request line that is too long is refused, whether its end comes or not.
        """
        for data in (b"POST /" + b"x" * REQUEST_LINE_LIMIT + b" HTTP/1.1\r\n", b"x" * 20_000):
            self.client = Connection(self.site)
            self.client.channel.dataReceived(data)
            self.assertEqual(self.client.received()[0], 414)

    def test_headers(self) -> None:
        """
        Headers that are too long together, or one that is, are refused.
        """
        many = [f"X-{number}: {'x' * 100}" for number in range(HEADERS_LIMIT // 100)]
        for headers in (many, ["X: " + "x" * HEADERS_LIMIT]):
            self.client = Connection(self.site)
            self.assertEqual(self.head(*headers)[0], 431)

    def test_not_http(self) -> None:
        """
        What is not HTTP is told so.
        """
        self.client.channel.dataReceived(b"hello\r\n")
        self.assertEqual(self.client.received()[0], 400)

    def test_handshake(self) -> None:
        """
        A connection that never gets through the TLS handshake ends; one that has may wait.
        """
        shaken = Connection(self.site)
        shaken.channel.handshakeCompleted()
        self.clock.advance(HANDSHAKE_TIME)
        self.assertEqual([each.transport.aborted for each in (self.client, shaken)], [True, False])

    def test_idle_time(self) -> None:
        """
        A connection on which nothing happens between requests ends after some minutes.
        """
        self.client.channel.handshakeCompleted()
        self.clock.advance(IDLE_TIME - 1)
        self.assertFalse(self.client.transport.disconnecting)
        self.clock.advance(1)
        self.assertTrue(self.client.transport.disconnecting)

    def test_idle_connections(self) -> None:
        """
        Over the limit of connections the one that was idle longest gives way, those that never asked first.
        """
        self.client.send("/version", b"[]")
        self.processes.running[0].finish(True, 3)
        others = [Connection(self.site) for _ in range(4)]
        self.assertEqual([each.transport.aborted for each in others], [True, False, False, False])
        self.assertFalse(self.client.transport.aborted)

    def test_connections(self) -> None:
        """
        While all connections are in use, newcomers are refused with 503, and too many of them closed at once.
        """
        busy = [self.client] + [Connection(self.site) for _ in range(3)]
        for each in busy:
            each.send("/StartFunction", json.dumps(["version", [], 60, {"key": KEY}]).encode())
        self.client = Connection(self.site)
        self.assertEqual(self.ask("/version", []), (503, "4 connections are in use, the most that may be"))
        for _ in range(REFUSED_CONNECTIONS - 1):
            # One that is refused is not idle.
            Connection(self.site).send("/version", b"[]")
        self.assertIsNone(Connection(self.site).channel)
        busy[0].channel.connectionLost()

    def test_waiting_requests(self) -> None:
        """
        So many requests are worked on and no more: a further one is told to come later.
        """
        self.resource._limit = 1
        self.client.send("/StartFunction", json.dumps(["version", [], 60, {"key": KEY}]).encode())
        self.client, first = Connection(self.site), self.client
        request = ["version", [], 0, {"key": KEY}]
        self.assertEqual(self.ask("/StartFunction", request), (503, "1 requests wait, the most that may"))
        first.channel.connectionLost()
        self.assertEqual(self.ask("/StartFunction", request)[0], 200)

    def test_one_callers_connections(self) -> None:
        """
        A caller has so many connections and no more, until one of them ends.
        """
        self.site._caller_limit = 2
        first = [self.client, Connection(self.site), Connection(self.site)]
        for each in first:
            each.send("/version", b"[]")
        self.assertEqual(first[2].received()[0], 503)
        first[0].channel.connectionLost()
        self.client = Connection(self.site)
        self.client.send("/version", b"[]")
        self.assertEqual(self.client.transport.value(), b"")

    def test_close(self) -> None:
        """
        A site that closes ends idle connections at once, others after their answers, and slow ones by force.
        """
        idle, busy, stuck = self.client, Connection(self.site), Connection(self.site)
        for each in (busy, stuck):
            each.send("/version", b"[]")
        closed = Deferred.fromCoroutine(self.site.close())
        self.processes.running[0].finish(True, 3)
        self.assertEqual([each.transport.disconnecting for each in (idle, busy, stuck)], [True, True, False])
        self.assertEqual(busy.received()[2], b"[true,3]")
        for each in (idle, busy):
            each.channel.connectionLost()
        self.assertNoResult(closed)
        self.clock.advance(CLOSE_TIME)
        self.successResultOf(closed)
        self.assertTrue(stuck.transport.aborted)
