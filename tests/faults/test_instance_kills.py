"""
Daemons killed, function processes killed and disks that are full, in the middle of what is done to instances.

A bounded, seeded sample with real processes; every boundary in one process is visited by C{test_master_boundaries}.
"""

import os
import random
import re
import shutil
import signal
import subprocess
from functools import partial
from typing import Any

import msgspec

from twisted.trial.unittest import SkipTest, TestCase

from gnttwist.client.luxi import LuxiClient
from tests.faults.victims import Victims, eventually, pause
from tests.functional.test_kvm_guest import QEMU

SEED = 20
EVERY = 1 if "GNT_KILL_ROUNDS" in os.environ else 2
"""
Every how many changes something is killed; all are where C{GNT_KILL_ROUNDS} asks for more than usual.
"""

VICTIMS: tuple[tuple[str, ...], ...] = (
    ("gnt-noded",),
    ("gnt-masterd",),
    ("gnt-masterd", "gnt-noded", "gnt-launcher"),
)
"""
What is killed together, in turn.
"""

CHANGES: tuple[tuple[str, ...], ...] = (
    ("reboot", "-t", "full", "inst1"),
    ("modify", "--disk", "add:size=16m", "--net", "add", "--ignore-ipolicy", "inst1"),
    ("grow-disk", "--ignore-ipolicy", "inst1", "0", "16m"),
    ("stop", "inst1"),
    ("modify", "--disk", "1:remove", "inst1"),
    ("reinstall", "-f", "inst1"),
    ("rename", "inst1", "inst2"),
    ("start", "inst2"),
)
"""
What is done to an instance, each with a kill in its middle.
"""

SLOW = """#!/bin/sh
echo "begun"
sleep ${OSP_SECONDS:-0.3}
[ "$OSP_FILL" != yes ] || dd if=/dev/zero of="$DISK_0_PATH" bs=1M count="$DISK_0_SIZE" conv=notrunc || exit 1
echo "done"
"""
"""
An installation that takes a while, and fills the disk if it is told to.
"""


class InstanceKillTests(TestCase):
    """
    Jobs that change one instance.
    """

    timeout = 300

    def setUp(self) -> None:
        self.victims = Victims()
        self.addCleanup(self.victims.stop)
        definitions = self.victims.paths.srv / "os"
        shutil.copytree(definitions / "noop", definitions / "slow")
        (definitions / "slow/create").write_text(SLOW)
        (definitions / "slow/parameters.list").write_text(
            "seconds How long it takes\nfill Whether it fills\n"
        )

    def add(self, name: str, *options: str) -> None:
        """
        Make an instance with one disk.
        """
        small = ("-t", "file", "--disk", "0:size=16m", "-o", "slow", "--ignore-ipolicy")
        self.victims.gnt("instance", "add", *small, *options, name)

    def submit(self, *words: str) -> int:
        """
        Submit what a command asks for.
        """
        printed = self.victims.gnt("instance", words[0], "--submit", *words[1:])
        found = re.fullmatch(r"(\d+)\n", printed)
        assert found is not None, printed
        return int(found[1])

    def end_of(self, job: int, what: str) -> str:
        """
        How a job ends.
        """
        return eventually(partial(self.victims.ended, job), f"{what}: job {job} does not end")

    def agree(self, what: str) -> None:
        """
        The node has the files that the configuration has and no others, links where disks are in use, and the guests
        that should run; and nothing is locked.
        """
        with LuxiClient(self.victims.paths.luxi_socket) as client:
            job = client.call("SubmitJob", [{"OP_ID": "OP_INSTANCE_QUERY_DATA"}])
            for _ in client.wait_for_job(job):
                pass
            [[[found]]] = client.call("QueryJobs", [job], ["opresult"])
        storage = self.victims.paths.srv / "file-storage"
        there = {self.victims.paths.canonical(each) for each in storage.rglob("*") if each.is_file()}
        disks = [disk for each in found.values() for disk in each["disks"]]
        self.assertEqual(there, {disk["logical_id"][1] for disk in disks}, what)
        for disk in disks:
            file = self.victims.paths.real(disk["logical_id"][1])
            self.assertEqual(file.stat().st_size, disk["size"] << 20, what)
        for name, each in found.items():
            self.assertEqual(each["config_state"], each["run_state"], f"{what}: {name}")
        locks: Any = msgspec.json.decode(self.victims.gnt("debug", "locks", "--json"))
        self.assertEqual(locks, [], what)

    def test_kill_daemons(self) -> None:
        """
        Whatever is killed in the middle of a change, the change ends well.
        """
        self.add("inst1")
        source = random.Random(SEED)
        for number, words in enumerate(CHANGES):
            victims = VICTIMS[number // EVERY % len(VICTIMS)]
            if number % EVERY:
                victims = ()
            what = f"seed {SEED}: {' '.join(words)}, {victims} killed"
            job = self.submit(*words)
            pause(source.uniform(0, 0.15))
            for victim in victims:
                self.victims.kill(victim)
            for victim in victims:
                # The node daemon starts a launcher where there is none.
                if victim != "gnt-launcher":
                    self.victims.revive(victim)
            status = self.end_of(job, what)
            self.assertEqual(status, "success", f"{what}: {self.victims.gnt('job', 'info', str(job))}")
        self.agree("after all changes")
        self.victims.gnt("cluster", "verify")
        self.victims.gnt("instance", "remove", "-f", "inst2")
        self.agree("after removal")

    def test_kill_function(self) -> None:
        """
        A reinstallation whose process is killed fails and names it; the same command succeeds when repeated.
        """
        self.add("inst1", "--no-start")
        job = self.submit("reinstall", "-f", "-O", "seconds=600", "inst1")
        os.kill(eventually(self.installing, "it did not begin"), signal.SIGKILL)
        self.assertEqual(self.end_of(job, "function killed"), "error")
        self.assertIn("instance_os_add", self.victims.gnt("job", "info", str(job)))
        self.agree("after the kill")
        self.victims.gnt("instance", "reinstall", "-f", "inst1")
        self.agree("after the repetition")

    def installing(self) -> int | None:
        """
        The process that reinstalls, once its script has begun.
        """
        logs = (self.victims.paths.log / "os").glob("add-slow-*.log")
        launcher = self.victims.pid("gnt-launcher")
        # The first time was its creation; one second's scripts share a log.
        if sum(each.read_text().count("begun") for each in logs) < 2 or launcher is None:
            return None
        with open(f"/proc/{launcher}/task/{launcher}/children") as file:
            children = [int(each) for each in file.read().split()]
        return children[0] if children else None

    def test_full_disk(self) -> None:
        """
        Where the file system fills in the middle, the job says so and the rest goes on; with room it succeeds.
        """
        storage = self.victims.paths.srv / "file-storage"
        storage.mkdir(exist_ok=True)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24m", "none", storage], capture_output=True
        )
        if mounted.returncode != 0:
            raise SkipTest("no file system of its own can be mounted: not root")
        self.addCleanup(lambda: subprocess.run(["umount", storage], check=True))
        for name in ("inst1", "inst2"):
            # Their files are sparse, so that both fit.
            self.add(name, "--no-install")
        self.victims.gnt("instance", "reinstall", "-f", "-O", "fill=yes", "inst1")
        failed = self.victims.try_gnt("instance", "reinstall", "-f", "-O", "fill=yes", "inst2")
        self.assertEqual(failed.returncode, 1)
        self.assertIn("No space left", failed.stderr)
        refused = self.victims.try_gnt("instance", "grow-disk", "--ignore-ipolicy", "inst1", "0", "16m")
        self.assertIn("Not enough disk space", refused.stderr)
        self.agree("while it is full")
        self.victims.gnt("instance", "remove", "-f", "inst1")
        self.victims.gnt("instance", "reinstall", "-f", "-O", "fill=yes", "inst2")
        self.agree("with room")
        self.victims.gnt("instance", "remove", "-f", "inst2")


