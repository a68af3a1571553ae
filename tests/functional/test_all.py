"""
gnt-all: the daemons of a node in one process.
"""

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
from base64 import b64encode
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

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

    def remote(self, path: str) -> Any:
        """
        What the remote API answers.
        """
        context = ssl.create_default_context(cafile=str(self.paths.rapi_pem))
        # It names the cluster, and is called by address.
        context.check_hostname = False
        connection = HTTPSConnection(
            read_state(self.sandbox).master.address, 5080, timeout=DEADLINE, context=context
        )
        self.addCleanup(connection.close)
        name, password, _ = self.paths.rapi_users.read_text().split()
        credentials = b64encode(f"{name}:{password}".encode()).decode()
        connection.request("GET", path, headers={"Authorization": f"Basic {credentials}"})
        return json.loads(connection.getresponse().read())

    def test_one_process(self) -> None:
        """
        One process answers LUXI, calls to the node, confd's questions and the remote API, holds all pid files, and
        ends in order.
        """
        _, child = processes.start("gnt-all", self.paths)
        self.addCleanup(child.wait, DEADLINE)
        self.addCleanup(child.terminate)
        self.assertTrue(processes.wait_until(self.paths.luxi_socket.exists, DEADLINE))
        self.run_gnt("debug", "delay", "--no-master", "-n", NODE, "0.01")
        self.assertIn(NODE, self.run_gnt("confd", "query", "master"))
        self.assertEqual(self.remote("/2/nodes"), [{"id": NODE, "uri": f"/2/nodes/{NODE}"}])
        pids = {
            name: int(self.paths.pid(name).read_text().split()[0])
            for name in ("gnt-masterd", "gnt-noded", "gnt-confd", "gnt-rapi")
        }
        self.assertEqual(set(pids.values()), {child.pid})
        child.terminate()
        # Twisted ends in order and then by the signal itself, so that who sent it sees that.
        self.assertEqual(child.wait(DEADLINE), -signal.SIGTERM)
        self.assertFalse(self.paths.luxi_socket.exists())
