"""
Tests for L{gnttwist.units.hooks}.
"""

from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import HooksAbort, JobCanceled, NotAnswering
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.table import UNITS
from tests.units.one_instance import NAME, InstanceTestCase
from tests.units.world import World, cluster_of

COMMON = {
    "GANETI_CLUSTER": "cluster.example.com",
    "GANETI_DATA_DIR": "/var/lib/ganeti",
    "GANETI_HOOKS_VERSION": "2",
    "GANETI_MASTER": "node1.example.com",
    "GANETI_OBJECT_TYPE": "INSTANCE",
}


class InstanceHooksTests(InstanceTestCase):
    """
    Tests for the hooks of an operation on an instance.
    """

    up = False

    def start(self, **context: Any) -> MemoryJobContext:
        """
        Start the instance, with hooks.
        """
        job = MemoryJobContext(self.job().config_now, self.world, **context)
        op = parse({"OP_ID": "OP_INSTANCE_STARTUP", "instance_name": "web"})
        job.run(UNITS["OP_INSTANCE_STARTUP"].run, op)
        return job

    def hooks_ran(self) -> list[list[str]]:
        """
        Path and phase of the hooks that ran on the master.
        """
        return [each[:2] for each in self.world.node().hooks]

    def test_order(self) -> None:
        """
        Hooks run before anything is touched, after all is done, and after the configuration has changed.
        """
        job = self.start()
        called = [step[2] for step in job.steps if step[0] == "call"]
        self.assertEqual(
            called[called.index("hooks_runner") :],
            ["hooks_runner", *["blockdev_assemble"] * 2, "instance_start", "hooks_runner", "hooks_runner"],
        )
        self.assertEqual(
            self.hooks_ran(),
            [["instance-start", "pre"], ["instance-start", "post"], ["config-update", "post"]],
        )

    def test_environment(self) -> None:
        """
        Hooks see the operation and its instance; those after it see it as it was and as it is.
        """
        self.start()
        [_, _, before], [_, _, after], _ = self.world.node().hooks
        self.assertEqual({name: before[name] for name in COMMON}, COMMON)
        self.assertEqual(
            (before["GANETI_HOOKS_PHASE"], before["GANETI_HOOKS_PATH"], before["GANETI_OP_CODE"]),
            ("pre", "instance-start", "OP_INSTANCE_STARTUP"),
        )
        self.assertEqual((before["GANETI_INSTANCE_NAME"], before["GANETI_FORCE"]), (NAME, "False"))
        self.assertEqual(before["GANETI_INSTANCE_PRIMARY"], "node1.example.com")
        self.assertEqual(
            (before["GANETI_INSTANCE_STATUS"], after["GANETI_INSTANCE_STATUS"]), ("down", "down")
        )
        self.assertEqual(after["GANETI_POST_INSTANCE_STATUS"], "up")
        self.assertNotIn("GANETI_POST_INSTANCE_STATUS", before)
        self.assertEqual(before["GANETI_INSTANCE_DISK0_DEV_TYPE"], "file")
        self.assertEqual(before["GANETI_INSTANCE_BE_maxmem"], "128")

    def test_veto(self) -> None:
        """
        A hook that fails before the operation ends it, and nothing was touched or is undone.
        """
        self.world.node().failing_hook = ["instance-start", "pre"]
        error = self.assertRaises(HooksAbort, self.start)
        self.assertEqual(error.args[0], [["node1.example.com", "instance-start-pre.d/check", "no"]])
        self.assertIn("instance-start-pre.d/check on node node1.example.com says no", str(error))
        self.assertEqual((self.world.node().guests, self.world.node().linked), ({}, set()))
        self.assertEqual(self.hooks_ran(), [["instance-start", "pre"]])

    def test_too_late(self) -> None:
        """
        A hook that fails after the operation is told, and changes nothing.
        """
        self.world.node().failing_hook = ["instance-start", "post"]
        job = self.start()
        self.assertIn(
            "Hook instance-start-post.d/check failed on node node1.example.com; output: no", job.lines
        )
        self.assertEqual(list(self.world.node().guests), [NAME])

    def test_silent_node(self) -> None:
        """
        A node that cannot run its hooks has no veto.
        """
        self.world.failing["hooks_runner"] = NotAnswering
        job = self.start()
        self.assertEqual(list(self.world.node().guests), [NAME])
        self.assertTrue(any("Hooks of instance-start could not be run" in each for each in job.lines))

    def test_canceled(self) -> None:
        """
        Wherever it is cancelled: nothing is done, or all of it.
        """
        for stop in range(100):
            self.setUp()
            try:
                job = self.start(stop_at=stop)
            except JobCanceled:
                self.assertEqual(self.world.node().guests, {}, f"stopped at step {stop}")
            else:
                self.assertEqual(list(self.world.node().guests), [NAME])
                if not any("not all hooks" in each for each in job.lines):
                    return
        self.fail("never ended")

    def test_gone(self) -> None:
        """
        After an instance is removed, hooks see what it was; before, they run on the master only.
        """
        job = self.job()
        op = parse({"OP_ID": "OP_INSTANCE_REMOVE", "instance_name": "web"})
        job.run(UNITS["OP_INSTANCE_REMOVE"].run, op)
        [_, _, after] = self.world.node().hooks[1]
        self.assertEqual((after["GANETI_INSTANCE_NAME"], after["GANETI_POST_INSTANCE_NAME"]), (NAME, NAME))


