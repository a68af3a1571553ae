"""
Tests for L{gnttwist.launcher.places}.
"""

import os
import tempfile
from pathlib import Path
from shutil import rmtree

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.launcher.places import CannotStart, FrontEnd, front_end, listen, lock, open_own, spools
from gnttwist.paths import Paths
from gnttwist.privileges.accounts import GROUPS, USERS, Accounts

SEPARATE = Accounts(None, dict.fromkeys(USERS, 70001), dict.fromkeys(GROUPS, 70002))


class PlacesTests(SynchronousTestCase):
    """
    Tests for the launcher's files, in directories that others may write to.
    """

    def setUp(self) -> None:
        top = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(rmtree, top)
        self.paths = Paths(top / "node1", "node1")
        self.paths.run.mkdir(parents=True)
        self.victim = top / "victim"
        self.victim.write_text("untouched")
        self.addCleanup(self.check_victim)

    def check_victim(self) -> None:
        """
        Whatever was tried, the file that was aimed at is as it was.
        """
        self.assertEqual(self.victim.read_text(), "untouched")

    def need_root(self) -> None:
        """
        Skip where nothing can be given away.
        """
        if os.geteuid() != 0:
            self.skipTest("only root can give files away")

    def test_link_for_pid_file(self) -> None:
        """
        A symbolic link in the pid file's place is not followed.
        """
        self.paths.launcher_pid.symlink_to(self.victim)
        self.assertRaises(OSError, lock, self.paths)

    def test_second_name(self) -> None:
        """
        A file that has another name is not taken for the pid file.
        """
        os.link(self.victim, self.paths.launcher_pid)
        self.assertRaises(CannotStart, lock, self.paths)

    def test_fifo(self) -> None:
        """
        A FIFO in a file's place is refused at once.
        """
        os.mkfifo(self.paths.launcher_pid)
        self.assertRaises(CannotStart, open_own, self.paths.launcher_pid, os.O_RDWR, 0o600)

    def test_anothers_file(self) -> None:
        """
        A file that another user has made is not written to.
        """
        self.need_root()
        self.paths.launcher_pid.touch()
        os.chown(self.paths.launcher_pid, 70000, -1)
        self.assertRaises(CannotStart, lock, self.paths)

    def test_anothers_directory(self) -> None:
        """
        Neither the socket nor spools are made in a directory that another user has put there, or a link.
        """
        self.need_root()
        self.paths.launcher_socket.parent.mkdir()
        os.chown(self.paths.launcher_socket.parent, 70000, -1)
        self.assertRaises(CannotStart, listen, self.paths, FrontEnd(70001, 70002))
        self.paths.spool.parent.mkdir(parents=True)
        self.paths.spool.symlink_to(self.paths.etc)
        self.assertRaises(CannotStart, spools, self.paths, FrontEnd(70001, 70002))

    def test_front_end(self) -> None:
        """
        Root's socket and spools are what the front end's user, and nobody else, can reach.
        """
        self.need_root()
        user = front_end(SEPARATE)
        assert user == FrontEnd(70001, 70002)
        listen(self.paths, user).close()
        socket = self.paths.launcher_socket
        self.assertEqual((socket.stat().st_uid, socket.stat().st_mode & 0o777), (70001, 0o600))
        above = socket.parent.stat()
        self.assertEqual((above.st_uid, above.st_gid, above.st_mode & 0o7777), (0, 70002, 0o710))
        handle = spools(self.paths, user)
        self.addCleanup(os.close, int(handle.name))
        self.assertEqual(handle.resolve(), self.paths.spool.resolve())
        for path, mode in ((self.paths.spool, 0o770), (self.paths.spool.parent, 0o1770)):
            found = path.stat()
            self.assertEqual((found.st_uid, found.st_gid, found.st_mode & 0o7777), (0, 70002, mode))

    def test_alone(self) -> None:
        """
        Where one user runs everything, nobody else reaches anything.
        """
        self.assertIsNone(front_end(Accounts("a test")))
        listen(self.paths, None).close()
        self.assertEqual(self.paths.launcher_socket.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.paths.launcher_socket.parent.stat().st_mode & 0o777, 0o700)
        handle = spools(self.paths, None)
        self.addCleanup(os.close, int(handle.name))
        self.assertEqual(self.paths.spool.stat().st_mode & 0o777, 0o700)
