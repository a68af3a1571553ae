"""
Nodes come, change and go in a real sandbox.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from twisted.trial.unittest import TestCase

from gnttwist.paths import Paths
from gnttwist.sandbox import lifecycle, processes
from gnttwist.sandbox.layout import read_state
from gnttwist.sandbox.processes import belonging, wait_until

DEADLINE = 60
GNT = str(Path(sys.executable).parent / "gnt")
CODE = re.compile(r"--code (\S+)")


class NodeTests(TestCase):
    """
    A cluster of two nodes and a spare machine.
    """

    timeout = 180

    def setUp(self) -> None:
        # A unix socket's path is limited to 107 bytes, so it cannot be below trial's directory.
        self.directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, self.directory)
        path = self.directory / "s"
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory)}
        up = self.gnt("sandbox", "up", "--dir", str(path), "--nodes", "2", "--spare", "1", "--json")
        self.addCleanup(self.gnt, "sandbox", "down", "--dir", str(path))
        self.environment |= msgspec.json.decode(up)
        self.sandbox = read_state(path)
        self.master, self.second = (self.sandbox.paths(each) for each in self.sandbox.nodes)
        [self.machine] = self.sandbox.spares
        self.spare = self.sandbox.paths(self.machine)

    def gnt(self, *arguments: str, code: int = 0) -> str:
        """
        Run a command on the master.

        @return: What it printed; its error where C{code} is not 0.
        """
        done = subprocess.run(
            [GNT, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env=self.environment,
        )
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done.stderr if code else done.stdout

    def prepare(self, *options: str) -> tuple["subprocess.Popen[str]", str]:
        """
        Prepare the spare machine.

        @return: The process that waits, and its code.
        """
        process = subprocess.Popen(
            [
                *(GNT, "--root", str(self.spare.root), "node", "prepare"),
                *("--address", self.machine.address, "--start", *options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        self.addCleanup(self.ended, process)
        assert process.stdout is not None
        for line in process.stdout:
            found = CODE.search(line)
            if found:
                return process, found[1]
        self.fail("it prints no code")
        raise AssertionError

    def ended(self, process: "subprocess.Popen[str]") -> None:
        """
        Leave no process behind.
        """
        process.kill()
        process.communicate(timeout=DEADLINE)

    def has(self, paths: Paths, name: str, text: str) -> bool:
        """
        Whether a node's file comes to hold some text.
        """

        def look() -> bool:
            file = paths.data / name
            return file.exists() and text in file.read_text()

        return wait_until(look, 20)

    def healthy(self, name: str) -> bool:
        """
        Whether all daemons of a node answer.
        """
        found = [each for each in lifecycle.status(self.sandbox.path) if each.node == name]
        return len(found) > 2 and all(each.illness is None for each in found)

    def test_life(self) -> None:
        """
        A machine joins by a code that is good once, is drained, loses and gets its copy of the configuration, and is
        removed without a trace. Preparing that was killed is repeated.
        """
        name, address = self.machine.name, self.machine.address
        process, old = self.prepare()
        self.ended(process)
        add = ("node", "add", name, "--address", address, "--code")
        self.assertIn("cannot talk", self.gnt(*add, old, code=1))
        process, code = self.prepare()
        self.assertIn("not the one", self.gnt(*add, old, code=1))
        self.gnt(*add, code)
        process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 0)
        self.assertIn("already", self.gnt(*add, code, code=1))
        self.assertTrue(self.has(self.spare, "config.data", name))
        self.assertTrue(self.has(self.second, "ssconf_node_list", name))
        self.assertIn("in order", self.gnt("cluster", "verify"))
        self.assertTrue(wait_until(lambda: self.healthy(name), 20))

        self.gnt("node", "modify", name, "--drained", "yes")
        self.assertTrue(wait_until(lambda: not self.spare.config_export.exists(), 20))
        self.gnt("node", "modify", name, "--drained", "no")
        self.assertTrue(self.has(self.spare, "config.data", name))

        self.gnt("node", "remove", "-f", name)
        self.assertTrue(wait_until(lambda: not any(belonging(self.spare.root)), 20))
        self.assertTrue(wait_until(lambda: not any(self.spare.data.iterdir()), 5))
        self.assertNotIn(name, self.gnt("node", "list"))

    def test_away(self) -> None:
        """
        A node whose daemon was killed has the newest configuration and keys soon after it is back, and knows that the
        watcher's pause is over; one that was marked offline, when it is online again.
        """
        node = self.sandbox.nodes[1]
        self.gnt("cluster", "watcher", "pause", "1h")
        self.assertTrue(self.has(self.second, "watcher.pause", "\n"))
        self.kill_daemon(self.second)
        self.gnt("cluster", "watcher", "continue")
        key = self.master.data / "cluster-domain-secret"
        key.chmod(0o600)
        key.write_bytes(b"another\n")
        self.gnt("node", "modify", self.master.hostname, "--node-parameters", "spindle_count=7")
        self.assertNotIn('"spindle_count":7', self.second.config_export.read_text())
        self.start_daemon(self.second)
        self.assertTrue(self.has(self.second, "config.data", '"spindle_count":7'))
        self.assertTrue(self.has(self.second, "cluster-domain-secret", "another"))
        self.assertTrue(wait_until(lambda: not self.second.watcher_pause.exists(), 20))

        self.gnt("node", "modify", node.name, "--offline", "yes", "--auto-promote")
        self.gnt("node", "modify", self.master.hostname, "--node-parameters", "spindle_count=8")
        self.gnt("node", "modify", node.name, "--offline", "no", "-f")
        self.assertTrue(self.has(self.second, "config.data", '"spindle_count":8'))

    def test_patience(self) -> None:
        """
        How long jobs wait for a node that does not answer is changed while one waits; it fails then, naming the node.
        """
        self.kill_daemon(self.second)
        name = self.sandbox.nodes[1].name
        job = self.gnt("debug", "delay", "--submit", "--no-master", "-n", name, "0.1").split()[-1]
        self.assertTrue(wait_until(lambda: "running" in self.gnt("job", "list"), 20))
        self.assertIn("waits 300 s", self.gnt("cluster", "queue", "info"))
        self.gnt("cluster", "queue", "limit", "--patience", "5s")
        self.assertIn("waits 5 s", self.gnt("cluster", "queue", "info"))
        self.assertIn(name, self.gnt("job", "watch", job, code=1))

    def kill_daemon(self, paths: Paths) -> None:
        """
        Kill a node's daemon, as a loss of power would.
        """
        pid = int(paths.pid("gnt-noded").read_text())
        process = os.pidfd_open(pid)
        signal.pidfd_send_signal(process, signal.SIGKILL)
        select.select([process], [], [], DEADLINE)
        os.close(process)

    def start_daemon(self, paths: Paths) -> None:
        """
        Start it again; the sandbox ends it.
        """
        _, child = processes.start("gnt-noded", paths)
        self.addCleanup(self.stop, child)

    def stop(self, child: "subprocess.Popen[bytes]") -> None:
        """
        End a daemon.
        """
        child.terminate()
        child.wait(DEADLINE)
