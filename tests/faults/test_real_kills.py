"""
kill -9 of real daemons at random moments of a job that creates and starts an instance.

The exhaustive tests in C{test_master_boundaries} visit every boundary in one process; these take a bounded, seeded
sample with real processes, real signals and real files.
"""

import os
import random
import re
import signal
from functools import partial

import msgspec

from twisted.trial.unittest import TestCase

from gnttwist.wire.calls import FUNCTIONS
from tests.faults.victims import Victims, eventually, pause

ROUNDS = int(os.environ.get("GNT_KILL_ROUNDS", "6"))
"""
How many kills; C{GNT_KILL_ROUNDS} asks for more.
"""

VICTIMS = ("gnt-masterd", "gnt-noded", "gnt-launcher")


class RealKillTests(TestCase):
    """
    Whatever is killed, the job goes on and ends well, and nothing happens twice.
    """

    timeout = 300

    def setUp(self) -> None:
        self.victims = Victims()
        self.addCleanup(self.victims.stop)

    def submit(self, name: str) -> int:
        """
        Submit the creation of an instance; the answer means that the job is durable.
        """
        printed = self.victims.gnt(
            "instance", "add", "--submit", "-t", "file", "--disk", "0:size=16m", "-o", "noop", "--no-nics", name
        )  # fmt: skip
        found = re.search(r"\d+", printed)
        assert found is not None, printed
        return int(found.group())

    def runs(self, name: str) -> bool | None:
        """
        Whether an instance runs, as far as is known now.
        """
        return self.instance(name)["status"] == "running" or None

    def instance(self, name: str) -> dict[str, object]:
        """
        What C{gnt instance list --json} says of an instance.
        """
        rows = msgspec.json.decode(self.victims.gnt("instance", "list", "--json", name).encode())
        return dict(rows[0])

    def test_kill_daemons(self) -> None:
        """
        A job that is under way when a daemon is killed ends well after the daemon is back, its OS script having
        run once.
        """
        source = random.Random(20)
        for each in range(ROUNDS):
            name = f"inst{each}.sandbox.test"
            victim = VICTIMS[each % len(VICTIMS)]
            job = self.submit(name)
            pause(source.uniform(0, 0.4))
            self.victims.kill(victim)
            if victim != "gnt-launcher" or self.victims.pid("gnt-noded") is None:
                self.victims.revive(victim)
            status = eventually(partial(self.victims.ended, job), f"job {job} after the death of {victim}")
            self.assertEqual(status, "success", self.victims.gnt("job", "info", str(job)))
            # The job may have ended before the kill, and the node daemon may not be back yet.
            eventually(
                partial(self.runs, name),
                f"{name} does not run after the death of {victim}",
            )
            logs = list((self.victims.paths.log / "os").glob(f"add-noop-{name}-*.log"))
            self.assertEqual(len(logs), 1, f"{victim} killed: the OS script ran {len(logs)} times")

    def test_kill_function(self) -> None:
        """
        A function process that is killed ends its job with an error that names it, and nothing half-made stays.
        """
        job = int(
            self.victims.gnt(
                "debug", "delay", "--submit", "--no-master", "-n", "node1.sandbox.test", "3600"
            ).split()[-1]
        )
        spool = self.victims.paths.spool
        self.assertIn("test_delay", FUNCTIONS)
        pid = eventually(lambda: self.function_process(spool.name), "the function did not start")
        os.kill(pid, signal.SIGKILL)
        status = eventually(lambda: self.victims.ended(job), "the job did not notice")
        self.assertEqual(status, "error")
        self.assertIn("test_delay", self.victims.gnt("job", "info", str(job)))

    def function_process(self, what: str) -> int | None:
        """
        The pid of a child of the launcher, if it has one.
        """
        launcher = self.victims.pid("gnt-launcher")
        if launcher is None:
            return None
        with open(f"/proc/{launcher}/task/{launcher}/children") as file:
            children = [int(each) for each in file.read().split()]
        return children[0] if children else None
