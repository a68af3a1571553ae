"""
Tests for L{gnttwist.cli.console}.
"""

import os
import pty
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.cli.console import ESCAPE, find
from gnttwist.client.console import serial_socket
from gnttwist.paths import Paths

DEADLINE = 20


class FindTests(SynchronousTestCase):
    """
    Tests for L{find}.
    """

    def setUp(self) -> None:
        self.paths = Paths(Path(self.mktemp()).absolute() / "node1", "node1")

    def test_here(self) -> None:
        """
        The console of a guest on this node, or on a node beside it, is found.
        """
        for node in ("node1", "node2"):
            there = Paths(self.paths.root.with_name(node), node)
            place = serial_socket(there, "inst1")
            place.parent.mkdir(parents=True)
            place.touch()
            self.assertEqual(find(self.paths, "inst1", node, "kvm", None), place)

    def test_elsewhere(self) -> None:
        """
        A guest on another machine is said to be there.
        """
        error = self.assertRaises(click.ClickException, find, self.paths, "inst1", "node3", "kvm", None)
        self.assertIn("node3", str(error))

    def test_none(self) -> None:
        """
        Where there is no console, the node's own words say so.
        """
        console = {"kind": "msg", "message": "nothing to see"}
        error = self.assertRaises(click.ClickException, find, self.paths, "i", "node1", "fake", console)
        self.assertIn("nothing to see", str(error))


class RelayTests(SynchronousTestCase):
    """
    Tests for the terminal, on a real one.
    """

    def setUp(self) -> None:
        directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, directory)
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.settimeout(DEADLINE)
        listener.bind(str(directory / "serial"))
        listener.listen()
        self.terminal, screen = pty.openpty()
        self.addCleanup(os.close, self.terminal)
        code = "import pathlib, sys, gnttwist.cli.console as c; c.relay(pathlib.Path(sys.argv[1]))"
        self.command = subprocess.Popen(
            [sys.executable, "-c", code, str(directory / "serial")],
            stdin=screen,
            stdout=screen,
            stderr=screen,
        )
        os.close(screen)
        self.addCleanup(self.command.wait)
        self.addCleanup(self.command.kill)
        self.guest, _ = listener.accept()
        self.addCleanup(self.guest.close)
        self.guest.settimeout(DEADLINE)
        self.shows(b"Ctrl-]")

    def shows(self, wanted: bytes) -> None:
        """
        Wait until the terminal shows something.
        """
        seen = b""
        while wanted not in seen:
            ready, _, _ = select.select([self.terminal], [], [], DEADLINE)
            self.assertTrue(ready, seen)
            seen += os.read(self.terminal, 4096)

    def test_relay(self) -> None:
        """
        What the guest says is shown, and what is typed reaches it untouched, Ctrl-C too.
        """
        self.guest.sendall(b"login: ")
        self.shows(b"login: ")
        os.write(self.terminal, b"a\x03\r")
        received = b""
        while len(received) < 3:
            received += self.guest.recv(10)
        self.assertEqual(received, b"a\x03\r")

    def test_escape(self) -> None:
        """
        Ctrl-] ends it, after what was typed before.
        """
        os.write(self.terminal, b"x" + ESCAPE)
        self.assertEqual(self.command.wait(DEADLINE), 0)
        self.assertEqual(self.guest.recv(10), b"x")

    def test_guest_ends(self) -> None:
        """
        It ends when the guest does.
        """
        self.guest.close()
        self.assertEqual(self.command.wait(DEADLINE), 0)
