"""
Tests for L{gnttwist.net.identity}. What changes this process for good is tried in another.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import rmtree

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.net.identity import Identity, _give
from gnttwist.privileges.accounts import Account, Accounts
from gnttwist.privileges.drop import CannotDrop

SOMEBODY = Account("gnt-confd", 70001, 70002)


class IdentityTests(SynchronousTestCase):
    """
    Tests for L{Identity}.
    """

    def test_one_user(self) -> None:
        """
        Where one user runs everything, nothing is dropped or prepared, and the log says so once.
        """
        events = EventLoggingObserver()
        globalLogPublisher.addObserver(events)
        self.addCleanup(globalLogPublisher.removeObserver, events)
        prepared: list[None] = []
        accounts = Accounts("nobody has set them up")
        identity = Identity("gnt-confd", "confd", accounts, lambda: prepared.append(None))
        before = os.getresuid()
        identity.privilegedStartService()
        identity.startService()
        self.assertEqual([each["reason"] for each in events], ["nobody has set them up"])
        self.assertEqual((os.getresuid(), prepared), (before, []))

    def test_drops(self) -> None:
        """
        Started as root, the service prepares as root and is the daemon's user afterwards.
        """
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")
        ended = self.run_as_root("")
        self.assertIn("prepared by 0", ended.stdout)
        self.assertIn("now 70001 70002 [70003]", ended.stdout)

    def test_cannot_prepare(self) -> None:
        """
        A daemon that cannot prepare ends with one line, and does not go on as root.
        """
        if os.geteuid() != 0:
            self.skipTest("only root has anything to prepare")
        ended = self.run_as_root("raise OSError('the disk is full')")
        self.assertEqual((ended.returncode, ended.stdout), (1, "prepared by 0\n"))
        self.assertEqual(ended.stderr, "gnt-confd: cannot start: the disk is full\n")

    def run_as_root(self, more: str) -> "subprocess.CompletedProcess[str]":
        """
        Start the service in a process that may read this installation in any case.
        """
        script = f"""
import os
from gnttwist.net.identity import Identity
from gnttwist.privileges.accounts import GROUPS, USERS, Accounts
accounts = Accounts(None, dict.fromkeys(USERS, 70001), dict.fromkeys(GROUPS, 70003) | {{"confd": 70002}})
def prepare():
    print("prepared by", os.geteuid(), flush=True)
    {more or "pass"}
identity = Identity("gnt-confd", "confd", accounts, prepare)
identity._check_readable = lambda account: None
identity.privilegedStartService()
print("now", os.geteuid(), os.getegid(), os.getgroups())
"""
        return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20)


class GiveTests(SynchronousTestCase):
    """
    Tests for files that are given to a daemon in a directory that others may write to.
    """

    def setUp(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("only root can give files away")
        self.place = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(rmtree, self.place)
        self.victim = self.place / "victim"
        self.victim.touch()

    def test_given(self) -> None:
        """
        A file is made and given; giving it again is fine.
        """
        for _ in range(2):
            _give(self.place / "pid", SOMEBODY)
            self.assertEqual((self.place / "pid").stat().st_uid, SOMEBODY.uid)

    def test_something_else(self) -> None:
        """
        A link, a second name, another user's file and what is no file are not given away.
        """
        file = self.place / "pid"
        file.symlink_to(self.victim)
        self.assertRaises(OSError, _give, file, SOMEBODY)
        file.unlink()
        os.link(self.victim, file)
        self.assertRaises(CannotDrop, _give, file, SOMEBODY)
        file.unlink()
        os.mkfifo(file)
        self.assertRaises(CannotDrop, _give, file, SOMEBODY)
        file.unlink()
        file.touch()
        os.chown(file, 70009, -1)
        self.assertRaises(CannotDrop, _give, file, SOMEBODY)
        self.assertEqual(self.victim.stat().st_uid, 0)
