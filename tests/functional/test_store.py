"""
The SQLite store when its process is killed, and when its disk is full.
"""

import os
import signal
import sys
from pathlib import Path

from twisted.internet import reactor  # noqa: TID251 real processes need the real one
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads, IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from gnttwist.store.sqlite import SQLiteStore
from tests.functional.store_writer import WRITERS


class WriterProtocol(ProcessProtocol):
    """
    Collects what the writing process says.

    @ivar ended: Fires with its lines.
    """

    def __init__(self, kill_after: int) -> None:
        self._kill_after = kill_after
        self._output = b""
        self._errors = b""
        self.ended: Deferred[tuple[list[str], str]] = Deferred(lambda _: self.kill())

    def kill(self) -> None:
        """
        SIGKILL, if it still runs.
        """
        if self.transport is not None and self.transport.pid is not None:
            os.kill(self.transport.pid, signal.SIGKILL)

    def outReceived(self, data: bytes) -> None:
        self._output += data
        if self._kill_after and self._output.count(b"\n") >= self._kill_after:
            self._kill_after = 0
            self.kill()

    def errReceived(self, data: bytes) -> None:
        self._errors += data

    def processExited(self, reason: Failure) -> None:
        """
        The rest of the output may still come.
        """

    def processEnded(self, reason: Failure) -> None:
        lines = self._output.decode().rpartition("\n")[0].splitlines()
        self.ended.callback((lines, self._errors.decode()))


class DurabilityTests(TestCase):
    """
    What was reported is there, and what was not durable was not reported.
    """

    timeout = 60

    async def run_writer(self, path: Path, *, limit: int = 0, kill_after: int = 0) -> list[str]:
        """
        Run the writing process to its end.
        """
        protocol = WriterProtocol(kill_after)
        root = Path(__file__).parent.parent.parent
        IReactorProcess(reactor).spawnProcess(
            protocol,
            sys.executable,
            [sys.executable, "-m", "tests.functional.store_writer", str(path), str(limit)],
            env={"PYTHONPATH": str(root), "PATH": os.environ["PATH"]},
        )
        self.addCleanup(protocol.kill)
        lines, errors = await protocol.ended
        self.assertEqual(errors, "")
        return lines

    async def keys(self, path: Path) -> set[str]:
        """
        What is in the store now.
        """
        store = await SQLiteStore.open(
            IReactorFromThreads(reactor), path, lambda failure: failure.raiseException()
        )
        try:
            found = await store.range("/")
            self.assertEqual(len(found.entries), store.revision)
            return {entry.key for entry in found.entries}
        finally:
            await store.close()

    async def test_killed(self) -> None:
        """
        After kill -9 every write that was reported is there, and of each writer at most the next one more.
        """
        for round_ in range(3):
            path = Path(self.mktemp())
            lines = await self.run_writer(path, kill_after=100 * (round_ + 1))
            told = {line.split()[1] for line in lines}
            self.assertGreaterEqual(len(told), 100)
            there = await self.keys(path)
            self.assertEqual(told - there, set())
            self.assertLessEqual(len(there - told), WRITERS)

    async def test_full(self) -> None:
        """
        When nothing more can be written the store stops: its owner is told once and first, all that waits fails,
        later calls are refused, and what had been reported is there.
        """
        path = Path(self.mktemp())
        lines = await self.run_writer(path, limit=400_000)
        self.assertEqual(lines.count("fatal"), 1)
        before, after = lines[: lines.index("fatal")], lines[lines.index("fatal") + 1 :]
        done = {line.split()[1] for line in before if line.startswith("done ")}
        failed = {line.split()[1] for line in after if line.startswith("failed ")}
        self.assertGreater(len(done), 50)
        self.assertEqual(len(done), len(before))
        self.assertEqual(len(failed), WRITERS)
        self.assertEqual(after.count("refused"), WRITERS)
        self.assertEqual(after[-1], "closed")
        there = await self.keys(path)
        self.assertEqual(done - there, set())
        self.assertEqual(there - done - failed, set())
