"""
Tests for L{gnttwist.sandbox.greeting}.
"""

import shutil
import socket
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.sandbox.greeting import Greeting
from gnttwist.sandbox.layout import SandboxError


class GreetingTests(SynchronousTestCase):
    """
    Tests for L{Greeting}, on real sockets.
    """

    def setUp(self) -> None:
        directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, directory)
        # Longer than a unix socket's path can be.
        self.console = directory / ("x" * 100) / "serial"
        self.console.parent.mkdir()

    def guest(self) -> socket.socket:
        """
        The console's other end, once somebody listens.
        """
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        with tempfile.TemporaryDirectory(prefix="gnt-") as place:
            # Bound under a short name, then moved to its long one.
            listener.bind(f"{place}/s")
            listener.listen()
            listener.settimeout(10)
            Path(place, "s").rename(self.console)
        guest, _ = listener.accept()
        self.addCleanup(guest.close)
        return guest

    def test_greeting(self) -> None:
        """
        The guest's line is found in what it says, however it arrives, though there was no console at first.
        """
        with Greeting(self.console, "this is inst1") as greeting:
            guest = self.guest()
            for part in (b"boot...\r\ntiny: this ", b"is in", b"st1\r\n# "):
                guest.sendall(part)
            self.assertEqual(greeting.wait(10), "tiny: this is inst1")

    def test_silence(self) -> None:
        """
        A guest that says something else is told about with what it said.
        """
        with Greeting(self.console, "this is inst1") as greeting:
            guest = self.guest()
            guest.sendall(b"kernel panic\r\n")
            guest.close()
            error = self.assertRaises(SandboxError, greeting.wait, 10)
        self.assertIn("kernel panic", str(error))

    def test_no_guest(self) -> None:
        """
        Where there never is a console, waiting can be ended.
        """
        with Greeting(self.console, "x") as greeting:
            self.assertRaises(SandboxError, greeting.wait, 0.01)
