"""
The launcher as a process: how it is started, and what a hostile front end can do to it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

from twisted.internet import reactor  # noqa: TID251 - real processes
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.launcher import groups, protocol
from gnttwist.launcher.children import CHILDREN_LIMIT
from gnttwist.launcher.connection import QUEUE_LIMIT
from gnttwist.launcher.server import STRANGERS
from gnttwist.launcher.tree import belonging, processes
from gnttwist.noded.descriptors import sealed
from gnttwist.noded.launching import start_launcher
from gnttwist.noded.processes import LauncherGone
from gnttwist.paths import Paths
from gnttwist.sandbox.processes import wait_until as wait_until_now
from tests.noded.process_conformance import (
    PYTHONPATH,
    TABLE,
    ProcessCase,
    asynchronous,
    is_running,
    wait_until,
)

DEADLINE = 10.0


class FrontEnd:
    """
    A front end that can also break the rules.
    """

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(str(path))

    def send(self, message: protocol.Request | bytes, descriptors: Sequence[int] = ()) -> None:
        """
        Send a message, or what is none.
        """
        data = message if isinstance(message, bytes) else protocol.encode(message)
        socket.send_fds(self.socket, [data], list(descriptors))

    def receive(self) -> protocol.Reply:
        """
        The next reply; its descriptors are closed.
        """
        data, descriptors, _, _ = socket.recv_fds(self.socket, protocol.HEADER_LIMIT, 8)
        for each in descriptors:
            os.close(each)
        if not data:
            raise EOFError
        return protocol.decode_reply(data)

    def ask(self, message: protocol.Request | bytes, descriptors: Sequence[int] = ()) -> protocol.Reply:
        """
        Send, and receive.
        """
        self.send(message, descriptors)
        return self.receive()

    def greet(self) -> "FrontEnd":
        """
        Become the front end.
        """
        answer = self.ask(protocol.Hello(protocol.VERSION))
        assert isinstance(answer, protocol.Welcome), answer
        return self

    def close(self) -> None:
        """
        Go away.
        """
        self.socket.close()


class LauncherTests(SynchronousTestCase):
    """
    A launcher and front ends that do not keep to its protocol.
    """

    def setUp(self) -> None:
        top = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(rmtree, top)
        (top / "node1").mkdir()
        self.paths = Paths.from_root(str(top / "node1"))
        self.numbers = 0
        command = [sys.executable, "-m", "gnttwist.launcher", "--root", str(self.paths.root)]
        self.launcher = subprocess.Popen(
            [*command, "--functions", TABLE],
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": PYTHONPATH, "SECRET": "x"},
        )
        self.addCleanup(self.end)
        self.client = self.connect_first().greet()

    def end(self) -> None:
        """
        End the launcher, which must still be well.
        """
        self.launcher.terminate()
        _, errors = self.launcher.communicate(timeout=20)
        self.assertNotIn(b"Traceback", errors)
        self.assertEqual(self.launcher.returncode, 0)

    def connect_first(self) -> FrontEnd:
        """
        Connect as soon as the launcher listens.
        """
        assert self.launcher.stderr is not None
        while True:
            try:
                return self.connect()
            except (FileNotFoundError, ConnectionRefusedError):
                self.assertIsNone(self.launcher.poll())

    def connect(self) -> FrontEnd:
        """
        Another connection.
        """
        client = FrontEnd(self.paths.launcher_socket)
        self.addCleanup(client.close)
        return client

    def start(
        self, function: str, arguments: bytes = b"[]", client: FrontEnd | None = None
    ) -> protocol.Started:
        """
        Start a call that must be accepted.
        """
        self.numbers += 1
        request = protocol.StartChild(self.numbers, function, f"1.0:{self.numbers}", None, 1 << 20)
        descriptor = sealed(arguments)
        try:
            answer = (client or self.client).ask(request, [descriptor])
        finally:
            os.close(descriptor)
        assert isinstance(answer, protocol.Started), answer
        return answer

    def assert_well(self) -> None:
        """
        The launcher still starts functions and tells of their end.
        """
        started = self.start("echo", b"[1]")
        ended = self.client.receive()
        self.assertEqual(ended, protocol.Exited(started.id, 0, None))
        self.client.send(protocol.Dismiss(started.id))

    def test_places(self) -> None:
        """
        The socket is its user's alone, in a directory that is its user's alone.
        """
        self.assertEqual(self.paths.launcher_socket.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.paths.launcher_socket.parent.stat().st_mode & 0o777, 0o700)
        self.assertEqual(self.paths.spool.stat().st_mode & 0o777, 0o700)
        self.assertEqual(int(self.paths.launcher_pid.read_text()), self.launcher.pid)

    def test_garbage(self) -> None:
        """
        What is not a request is refused, and the connection goes on.
        """
        for data in (b"x", b"{}", b'{"type":"start"}', b"\xff\0", b"[" * 4096, b"x" * 100_000):
            answer = self.client.ask(data)
            assert isinstance(answer, protocol.Refused), answer
            self.assertIsNone(answer.request)
        self.assert_well()

    def test_bad_starts(self) -> None:
        """
        Starts of unknown functions, without arguments, or with arguments that can change are refused by number.
        """
        pipe = os.pipe()
        loose = os.memfd_create("loose", os.MFD_ALLOW_SEALING)
        huge = os.memfd_create("huge", os.MFD_ALLOW_SEALING)
        os.truncate(huge, protocol.ARGUMENTS_LIMIT + 1)
        good = sealed(b"[]")
        opened = [*pipe, loose, huge, good]
        for each in opened:
            self.addCleanup(os.close, each)
        request = protocol.StartChild(7, "echo", "1.0:7", None, 1 << 20)
        unknown = protocol.StartChild(7, "sh", "1.0:7", None, 1 << 20)
        for message, descriptors in (
            (unknown, [good]),
            (request, []),
            (request, [good, good]),
            (request, [pipe[0]]),
            (request, [loose]),
            (request, [huge]),
        ):
            answer = self.client.ask(message, descriptors)
            assert isinstance(answer, protocol.Refused), answer
            self.assertEqual(answer.request, 7)
        self.assertEqual(list(self.paths.spool.iterdir()), [])
        self.assert_well()

    def test_no_hello(self) -> None:
        """
        A connection that does not say Hello, or of another version, is cut off and replaces nobody.
        """
        rude = self.connect()
        rude.send(protocol.ListChildren(1))
        self.assertRaises(EOFError, rude.receive)
        other = self.connect()
        self.assertIsInstance(other.ask(protocol.Hello(99)), protocol.Refused)
        self.assertRaises(EOFError, other.receive)
        self.assert_well()

    def test_silent_connections(self) -> None:
        """
        Connections that say nothing are bounded and in nobody's way.
        """
        silent = [self.connect() for _ in range(STRANGERS + 3)]
        self.assert_well()
        for each in silent[:3]:
            self.assertRaises(EOFError, each.receive)

    def test_does_not_read(self) -> None:
        """
        A front end that asks without end and reads nothing is cut off; the next one is served.
        """
        self.client.socket.settimeout(0.5)
        with self.assertRaises((BrokenPipeError, ConnectionResetError, TimeoutError)):
            for number in range(100 * QUEUE_LIMIT):
                self.client.send(protocol.SignalChild(number, "1:2:3:4", 15, False))
        self.client.close()
        self.client = self.connect().greet()
        self.assert_well()

    def test_too_many(self) -> None:
        """
        Children are bounded, those counted that nobody has dismissed.
        """
        for _ in range(CHILDREN_LIMIT):
            self.start_echo()
        descriptor = sealed(b"[1]")
        self.addCleanup(os.close, descriptor)
        request = protocol.StartChild(9999, "echo", "1.0:9999", None, 1 << 20)
        self.client.send(request, [descriptor])
        while not isinstance(answer := self.client.receive(), protocol.Refused):
            self.assertIsInstance(answer, protocol.Exited)
        self.assertIn(str(CHILDREN_LIMIT), answer.reason)

    def start_echo(self) -> None:
        """
        Start a call while ends of others may come in between.
        """
        self.numbers += 1
        descriptor = sealed(b"[1]")
        request = protocol.StartChild(self.numbers, "echo", f"1.0:{self.numbers}", None, 1 << 20)
        self.client.send(request, [descriptor])
        os.close(descriptor)
        while not isinstance(answer := self.client.receive(), protocol.Started):
            self.assertIsInstance(answer, protocol.Exited)

    def test_descriptors(self) -> None:
        """
        Calls, refusals and connections leave no descriptor behind.
        """

        def count() -> int:
            return len(os.listdir(f"/proc/{self.launcher.pid}/fd"))

        self.assert_well()
        self.client.ask(protocol.ListChildren(1))
        before = count()
        for _ in range(5):
            self.assert_well()
            self.client.ask(b"x", [0, 1, 2])
            self.connect().close()
        newer = self.connect().greet()
        self.assertEqual(newer.ask(protocol.ListChildren(1)), protocol.Listed(1, 0))
        self.assertEqual(count(), before)

    def test_environment(self) -> None:
        """
        A function process sees nothing of the environment that the launcher was started in.
        """
        started = self.start("surroundings")
        self.client.receive()
        self.assertNotIn("SECRET", Path(started.spool).read_text())
        self.assertIn("GANETI_ROOTDIR", Path(started.spool).read_text())

    def test_abort_reaches_the_lost(self) -> None:
        """
        With control groups, an abort ends also what has left the call's session and lost its parents.
        """
        if groups.find(self.paths) is None:
            self.skipTest("there is no cgroup v2 here in which groups can be made")
        trace = self.paths.root / "trace"
        started = self.start("lose", json.dumps([str(trace)]).encode())
        self.assertTrue(wait_until_now(trace.exists, DEADLINE))
        lost = int(trace.read_text())
        self.assertNotIn(lost, belonging(processes(), started.pid))
        answer = self.client.ask(protocol.SignalChild(1, started.id, signal.SIGTERM, True))
        self.assertEqual(answer, protocol.Signalled(1))
        self.assertEqual(self.client.receive(), protocol.Exited(started.id, None, signal.SIGTERM))
        self.assertFalse(is_running(lost))

    def test_only_one(self) -> None:
        """
        A second launcher of the same node says so and leaves the first alone.
        """
        again = subprocess.run(
            [sys.executable, "-m", "gnttwist.launcher", "--root", str(self.paths.root)],
            capture_output=True,
            text=True,
            timeout=20,
        )
        self.assertEqual(again.returncode, 75)
        self.assertEqual(again.stderr, "gnttwist.launcher: a launcher runs already\n")
        self.assert_well()


class StartLauncherTests(ProcessCase):
    """
    Tests for L{start_launcher}.
    """

    @asynchronous
    async def test_start(self) -> None:
        """
        A started launcher listens, is nobody's child here, and is not started a second time.
        """
        await start_launcher(reactor, self.paths, os.environ)
        pid = int(self.paths.launcher_pid.read_text())
        try:
            client = FrontEnd(self.paths.launcher_socket).greet()
            client.close()
            self.assertNotEqual(os.getsid(pid), os.getsid(0))
            self.assertNotEqual(processes()[pid].parent, os.getpid())
            await start_launcher(reactor, self.paths, os.environ)
            self.assertEqual(int(self.paths.launcher_pid.read_text()), pid)
        finally:
            os.kill(pid, signal.SIGTERM)
            await wait_until(lambda: not is_running(pid))

    @asynchronous
    async def test_cannot(self) -> None:
        """
        A launcher that cannot run says why in one line.
        """
        deep = self.paths.root / ("x" * 100)
        deep.mkdir()
        with self.assertRaises(LauncherGone) as caught:
            await start_launcher(reactor, Paths.from_root(str(deep)), os.environ)
        self.assertIn("cannot listen on", str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))