class QemuKillTests(TestCase):
    """
    A guest whose QEMU is killed. It has no system, so that it never shuts down by itself.
    """

    timeout = 120
    if not os.access(QEMU, os.X_OK):
        skip = f"there is no {QEMU} (Debian package qemu-system-x86)"

    def setUp(self) -> None:
        self.victims = Victims(hypervisor="kvm")
        self.addCleanup(self.victims.stop)
        self.victims.gnt(
            "instance", "add", "-t", "file", "-s", "16m", "-o", "noop", "-B", "memory=128m", "--no-nics",
            "--ignore-ipolicy", "-H", "kvm:kvm_flag=disabled", "inst1",
        )  # fmt: skip

    def pid(self) -> int:
        """
        The guest's process.
        """
        return int((self.victims.paths.run / "kvm-hypervisor/pid/inst1").read_text())

    def status(self) -> str:
        """
        What C{gnt instance list} says.
        """
        rows = msgspec.json.decode(self.victims.gnt("instance", "list", "--json"))
        return str(rows[0]["status"])

    def test_killed(self) -> None:
        """
        A killed guest shows as down though it should be up; it is started again, and a stop or a reboot that waits
        for it ends well when it is killed meanwhile.
        """
        os.kill(self.pid(), signal.SIGKILL)
        eventually(lambda: self.status() == "ERROR_down" or None, "it still seems to run")
        self.victims.gnt("instance", "reboot", "inst1")
        self.assertEqual(self.status(), "running")
        before = self.pid()
        for words in (("reboot", "-t", "soft"), ("stop",)):
            job = int(self.victims.gnt("instance", words[0], "--submit", *words[1:], "inst1"))
            pause(1.0)
            os.kill(self.pid(), signal.SIGKILL)
            status = eventually(partial(self.victims.ended, job), f"{words}: job {job} does not end")
            self.assertEqual(status, "success", self.victims.gnt("job", "info", str(job)))
            if words[0] == "reboot":
                self.assertEqual(self.status(), "running")
                self.assertNotEqual(self.pid(), before)
        self.assertEqual(self.status(), "ADMIN_down")
        self.victims.gnt("instance", "remove", "-f", "inst1")
        places = self.victims.paths.run / "kvm-hypervisor"
        self.assertEqual([each for each in places.rglob("inst1*") if each.is_file()], [])
