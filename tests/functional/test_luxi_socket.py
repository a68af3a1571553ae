"""
LUXI on a real unix socket: what the kernel's buffers do to answers.
"""

import socket
import tempfile
from pathlib import Path
from typing import Any

from attrs import define, field

from twisted.internet import reactor as real_reactor  # noqa: TID251  # functional tests run on the real one
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from gnttwist.masterd.luxi import READER_PATIENCE, Answer, LuxiFactory
from gnttwist.masterd.peer import Peer
from gnttwist.wire import luxi, luxi_messages
from gnttwist.wire.framing import Splitter, frame

LARGE = 4_000_000
"""
Characters of an answer that no socket takes at once.
"""

REACTOR: Any = real_reactor


@define
class Echo:
    """
    Answers a tag query with its name, as often as it says, at once.
    """

    left: list[str] = field(factory=list)

    def answer(self, call: luxi.Call, peer: Peer, message: bytes) -> Deferred[Answer]:
        """
        See L{gnttwist.masterd.luxi.Callee.answer}.
        """
        assert isinstance(call, luxi.QueryTags)
        name, times = call.name, int(call.kind)
        return succeed(Answer(name * times, lambda: self.left.append(name)))


def request(name: str, times: int = 1) -> bytes:
    """
    A request for so much of a name.
    """
    return frame(luxi_messages.encode_request("QueryTags", [str(times), name]))


class LuxiSocketTests(TestCase):
    """
    Tests for L{gnttwist.masterd.luxi} on sockets.
    """

    timeout = 30

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="gnt-")
        self.addCleanup(directory.cleanup)
        self.path = str(Path(directory.name, "socket"))
        self.echo = Echo()
        # Delays are the test's; what is to be done in the next turn is done in the next turn.
        self.clock = Clock()
        ticking: Any = Ticking(self.clock)
        port = REACTOR.listenUNIX(self.path, LuxiFactory(ticking, self.echo))
        self.addCleanup(port.stopListening)

    def connect(self) -> socket.socket:
        """
        A client, whose calls block a thread.
        """
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        client.connect(self.path)
        self.addCleanup(client.close)
        return client

    async def answers(self, client: socket.socket, count: int) -> list[Any]:
        """
        The next answers.
        """
        splitter = Splitter(luxi.RESPONSE_LIMIT)
        found: list[bytes] = []
        while len(found) < count:
            data = await deferToThread(client.recv, 1 << 20)
            self.assertTrue(data, "the server closed the connection")
            found += splitter.feed(data)
        return [luxi_messages.decode_response(each) for each in found]

    async def test_sizes(self) -> None:
        """
        Small answers and answers that take many turns arrive whole, and are told of when they have left.
        """
        client = self.connect()
        for name, times in (("a", 1), ("b", LARGE), ("c", 1)):
            await deferToThread(client.sendall, request(name, times))
            self.assertEqual(await self.answers(client, 1), [name * times])
        self.assertEqual(self.echo.left, ["a", "b", "c"])

    async def test_ahead(self) -> None:
        """
        A thousand requests in one piece are answered in order, a turn each, so that others are served between them.
        """
        first, other = self.connect(), self.connect()
        names = [f"n{number}" for number in range(1000)]
        await deferToThread(first.sendall, b"".join(map(request, names)))
        await deferToThread(other.sendall, request("other"))
        self.assertEqual(await self.answers(other, 1), ["other"])
        self.assertEqual(await self.answers(first, 1000), names)

    async def test_no_reader(self) -> None:
        """
        A client that does not read is cut off when its patience is over, while others are served.
        """
        stuck, other = self.connect(), self.connect()
        await deferToThread(stuck.sendall, request("x", LARGE))
        await deferToThread(other.sendall, request("y"))
        self.assertEqual(await self.answers(other, 1), ["y"])
        self.clock.advance(READER_PATIENCE)
        with self.assertRaises(AssertionError):
            await self.answers(stuck, 1)
        self.assertEqual(self.echo.left, ["y"])

    async def test_gone_before_the_answer(self) -> None:
        """
        A client that is gone when its answer comes disturbs nobody.
        """
        gone, other = self.connect(), self.connect()
        await deferToThread(gone.sendall, request("x", LARGE))
        gone.close()
        await deferToThread(other.sendall, request("y"))
        self.assertEqual(await self.answers(other, 1), ["y"])


@define(eq=False)
class Ticking:
    """
    The test's clock, but for what is to be done at once, which the reactor does.
    """

    clock: Clock

    def seconds(self) -> float:
        """
        The test's time.
        """
        return self.clock.seconds()

    def callLater(self, delay: float, callable: Any, *arguments: Any) -> Any:
        """
        Call later.
        """
        return (self.clock if delay else REACTOR).callLater(delay, callable, *arguments)
