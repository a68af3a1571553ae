"""
C{gnt watcher} in a real sandbox.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SkipTest, TestCase

from gnttwist.paths import Paths
from gnttwist.sandbox.processes import wait_until

NODE = "node1.sandbox.test"
GNT = str(Path(sys.executable).parent / "gnt")
DEADLINE = 60
QEMU = "/usr/bin/qemu-system-x86_64"


class WatcherTests(TestCase):
    """
    Tests for the watcher, with fake guests and a real one.
    """

    timeout = 120

    def setUp(self) -> None:
        # A unix socket's path is limited to 107 bytes, so it cannot be below trial's directory.
        self.directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.sandbox = self.directory / "s"
        self.paths = Paths(self.sandbox / NODE, NODE)
        self.addCleanup(shutil.rmtree, self.directory)
        self.addCleanup(self.gnt, "sandbox", "down", "--dir", str(self.sandbox))

    def up(self, hypervisor: str) -> None:
        """
        Start a sandbox of one node.
        """
        kind = ("--nodes", "1", "--hypervisor", hypervisor)
        self.gnt("sandbox", "up", "--dir", str(self.sandbox), *kind)

    def gnt(self, *arguments: str) -> str:
        """
        What a command prints; it must succeed.
        """
        environ = {**os.environ, "GANETI_ROOTDIR": str(self.paths.root), "GANETI_HOSTNAME": NODE}
        ran = subprocess.run([GNT, *arguments], env=environ, capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        return ran.stdout

    def status(self) -> str:
        """
        What the instance is.
        """
        return self.gnt("instance", "list", "-o", "status").split()[-1]

    def test_brings_back(self) -> None:
        """
        A guest that has died is started again, unless the watcher is paused, and its hooks run; that is noted until
        it is seen at work.
        """
        self.up("fake")
        hook = self.paths.etc / "hooks/instance-start-post.d/note"
        hook.parent.mkdir(parents=True)
        hook.write_text(f"#!/bin/sh\necho $GANETI_POST_INSTANCE_STATUS >> {self.directory}/ran\n")
        hook.chmod(0o755)
        self.gnt("instance", "add", "-t", "diskless", "-o", "noop", "-I", ".", "-B", "memory=64m", "web")
        (self.paths.run / "fake-hypervisor/web").unlink()
        self.gnt("cluster", "watcher", "pause", "1h")
        self.assertEqual(self.gnt("watcher"), "")
        self.assertEqual(self.status(), "ERROR_down")
        self.gnt("cluster", "watcher", "continue")
        self.assertEqual(self.gnt("watcher"), "")
        self.assertEqual(self.status(), "running")
        self.assertEqual((self.directory / "ran").read_text(), "up\n")
        self.assertEqual((self.paths.run / "instance-status").read_text(), "web ERROR_down")
        [notes] = self.paths.data.glob("watcher.*.data")
        self.assertIn('"restart_count":1', notes.read_text())
        self.gnt("watcher")
        self.assertNotIn("web", notes.read_text())
        self.assertEqual((self.paths.run / "instance-status").read_text(), "web running")

    def test_real_guest(self) -> None:
        """
        A QEMU that was killed is started again.
        """
        if not os.access(QEMU, os.X_OK):
            raise SkipTest(f"there is no {QEMU} (Debian package qemu-system-x86)")
        self.up("kvm")
        wanted = (
            "-t",
            "file",
            "--disk",
            "0:size=16m",
            "-o",
            "noop",
            "-I",
            ".",
            "-B",
            "memory=64m",
            "--no-nics",
        )
        self.gnt("instance", "add", *wanted, "-H", "kvm:kvm_flag=disabled", "web")
        pid = self.paths.run / "kvm-hypervisor/pid/web"
        killed = int(pid.read_text().split()[0])
        os.kill(killed, signal.SIGKILL)
        self.assertTrue(wait_until(lambda: self.status() == "ERROR_down", DEADLINE))
        self.gnt("watcher")
        self.assertEqual(self.status(), "running")
        self.assertNotEqual(int(pid.read_text().split()[0]), killed)
        self.gnt("instance", "remove", "--force", "--shutdown-timeout", "0", "web")
