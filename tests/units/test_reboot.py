"""
Tests for L{gnttwist.units.reboot}.
"""

import msgspec

from gnttwist.errors import FunctionFailed
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.reboot import reboot
from tests.units.one_instance import NAME, InstanceTestCase


class RebootTests(InstanceTestCase):
    """
    Tests for L{reboot}.
    """

    def runs(self, job: MemoryJobContext) -> None:
        """
        The guest runs, on disks that are usable, and the configuration says so.
        """
        self.assertAgree(job.config_now)
        self.assertEqual(list(self.world.node().guests), [NAME])
        self.assertEqual(self.instance(job).admin_state, "up")

    def test_in_place(self) -> None:
        """
        The node restarts a guest softly or hard, giving it the timeout.
        """
        for kind in ("soft", "hard"):
            _, job = self.ran("OP_INSTANCE_REBOOT", reboot_type=kind, shutdown_timeout=7)
            [(_, [members, *rest])] = job.called("instance_reboot")
            self.assertEqual((members["name"], rest[:2]), (NAME, [kind, 7]))
            self.assertEqual(job.called("instance_shutdown"), [])
            self.runs(job)

    def test_full(self) -> None:
        """
        A full reboot stops the guest, gives its disks back, and starts it.
        """
        _, job = self.ran("OP_INSTANCE_REBOOT", reboot_type="full", shutdown_timeout=7)
        names = [step[2] for step in job.steps if step[0] == "call"]
        order = ("instance_shutdown", "blockdev_shutdown", "blockdev_assemble", "instance_start")
        self.assertEqual([each for each in dict.fromkeys(names) if each in order], list(order))
        [(_, [_, timeout, _])] = job.called("instance_shutdown")
        self.assertEqual(timeout, 7)
        self.runs(job)

    def test_starts(self) -> None:
        """
        A guest that does not run is started, whatever kind of reboot was wanted.
        """
        for kind in ("soft", "hard", "full"):
            self.setUp()
            self.ran("OP_INSTANCE_SHUTDOWN")
            _, job = self.ran("OP_INSTANCE_REBOOT", reboot_type=kind)
            self.runs(job)

    def test_interrupted(self) -> None:
        """
        Wherever it is cancelled, a guest that ran runs.
        """
        for kind in ("soft", "full"):
            self.interrupted("OP_INSTANCE_REBOOT", self.runs, reboot_type=kind)

    def test_failing(self) -> None:
        """
        Whatever fails, a guest that ran runs, and the same reboot can be had again.
        """
        for kind in ("hard", "full"):
            self.failing_anywhere("OP_INSTANCE_REBOOT", self.runs, reboot_type=kind)

    def test_cannot_start(self) -> None:
        """
        A guest that cannot be started again stays marked up, so that the watcher tries.
        """
        self.world.failing["instance_start"] = lambda node: FunctionFailed("no luck")
        job = self.job()
        op = parse({"OP_ID": "OP_INSTANCE_REBOOT", "instance_name": NAME, "reboot_type": "full"})
        self.assertRaises(FunctionFailed, job.run, reboot, op)
        self.assertEqual(self.instance(job).admin_state, "up")

    def test_refusals(self) -> None:
        """
        An instance that is marked offline, a node that is, a silly timeout and too little memory are refused.
        """
        self.refused("OP_INSTANCE_REBOOT", reboot_type="soft", shutdown_timeout=3601)
        self.refused("OP_INSTANCE_REBOOT", "unknown_entity", reboot_type="soft", instance_name="nope")
        self.ran("OP_INSTANCE_SHUTDOWN")
        self.world.node().memory_free = 5
        self.refused("OP_INSTANCE_REBOOT", "insufficient_resources", reboot_type="soft")
        instance = msgspec.structs.replace(self.instance(self.job()), admin_state="offline")
        self.config = self.config.with_object(instance)
        self.refused("OP_INSTANCE_REBOOT", "wrong_state", reboot_type="soft")
        self.offline()
        self.refused("OP_INSTANCE_REBOOT", "wrong_state", reboot_type="soft")

    def test_dry_run(self) -> None:
        """
        A dry run restarts nothing.
        """
        _, job = self.ran("OP_INSTANCE_REBOOT", reboot_type="hard", dry_run=True)
        self.assertEqual(job.called("instance_reboot"), [])
