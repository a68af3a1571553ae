"""
gnt-noded as a process, over real TLS, with real function processes.
"""

import os
import signal
import socket
from datetime import UTC, datetime

from twisted.internet import reactor  # noqa: TID251 - real processes and sockets
from twisted.internet.defer import CancelledError, gatherResults
from twisted.internet.tcp import Client
from twisted.internet.threads import deferToThread

from gnttwist.client.node_plain import calls, security
from gnttwist.errors import CallAborted, FunctionDied, FunctionFailed, NodeError, NotAnswering
from gnttwist.jobs.calls import Call, Feedback
from gnttwist.net import certificates
from gnttwist.net.certificates import new_cluster_certificate
from tests.noded.daemon import DaemonCase, launcher_pid
from tests.noded.process_conformance import asynchronous, is_running, wait_for_file, wait_until

KEY = "k/cluster/epoch/1/step/1"


def ignore(feedback: Feedback) -> None:
    """
    Nobody listens.
    """


class NodedTests(DaemonCase):
    """
    Tests of the whole daemon.
    """

    reactor = reactor

    @asynchronous
    async def test_calls(self) -> None:
        """
        Calls run, their results, failures and large values arrive, and connections are used again.
        """
        await self.start_daemon()
        caller = self.caller()
        self.assertEqual(await caller.query(self.node, "version", []), 42)
        for number in range(5):
            result = await caller.call(self.node, Call("version", [], f"k/{number}"), ignore)
            self.assertEqual(result, 42)
        with self.assertRaises(FunctionFailed) as caught:
            await caller.call(self.node, Call("blockdev_remove", ["no such disk"], "k/fail"), ignore)
        self.assertEqual(str(caught.exception), "no such disk")
        text = await caller.call(self.node, Call("blockdev_find", [5_000_000]), ignore)
        self.assertEqual(len(text), 5_000_000)
        self.assertEqual(len(caller._http._pool._connections), 1)

    @asynchronous
    async def test_feedback(self) -> None:
        """
        Feedback arrives while the function runs, in order and once.
        """
        await self.start_daemon()
        heard: list[int] = []
        call = self.caller().call(
            self.node,
            Call("test_delay", [str(self.paths.root), "trace", 0.5, 20], KEY),
            lambda each: heard.append(each.serial),
        )
        await wait_for_file(self.paths.root / "trace")
        self.assertFalse(call.called)
        await call
        self.assertEqual(heard, list(range(1, 21)))

    @asynchronous
    async def test_many(self) -> None:
        """
        Calls at the same time all run, once each.
        """
        await self.start_daemon()
        caller = self.caller()
        names = [f"trace{number}" for number in range(16)]
        results = await gatherResults(
            [
                caller.call(
                    self.node, Call("test_delay", [str(self.paths.root), name, 0.1], f"k/{name}"), ignore
                )
                for name in names
            ]
        )
        self.assertEqual(list(results), names)
        counts = {len((self.paths.root / name).read_text().splitlines()) for name in names}
        self.assertEqual(counts, {1})

    @asynchronous
    async def test_abort_and_forget(self) -> None:
        """
        An aborted call says so; a forgotten one leaves no spool.
        """
        await self.start_daemon()
        caller = self.caller()
        call = caller.call(self.node, Call("test_delay", [str(self.paths.root), "trace", 20], KEY), ignore)
        await wait_for_file(self.paths.root / "trace")
        await caller.abort(self.node, KEY)
        with self.assertRaises(CallAborted):
            await call
        await caller.forget(self.node, [KEY, "k/never/started"])
        self.assertEqual(list(self.paths.spool.iterdir()), [])

    @asynchronous
    async def test_cancelled(self) -> None:
        """
        A caller that waits no more for a call leaves no connection behind, and the call goes on.
        """
        await self.start_daemon()
        call = self.caller().call(
            self.node, Call("test_delay", [str(self.paths.root), "trace", 5, 50], KEY), ignore
        )
        await wait_for_file(self.paths.root / "trace")
        self.assertEqual(self.connections(), 1)
        call.cancel()
        with self.assertRaises(CancelledError):
            await call
        await wait_until(lambda: self.connections() == 0)
        await self.caller().abort(self.node, KEY)

    @asynchronous
    async def test_listed(self) -> None:
        """
        The calls of a node can be asked for without Twisted; who is no candidate is refused, in words.
        """
        await self.start_daemon()
        call = self.caller().call(
            self.node, Call("test_delay", [str(self.paths.root), "trace", 5, 50], KEY), ignore
        )
        await wait_for_file(self.paths.root / "trace")
        with self.assertRaises(NodeError) as caught:
            security(self.paths)
        self.assertIn("client.pem", str(caught.exception))
        certificates.write(self.paths.client_pem, self.own.pem(), certificates.PEM_MODE)
        context = security(self.paths)
        (row,) = await deferToThread(calls, context, "node1", "127.0.0.1", self.port)
        self.assertEqual((row.key, row.function, row.state), (KEY, "test_delay", "running"))
        self.allow()
        with self.assertRaises(NodeError) as caught:
            await deferToThread(calls, context, "node1", "127.0.0.1", self.port)
        self.assertIn("Node node1 refuses: ", str(caught.exception))
        self.allow(self.own)
        await self.caller().abort(self.node, KEY)
        with self.assertRaises(CallAborted):
            await call

    def connections(self) -> int:
        """
        How many connections to the daemon this process has.
        """
        peers = (each.getPeer() for each in reactor.getReaders() if isinstance(each, Client))
        return sum(each.port == self.port for each in peers)

    @asynchronous
    async def test_killed_function(self) -> None:
        """
        A function process that is killed is a call that died, and how is told.
        """
        await self.start_daemon()
        trace = self.paths.root / "trace"
        call = self.caller().call(
            self.node, Call("test_delay", [str(self.paths.root), "trace", 20], KEY), ignore
        )
        await wait_for_file(trace)
        os.kill(int(trace.read_text()), signal.SIGKILL)
        with self.assertRaises(FunctionDied) as caught:
            await call
        self.assertIn("signal 9", str(caught.exception))

    @asynchronous
    async def test_strangers(self) -> None:
        """
        Whoever is no master candidate is refused by HTTP, and whoever is of another cluster by TLS.
        """
        await self.start_daemon()
        stranger = self.caller(self.cluster, patience=0)
        with self.assertRaises(NotAnswering) as caught:
            await stranger.call(self.node, Call("version", []), ignore)
        self.assertIn("only master candidates", str(caught.exception))
        self.allow(self.own, self.cluster)
        self.assertEqual(await stranger.call(self.node, Call("version", []), ignore), 42)
        foreign = self.caller(new_cluster_certificate(datetime.now(UTC)), patience=0)
        with self.assertRaises(NotAnswering):
            await foreign.call(self.node, Call("version", []), ignore)

    @asynchronous
    async def test_stop(self) -> None:
        """
        SIGTERM ends the function processes and then the daemon, which tells the callers; the launcher stays.
        """
        daemon = await self.start_daemon()
        trace = self.paths.root / "trace"
        call = self.caller().call(
            self.node, Call("test_delay", [str(self.paths.root), "trace", 20], KEY), ignore
        )
        await wait_for_file(trace)
        daemon.kill(signal.SIGTERM)
        with self.assertRaises(FunctionDied):
            await call
        await daemon.ended
        self.assertNotIn(b"Traceback", daemon.log)
        self.assertFalse(is_running(int(trace.read_text())))
        self.assertIsNotNone(launcher_pid(self.paths))
        self.assertFalse(self.paths.pid("gnt-noded").exists())

    @asynchronous
    async def test_leave(self) -> None:
        """
        SIGUSR1 ends the daemon alone: a call goes on, and its caller gets the result from the next daemon.
        """
        daemon = await self.start_daemon()
        call = self.caller().call(
            self.node, Call("test_delay", [str(self.paths.root), "trace", 1.5], KEY), ignore
        )
        await wait_for_file(self.paths.root / "trace")
        self.assertEqual(await daemon.kill(signal.SIGUSR1), 0)
        await self.start_daemon()
        self.assertEqual(await call, "trace")

    @asynchronous
    async def test_systemd(self) -> None:
        """
        A socket that systemd has passed is listened on, and no other.
        """
        with socket.create_server(("127.0.0.1", 0)) as passed:
            await self.start_daemon(passed)
            self.assertEqual(self.port, passed.getsockname()[1])
        self.assertEqual(await self.caller().query(self.node, "version", []), 42)

    @asynchronous
    async def test_second_daemon(self) -> None:
        """
        A second daemon of the same node does not start, and disturbs nothing.
        """
        await self.start_daemon()
        with self.assertRaises(AssertionError):
            await self.start_daemon()
        self.assertNotEqual(await self.daemons[1].ended, 0)
        self.assertEqual(await self.caller().query(self.node, "version", []), 42)

    @asynchronous
    async def test_without_certificate(self) -> None:
        """
        Without the cluster's certificate the daemon ends at once with one line that names the file.
        """
        self.paths.server_pem.unlink()
        with self.assertRaises(AssertionError):
            await self.start_daemon()
        self.assertNotEqual(await self.daemons[0].ended, 0)
        self.assertIn(b"server.pem", self.daemons[0].log)
        self.assertNotIn(b"Traceback", self.daemons[0].log)
