"""
The cluster's own address, of a real daemon in a network of its own.
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
ADDRESS = "192.0.2.77"
GNT = str(Path(sys.executable).parent / "gnt")
TWISTD = str(Path(sys.executable).parent / "twistd")
DEADLINE = 60


class MasterAddressTests(TestCase):
    """
    A cluster whose address is not its master's own.
    """

    timeout = 120

    def setUp(self) -> None:
        if os.geteuid() != 0 or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
            raise SkipTest("networks of one's own cannot be made here")
        # A unix socket's path is limited to 107 bytes, so it cannot be below trial's directory.
        self.directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.sandbox = self.directory / "s"
        self.paths = Paths(self.sandbox / NODE, NODE)
        # The network lives as long as this process.
        self.network = subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE)
        self.addCleanup(self.network.communicate)
        ours = os.stat("/proc/self/ns/net")
        there = Path(f"/proc/{self.network.pid}/ns/net")
        self.assertTrue(wait_until(lambda: not os.path.samestat(ours, there.stat()), DEADLINE))
        self.ran("ip", "link", "set", "lo", "up")
        self.addCleanup(self.gnt, "sandbox", "down", "--dir", str(self.sandbox))
        self.gnt("sandbox", "up", "--dir", str(self.sandbox), "--nodes", "1")

    def within(self, *command: str) -> list[str]:
        """
        A command, to be run in that network.
        """
        return ["nsenter", f"--net=/proc/{self.network.pid}/ns/net", *command]

    def ran(self, *command: str) -> str:
        """
        What a command prints there; it must succeed.
        """
        environ = {**os.environ, "GANETI_ROOTDIR": str(self.paths.root), "GANETI_HOSTNAME": NODE}
        ran = subprocess.run(
            self.within(*command), env=environ, capture_output=True, text=True, timeout=DEADLINE
        )
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        return ran.stdout

    def gnt(self, *arguments: str) -> str:
        """
        What C{gnt} prints.
        """
        return self.ran(GNT, *arguments)

    def is_up(self) -> bool:
        """
        Whether the machine has the address.
        """
        return f"{ADDRESS}/32" in self.ran("ip", "-o", "address", "show")

    def test_comes_back(self) -> None:
        """
        An address that was lost is there again soon after gnt-masterd has started; the job says who asked for it.
        """
        self.gnt("cluster", "rename", "-f", "--address", ADDRESS, "floating.sandbox.test")
        self.assertTrue(self.is_up())
        os.kill(int(self.paths.pid("gnt-masterd").read_text()), signal.SIGKILL)
        self.ran("ip", "address", "del", f"{ADDRESS}/32", "dev", "lo")
        self.assertFalse(self.is_up())
        started = subprocess.Popen(
            self.within(TWISTD, "-n", "--pidfile=", "gnt-masterd", "--root", str(self.paths.root)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.addCleanup(started.wait)
        self.addCleanup(started.terminate)
        self.assertTrue(wait_until(self.is_up, DEADLINE))
        job = self.gnt("job", "list", "-o", "id").split()[-1]
        self.assertIn("gnt:masterd: gnt-masterd has started", self.gnt("job", "info", job))
