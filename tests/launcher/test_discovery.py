"""
Tests for L{gnttwist.launcher.discovery}.
"""

import os
import subprocess
import tempfile
from pathlib import Path
from shutil import rmtree

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.launcher import spool
from gnttwist.launcher.discovery import running
from gnttwist.launcher.records import Begin, encode_begin


class RunningTests(SynchronousTestCase):
    """
    Tests for L{running}.
    """

    def setUp(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(rmtree, self.place)
        self.bystander = subprocess.Popen(["sleep", "30"])
        self.addCleanup(self.bystander.wait)
        self.addCleanup(self.bystander.kill)

    def spool(self, name: str, pid: int) -> int:
        """
        A locked spool that says that it is this process's.

        @return: Its descriptor.
        """
        descriptor = spool.create(self.place, name)
        self.addCleanup(os.close, descriptor)
        os.write(descriptor, encode_begin(Begin(f"1:{pid}:{name}", "echo", None, pid, 1.0)))
        return descriptor

    def test_call(self) -> None:
        """
        A process that has its spool open and locked is a call.
        """
        self.spool("1.0:1", os.getpid())
        begin, descriptor = running(self.place / "1.0:1")
        assert begin is not None
        self.addCleanup(os.close, descriptor)
        self.assertEqual(begin.pid, os.getpid())

    def test_forged(self) -> None:
        """
        A spool that is held by another process than it names makes no call of the process that it names.
        """
        self.spool("1.0:1", self.bystander.pid)
        self.assertEqual(running(self.place / "1.0:1"), (None, -1))

    def test_another_user(self) -> None:
        """
        A spool that another user made makes no call of anything.
        """
        if os.geteuid() != 0:
            self.skipTest("only root can give files away")
        descriptor = self.spool("1.0:1", os.getpid())
        os.fchown(descriptor, 70000, -1)
        self.assertEqual(running(self.place / "1.0:1"), (None, -1))

    def test_link(self) -> None:
        """
        A symbolic link to a spool is left alone.
        """
        self.spool("1.0:1", os.getpid())
        (self.place / "1.0:2").symlink_to("1.0:1")
        self.assertRaises(OSError, running, self.place / "1.0:2")
