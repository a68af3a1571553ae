"""
kill -9 of real daemons at random moments of a job that creates and starts an instance.

The exhaustive tests in C{test_master_boundaries} visit every boundary in one process; these take a bounded, seeded
sample with real processes, real signals and real files.
"""

import os
import random
import re
import shutil
import signal
from functools import partial

import msgspec

from twisted.trial.unittest import TestCase

from tests.faults.victims import Victims, eventually, pause

ROUNDS = int(os.environ.get("GNT_KILL_ROUNDS", "8"))
"""
How many times something is killed; C{GNT_KILL_ROUNDS} asks for more.
"""

VICTIMS = (
    ("gnt-masterd",),
    ("gnt-noded",),
    ("gnt-launcher",),
    ("gnt-masterd", "gnt-noded", "gnt-launcher"),
)
"""
What is killed together, in turn.
"""

SLOW_CREATE = """#!/bin/sh
echo "begun"
sleep ${OSP_SECONDS:-0.6}
echo "done"
"""
"""
An installation that takes a while, so that kills find it at work.
"""


class RealKillTests(TestCase):
    """
    Whatever is killed, the job goes on and ends well, and nothing happens twice.
    """

    timeout = 300

    def setUp(self) -> None:
        self.victims = Victims()
        self.addCleanup(self.victims.stop)

        self.install_slow()

    def install_slow(self) -> None:
        """
        An OS definition whose installation takes a while.
        """
        definitions = self.victims.paths.srv / "os"
        shutil.copytree(definitions / "noop", definitions / "slow")
        (definitions / "slow/create").write_text(SLOW_CREATE)
        (definitions / "slow/parameters.list").write_text("seconds How long it takes\n")

    def submit(self, name: str, *more: str) -> int:
        """
        Submit the creation of an instance; the answer means that the job is durable.
        """
        printed = self.victims.gnt(
            "instance", "add", "--submit", "-t", "file", "--disk", "0:size=16m", "-o", "slow", "--no-nics",
            *more, name,
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
        seed = int(os.environ.get("GNT_KILL_SEED", "20"))
        source = random.Random(seed)
        for each in range(ROUNDS):
            name = f"inst{each}.sandbox.test"
            victims = VICTIMS[each % len(VICTIMS)]
            job = self.submit(name)
            pause(source.uniform(0, 0.9))
            for victim in victims:
                self.victims.kill(victim)
            for victim in victims:
                # The node daemon starts a launcher where there is none.
                if victim != "gnt-launcher":
                    self.victims.revive(victim)
            what = f"seed {seed}, round {each}: {victims} killed"
            status = eventually(partial(self.victims.ended, job), f"{what}, and job {job} does not end")
            self.assertEqual(status, "success", f"{what}: {self.victims.gnt('job', 'info', str(job))}")
            # The job may have ended before the kill, and the node daemon may not be back yet.
            eventually(partial(self.runs, name), f"{what}, and {name} does not run")
            logs = list((self.victims.paths.log / "os").glob(f"add-slow-{name}-*.log"))
            self.assertEqual(len(logs), 1, f"{what}: the OS script ran {len(logs)} times")
            self.assertIn("done", logs[0].read_text(), what)

    def test_kill_function(self) -> None:
        """
        A function process that is killed ends its job with an error that names it, and nothing half-made stays.
        """
        job = self.submit("doomed.sandbox.test", "-O", "seconds=600")
        pid = eventually(self.installing, "the installation did not begin")
        os.kill(pid, signal.SIGKILL)
        status = eventually(partial(self.victims.ended, job), "the job did not notice")
        self.assertEqual(status, "error")
        self.assertIn("instance_os_add", self.victims.gnt("job", "info", str(job)))
        self.assertEqual(msgspec.json.decode(self.victims.gnt("instance", "list", "--json")), [])
        storage = self.victims.paths.srv / "file-storage"
        self.assertEqual([each for each in storage.rglob("*") if each.is_file()], [])
        self.assertEqual(msgspec.json.decode(self.victims.gnt("debug", "locks", "--json")), [])

    def installing(self) -> int | None:
        """
        The process of the function that installs, once its script has begun.
        """
        logs = list((self.victims.paths.log / "os").glob("add-slow-doomed*.log"))
        if not logs or "begun" not in logs[0].read_text():
            return None
        return self.function_process()

    def function_process(self) -> int | None:
        """
        The pid of a child of the launcher, if it has one.
        """
        launcher = self.victims.pid("gnt-launcher")
        if launcher is None:
            return None
        with open(f"/proc/{launcher}/task/{launcher}/children") as file:
            children = [int(each) for each in file.read().split()]
        return children[0] if children else None
