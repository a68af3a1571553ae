"""
Tests for L{gnttwist.sandbox.processes}, on real processes.
"""

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.sandbox.processes import Process, belonging, start_time, stop, tail, wait_until


class ProcessTests(SynchronousTestCase):
    """
    Tests for finding and ending processes.
    """

    def child(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """
        A process that sleeps, however it is asked to end.
        """
        code = "import signal, sys; print(flush=True); signal.sigwait([signal.SIGUSR1])"
        child = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        assert child.stdout is not None
        self.addCleanup(child.stdout.close)
        child.stdout.readline()
        return child

    def process(self, child: "subprocess.Popen[bytes]") -> Process:
        """
        A child as we know processes.
        """
        started = start_time(child.pid)
        assert started is not None
        return Process(child.pid, started)

    def test_alive(self) -> None:
        """
        A process is alive until it is killed, also while nobody has waited for it.
        """
        child = self.child()
        process = self.process(child)
        self.assertTrue(process.alive)
        self.assertGreater(process.memory, 1 << 20)
        child.kill()
        self.assertTrue(wait_until(lambda: not process.alive, 10))

    def test_other_process(self) -> None:
        """
        A pid that is used again is not the process that it was.
        """
        process = self.process(self.child())
        self.assertFalse(Process(process.pid, process.started - 1).alive)

    def test_stop(self) -> None:
        """
        Stopping ends processes; those already gone are no trouble.
        """
        process = self.process(self.child())
        stop([process, Process(process.pid, 1)])
        self.assertFalse(process.alive)

    def test_belonging(self) -> None:
        """
        A node's processes are known by the root in their arguments, to the letter.
        """
        root = Path("/nonexistent/node1.sandbox.test")
        ours = self.process(self.child("gnttwist.launcher", "--root", str(root)))
        self.child("gnttwist.launcher", "--root", str(root) + "x")
        self.child("something.else", "--root", str(root))
        self.assertEqual(list(belonging(root)), [ours])

    def test_myself(self) -> None:
        """
        The asking process's own start time can be told, and a senseless pid has none.
        """
        self.assertIsNotNone(start_time(os.getpid()))
        self.assertIsNone(start_time(2**22 + 1))

    def test_tail(self) -> None:
        """
        The end of a log is its last lines, and no log is no lines.
        """
        log = Path(self.mktemp())
        self.assertEqual(list(tail(log)), [])
        log.write_text("".join(f"line {n}\n" for n in range(5000)))
        self.assertEqual(tail(log)[-1], "line 4999")
        self.assertLess(len(tail(log)), 20)
