"""
Tests for L{gnttwist.net.pidfile}.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.net.pidfile import PidFile

HOLD = """
import sys
from pathlib import Path
from gnttwist.net.pidfile import PidFile
PidFile(Path(sys.argv[1])).startService()
print("held", flush=True)
sys.stdin.read()
"""


class PidFileTests(SynchronousTestCase):
    """
    Tests for L{PidFile}.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute() / "run" / "daemon.pid"

    def test_life(self) -> None:
        """
        The file holds the pid while the daemon runs, is locked, and is gone afterwards.
        """
        service = PidFile(self.path)
        service.startService()
        self.assertEqual(self.path.read_text(), f"{os.getpid()}\n")
        with self.path.open() as file:
            self.assertRaises(BlockingIOError, fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        service.stopService()
        self.assertFalse(self.path.exists())

    def test_second(self) -> None:
        """
        A second daemon ends with one line and leaves the first one's file alone.
        """
        first = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(self.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        self.addCleanup(first.communicate, timeout=20)
        assert first.stdout is not None
        self.assertEqual(first.stdout.readline(), b"held\n")
        error = self.assertRaises(SystemExit, PidFile(self.path).startService)
        self.assertIn("runs already", str(error))
        self.assertEqual(self.path.read_text(), f"{first.pid}\n")

    def test_leftover(self) -> None:
        """
        A file that a killed daemon left is taken over.
        """
        self.path.parent.mkdir(parents=True)
        self.path.write_text("4194304999\n")
        service = PidFile(self.path)
        service.startService()
        self.addCleanup(service.stopService)
        self.assertEqual(self.path.read_text(), f"{os.getpid()}\n")
