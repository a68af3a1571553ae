"""
C{gnt cluster destroy} killed at each request to the master and at each change of a file, and then repeated.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from gnttwist.cli.cluster_destroy import MARK
from gnttwist.wire import luxi
from tests.cli.fake_cluster import CommandTestCase

FILES = (
    "hmac.key",
    "rapi/users",
    "server.pem",
    "ssconf_master_candidates_certs",
    "store.sqlite",
    "store.sqlite-wal",
)
CHANGES = ("os.remove", "os.rmdir")

KILLED = 77
"""
The exit code of one that ends itself as if it was killed.
"""

COMMAND = ("cluster", "destroy", "--yes-do-it")


class DestroyKillTests(CommandTestCase):
    """
    Whatever moment it is killed at, the same command finishes it, be the master daemon there still or not.
    """

    def setUp(self) -> None:
        super().setUp()
        self.data = self.root / "var/lib/ganeti"
        for each in FILES:
            (self.data / each).parent.mkdir(parents=True, exist_ok=True)
            (self.data / each).touch()
        self.child_said: int | None = None
        self.left = -1
        self.job("uuid")
        self.answers.update(SetDrainFlag=True, Query={"fields": [], "data": []}, SubmitJobToDrainedQueue=7)

    def answer(self, call: luxi.Call) -> Any:
        """
        The script's answer, unless this is where the command is killed.
        """
        if self.child_said is not None:
            if not self.left:
                os.kill(int(os.read(self.child_said, 20)), signal.SIGKILL)
            self.left -= 1
        return super().answer(call)

    def killed(self, *, request: int = -1, change: int = -1) -> bool:
        """
        Run it in a process of its own, which is killed at one moment.

        @param request: At which request to the master, counted from 0.
        @param change: At which change of a file.
        @return: Whether it came so far.
        """
        told, tell = os.pipe()
        self.child_said, self.left = told, request
        child = os.fork()
        if not child:
            try:
                os.write(tell, b"%d" % os.getpid())
                sys.addaudithook(_killer(self.data, change))
                self.gnt(*COMMAND)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        self.child_said = None
        os.close(told)
        os.close(tell)
        if os.WIFSIGNALED(status):
            return True
        self.assertIn(os.WEXITSTATUS(status), (0, KILLED))
        return os.WEXITSTATUS(status) == KILLED

    def repeat(self) -> None:
        """
        Run it again, as the state of things is now, and see that everything is gone.
        """
        if not (self.data / "store.sqlite").exists():
            # It has ended before the store goes.
            self.master.stop()
        output = self.gnt(*COMMAND)
        self.assertEqual((output.code, output.out.splitlines()[-1]), (0, "The cluster is gone."), output.err)
        self.assertEqual(list(self.data.iterdir()), [])

    def everywhere(self, what: str) -> int:
        """
        Kill it at each moment of a kind.

        @return: How many there were.
        """
        count = 0
        while self.killed(**{what: count}):
            self.repeat()
            count += 1
            self.setUp()
        self.assertEqual(list(self.data.iterdir()), [], "one that was not killed")
        return count

    def test_requests(self) -> None:
        """
        Killed while it waits for an answer of the master's.
        """
        self.assertGreater(self.everywhere("request"), 4)

    def test_changes(self) -> None:
        """
        Killed before it writes or removes a file.
        """
        self.assertGreater(self.everywhere("change"), len(FILES))

    def test_no_master(self) -> None:
        """
        Once nothing speaks against it, the master daemon is not needed any more; before that, it is.
        """
        self.master.stop()
        self.assertNotEqual(self.gnt(*COMMAND).code, 0)
        self.assertTrue((self.data / "store.sqlite").exists())
        (self.data / MARK).touch()
        self.repeat()

    def test_instances_meanwhile(self) -> None:
        """
        If it was interrupted and the cluster was put to use again, it is left alone.
        """
        (self.data / MARK).touch()
        self.answers["Query"] = {"fields": [], "data": [[[0, "web"]]]}
        self.assertIn("still at work", self.fails(*COMMAND))
        self.assertFalse((self.data / MARK).exists())
        self.assertTrue((self.data / "store.sqlite").exists())


def _killer(data: Path, at: int) -> Any:
    seen = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in CHANGES or (event == "open" and str(arguments[0]) == str(data / MARK)):
            if seen == at:
                os._exit(KILLED)
            seen += 1

    return hook
