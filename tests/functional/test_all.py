"""
gnt-all: the daemons of a node in one process.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import TestCase

from gnttwist.paths import Paths
from gnttwist.sandbox import lifecycle, processes
from gnttwist.sandbox.layout import read_state

NODE = "node1.sandbox.test"
DEADLINE = 60.0
GNT = str(Path(sys.executable).parent / "gnt")


class AllTests(TestCase):
    """
    Tests for C{gnt-all} on a node that was made with separate daemons.
    """

    timeout = 180

    def setUp(self) -> None:
        # A unix socket's path is limited to 107 bytes, so it cannot be below trial's directory.
        directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, directory)
        self.sandbox = directory / "s"
        self.paths = Paths(self.sandbox / NODE, NODE)
        # In a process of its own: making a cluster runs a reactor to its end.
        self.run_gnt("sandbox", "up", "--dir", str(self.sandbox))
        self.addCleanup(self.run_gnt, "sandbox", "down", "--dir", str(self.sandbox))
        lifecycle.halt(read_state(self.sandbox))

    def run_gnt(self, *arguments: str) -> str:
        """
        Run a command that must succeed.

        @return: What it printed.
        """
        done = subprocess.run(
            [GNT, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env={
                "PATH": os.environ["PATH"],
                "GANETI_ROOTDIR": str(self.paths.root),
                "GANETI_HOSTNAME": NODE,
            },
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_one_process(self) -> None:
        """
        One process answers LUXI, calls to the node and confd's questions, holds all pid files, and ends in order.
        """
        _, child = processes.start("gnt-all", self.paths)
        self.addCleanup(child.wait, DEADLINE)
        self.addCleanup(child.terminate)
        self.assertTrue(processes.wait_until(self.paths.luxi_socket.exists, DEADLINE))
        self.run_gnt("debug", "delay", "--no-master", "-n", NODE, "0.01")
        self.assertIn(NODE, self.run_gnt("confd", "query", "master"))
        pids = {
            name: int(self.paths.pid(name).read_text().split()[0])
            for name in ("gnt-masterd", "gnt-noded", "gnt-confd")
        }
        self.assertEqual(set(pids.values()), {child.pid})
        child.terminate()
        # Twisted ends in order and then by the signal itself, so that who sent it sees that.
        self.assertEqual(child.wait(DEADLINE), -signal.SIGTERM)
        self.assertFalse(self.paths.luxi_socket.exists())