class OtherHooksTests(SynchronousTestCase):
    """
    Tests for the hooks of other operations.
    """

    def setUp(self) -> None:
        self.world = World()

    def carry_out(self, check: Callable[[Any], None] = lambda result: None, **op: Any) -> MemoryJobContext:
        """
        Carry out an opcode on a cluster of two nodes.
        """
        job = MemoryJobContext(cluster_of(2), self.world)
        check(job.run(UNITS[op["OP_ID"]].run, parse(op)))
        return job

    def test_create(self) -> None:
        """
        Before an instance is made, hooks on the node that was chosen see what is asked for.
        """
        self.world.node(2).memory_free = 8192
        self.carry_out(
            OP_ID="OP_INSTANCE_CREATE",
            instance_name="new.example.com",
            mode="create",
            disks=[{"size": 1024}],
            nics=[{}],
            os_type="noop",
            hypervisor="fake",
            ignore_ipolicy=True,
            iallocator=".",
        )
        [path, phase, before], [_, _, after] = self.world.node(2).hooks
        self.assertEqual((path, phase), ("instance-add", "pre"))
        self.assertEqual(before["GANETI_INSTANCE_PRIMARY"], "node2.example.com")
        self.assertEqual(before["GANETI_INSTANCE_DISK0_SIZE"], "1024")
        self.assertNotIn("GANETI_INSTANCE_DISK0_DEV_TYPE", before)
        self.assertEqual(before["GANETI_ADD_MODE"], "create")
        self.assertEqual(after["GANETI_POST_INSTANCE_DISK0_DEV_TYPE"], "file")

    def test_verify(self) -> None:
        """
        A hook of verification that fails is a problem of its node.
        """
        self.world.node(2).failing_hook = ["cluster-verify", "post"]
        job = self.carry_out(self.assertFalse, OP_ID="OP_CLUSTER_VERIFY_GROUP", group_name="default")
        self.assertIn(
            "  - ERROR: node node2.example.com: hook cluster-verify-post.d/check failed: no", job.lines
        )

    def test_only_changes(self) -> None:
        """
        An opcode without hooks runs those for changes of the configuration, if it changes it.
        """
        self.carry_out(OP_ID="OP_TAGS_SET", kind="cluster", name="", tags=["one"])
        self.carry_out(OP_ID="OP_TAGS_GET", kind="cluster", name="")
        self.assertEqual([each[:2] for each in self.world.node().hooks], [["config-update", "post"]])
