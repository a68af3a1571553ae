"""
Tests for L{gnttwist.noded.launched}, with a real launcher.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from time import monotonic
from typing import cast

from twisted.internet import reactor  # noqa: TID251 - real processes
from twisted.internet.defer import Deferred

from gnttwist.launcher.children import GRACE
from gnttwist.noded.descriptors import IReactor
from gnttwist.noded.launched import LaunchedProcesses
from gnttwist.noded.launching import start_launcher
from gnttwist.noded.processes import Exit, LauncherGone, Process
from tests.noded.process_conformance import (
    PYTHONPATH,
    TABLE,
    ProcessCase,
    ProcessConformance,
    Recorder,
    asynchronous,
    is_running,
    read_all,
    wait_for_file,
    wait_until,
)


class LaunchedCase(ProcessCase):
    """
    A launcher of the node directory, and a front end connected to it.
    """

    def setUp(self) -> Deferred[None]:  # type: ignore[override] # trial waits for it
        super().setUp()
        self.launcher = self.launch()
        self.launched = self.front_end()
        return self.launched.connect()

    def launch(self) -> "subprocess.Popen[bytes]":
        """
        Start a launcher, which is ended after the test.
        """
        command = [sys.executable, "-m", "gnttwist.launcher", "--root", str(self.paths.root)]
        log = (self.paths.root / "launcher.log").open("ab")
        launcher = subprocess.Popen(
            [*command, "--functions", TABLE], stderr=log, env={**os.environ, "PYTHONPATH": PYTHONPATH}
        )
        log.close()
        self.addCleanup(self.end, launcher)
        return launcher

    def end(self, launcher: "subprocess.Popen[bytes]") -> None:
        """
        End a launcher and its children.
        """
        launcher.terminate()
        launcher.wait(20)

    def kill(self) -> None:
        """
        Kill the launcher, so that nothing of its own accord can follow.
        """
        self.launcher.kill()
        self.launcher.wait(20)

    def front_end(self, revive: Callable[[], Deferred[None]] | None = None) -> LaunchedProcesses:
        """
        A front end as a new node daemon has it; not connected.
        """
        processes = LaunchedProcesses(
            cast(IReactor, reactor), self.paths.launcher_socket, self.paths.spool, revive
        )
        self.addCleanup(processes.disconnect)
        return processes


class LaunchedProcessesTests(LaunchedCase, ProcessConformance):
    """
    Children of the launcher do what all processes do.
    """

    def setUp(self) -> Deferred[None]:  # type: ignore[override] # trial waits for it
        connected = super().setUp()
        self.processes = self.launched
        return connected


class SuccessionTests(LaunchedCase):
    """
    What happens when a node daemon or a launcher is killed and another takes its place.
    """

    async def waiting_call(self) -> tuple[Process, Recorder]:
        """
        A call that runs until the flag is set.
        """
        recorder = Recorder()
        process = await self.launched.start(self.request("wait", str(self.flag), key="k/1"), recorder)
        await recorder.woken_first
        return process, recorder

    async def successor(self) -> tuple[list[Process], dict[str, Recorder]]:
        """
        Replace the front end as kill -9 and a restart would, and adopt.
        """
        self.launched.disconnect()
        self.launched = self.front_end()
        recorders: dict[str, Recorder] = {}

        def listener_for(process: Process) -> Recorder:
            recorders[process.id] = Recorder()
            return recorders[process.id]

        await self.launched.connect()
        return list(await self.launched.adopt(listener_for)), recorders

    @asynchronous
    async def test_adopt_running(self) -> None:
        """
        A new front end gets a running call: its process, its wakes, its end.
        """
        process, _ = await self.waiting_call()
        adopted, recorders = await self.successor()
        self.assertEqual(adopted, [process])
        recorder = recorders[process.id]
        self.flag.touch()
        self.assertEqual(await recorder.ended, Exit(0, None))
        self.assertGreater(recorder.wakes, 0)
        self.assertEqual(read_all(process)[1], [True, "waited"])

    @asynchronous
    async def test_adopt_ended(self) -> None:
        """
        A call that ended while there was no front end is told of, with how it ended.
        """
        process, _ = await self.waiting_call()
        self.launched.disconnect()
        os.kill(process.pid, signal.SIGKILL)
        await wait_until(lambda: not is_running(process.pid))
        adopted, recorders = await self.successor()
        self.assertEqual(adopted, [process])
        self.assertEqual(await recorders[process.id].ended, Exit(None, signal.SIGKILL))

    @asynchronous
    async def test_adopt_nothing(self) -> None:
        """
        A call whose end was told is not there for the next front end.
        """
        await self.run_call(self.launched, self.request("echo", 1))
        # Answered after the dismissal, so that it has been taken.
        process, _ = await self.waiting_call()
        adopted, _ = await self.successor()
        self.assertEqual(adopted, [process])

    @asynchronous
    async def test_signal_adopted(self) -> None:
        """
        An adopted call can be ended.
        """
        process, _ = await self.waiting_call()
        _, recorders = await self.successor()
        await self.launched.signal(process.id, signal.SIGTERM, tree=True)
        self.assertEqual(await recorders[process.id].ended, Exit(None, signal.SIGTERM))

    @asynchronous
    async def test_launcher_killed(self) -> None:
        """
        Without the launcher a call goes on, its feedback wakes and its end is seen, though not how it ended.
        """
        process, recorder = await self.waiting_call()
        self.kill()
        wakes = recorder.wakes
        self.flag.touch()
        self.assertEqual(await recorder.ended, Exit(None, None))
        self.assertGreater(recorder.wakes, wakes)
        self.assertEqual(read_all(process)[1], [True, "waited"])

    @asynchronous
    async def test_no_launcher(self) -> None:
        """
        Without a launcher nothing can be started or signalled; with the next one it can, by itself.
        """
        process, recorder = await self.waiting_call()
        self.kill()
        await wait_until(lambda: not self.launched._link.up)
        with self.assertRaises(LauncherGone):
            await self.launched.start(self.request("echo", 1), Recorder())
        with self.assertRaises(LauncherGone):
            await self.launched.signal(process.id, signal.SIGTERM, tree=False)
        self.launcher = self.launch()
        await self.launched.connect()
        outcome = await self.run_call(self.launched, self.request("echo", 1))
        self.assertEqual(outcome.value, [True, 1])
        await self.launched.signal(process.id, signal.SIGTERM, tree=False)
        self.assertEqual((await recorder.ended).code, None)

    @asynchronous
    async def test_revived(self) -> None:
        """
        Where nobody else does, the front end starts a launcher when there is none.
        """
        self.launched.disconnect()
        self.end(self.launcher)

        def revive() -> Deferred[None]:
            environment = {**os.environ, "PYTHONPATH": PYTHONPATH}
            return start_launcher(reactor, self.paths, environment, TABLE)

        self.launched = self.front_end(revive)
        await self.launched.connect()
        first = int(self.paths.launcher_pid.read_text())
        os.kill(first, signal.SIGKILL)
        await wait_until(lambda: not self.launched._link.up)
        await self.launched.connect()
        second = int(self.paths.launcher_pid.read_text())
        try:
            outcome = await self.run_call(self.launched, self.request("echo", 1))
            self.assertEqual(outcome.value, [True, 1])
        finally:
            os.kill(second, signal.SIGTERM)
            self.launched.disconnect()
            await wait_until(lambda: not is_running(second))

    @asynchronous
    async def test_both_killed(self) -> None:
        """
        A call outlives launcher and front end; their successors find it by its spool, and can end it.
        """
        process, _ = await self.waiting_call()
        other, _ = await self.waiting_call()
        self.launched.disconnect()
        self.kill()
        self.launcher = self.launch()
        adopted, recorders = await self.successor()
        self.assertEqual({each.id for each in adopted}, {process.id, other.id})
        self.assertEqual({each.key for each in adopted}, {"k/1"})
        await self.launched.signal(other.id, signal.SIGKILL, tree=True)
        self.assertEqual(await recorders[other.id].ended, Exit(None, None))
        self.assertIsNone(read_all(other)[1])
        self.flag.touch()
        self.assertEqual(await recorders[process.id].ended, Exit(None, None))
        self.assertEqual(read_all(process)[1], [True, "waited"])

    @asynchronous
    async def test_killed_while_starting(self) -> None:
        """
        Of a start under way when the launcher is killed it is known whether it happened: there is a spool, and
        a process that is followed to its end, or there is none.
        """
        for delay in range(6):
            recorder = Recorder()
            request = self.request("echo", delay)
            starting = self.launched.start(request, recorder)
            await wait_until(iter([False] * delay + [True]).__next__)
            self.kill()
            try:
                process = await starting
            except LauncherGone:
                self.assertFalse((self.paths.spool / request.id_suffix).exists())
            else:
                await recorder.ended
                self.assertEqual(read_all(process)[1], [True, delay])
            self.launcher = self.launch()
            await wait_until(lambda: not self.launched._link.up)
            await self.launched.connect()

    @asynchronous
    async def test_superseded(self) -> None:
        """
        The newest front end is served; the older one can start nothing more.
        """
        newer = self.front_end()
        await newer.connect()
        await wait_until(lambda: not self.launched._link.up)
        with self.assertRaises(LauncherGone):
            await self.launched.start(self.request("echo", 1), Recorder())
        outcome = await self.run_call(newer, self.request("echo", 1))
        self.assertEqual(outcome.value, [True, 1])

    @asynchronous
    async def test_stop(self) -> None:
        """
        Told to stop, the launcher ends its children, says how they ended, and goes with its socket.
        """
        _, recorder = await self.waiting_call()
        self.launcher.terminate()
        self.assertEqual(await recorder.ended, Exit(None, signal.SIGTERM))
        self.assertEqual(self.launcher.wait(20), 0)
        self.assertFalse(self.paths.launcher_socket.exists())

    @asynchronous
    async def test_stubborn_tree(self) -> None:
        """
        What an aborted call leaves behind is killed after a while, and only then its end is told.
        """
        recorder = Recorder()
        process = await self.launched.start(self.request("grow_tree", str(self.flag), True), recorder)
        await wait_for_file(self.flag)
        near, far, guest = (int(each) for each in self.flag.read_text().split())
        self.addCleanup(os.kill, guest, signal.SIGKILL)
        begin = monotonic()
        await self.launched.signal(process.id, signal.SIGTERM, tree=True)
        self.assertEqual(await recorder.ended, Exit(None, signal.SIGTERM))
        self.assertGreater(monotonic() - begin, GRACE * 0.9)
        self.assertEqual([is_running(each) for each in (near, far, guest)], [False, False, True])


del ProcessConformance
