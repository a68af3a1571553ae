"""
Tests for L{gnttwist.units.migrate} and L{gnttwist.units.migration_cleanup}.
"""

from itertools import product
from typing import Any

import msgspec

from gnttwist.errors import FunctionDied, FunctionFailed, JobCanceled, NodeError, OperationError, OpExecError
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.migrate import migrate
from tests.units.one_instance import NAME
from tests.units.shared_disks import SharedDisksTestCase
from tests.units.world import uuid

MIGRATE = "OP_INSTANCE_MIGRATE"
THERE = {"OP_ID": MIGRATE, "instance_name": NAME, "target_node": "node3"}


class MigrateTestCase(SharedDisksTestCase):
    """
    Tests of a migration.
    """

    def refused_as(self, words: str, code: str = "wrong_input", **members: Any) -> None:
        """
        The opcode is refused with these words.
        """
        self.assertIn(words, self.refused(MIGRATE, code, **members))


class MigrateTests(MigrateTestCase):
    """
    Tests for L{migrate}.
    """

    def test_named(self) -> None:
        """
        It runs on the node that is named with the memory that it had, and was never stopped.
        """
        self.world.node(1).guests[NAME] = 77
        _, job = self.ran(MIGRATE, target_node="node3")
        self.assertEqual((self.place(job), self.world.node(3).guests), (3, {NAME: 77}))
        self.assertEqual((job.called("instance_shutdown"), job.called("instance_start")), ([], []))
        [(_, [_, _, address, live])] = job.called("instance_migrate")
        self.assertEqual((address, live), ("192.0.2.3", True))

    def test_mode(self) -> None:
        """
        The mode is the opcode's, in either form.
        """
        for members in ({"mode": "non-live"}, {"live": False}):
            _, job = self.ran(MIGRATE, iallocator=".", **members)
            [(_, [_, _, _, live])] = job.called("instance_migrate")
            self.assertFalse(live)

    def test_chosen(self) -> None:
        """
        Without a name, the node with the most free memory is chosen.
        """
        self.world.node(3).memory_free = 5000
        _, job = self.ran(MIGRATE, iallocator=".")
        self.assertEqual(self.place(job), 3)

    def test_refusals(self) -> None:
        """
        What cannot be is refused, and nothing is touched.
        """
        self.refused_as("give one of them", mode="live", live=True)
        self.refused_as("is on node node1.example.com already", "wrong_state", target_node="node1")
        self.refused_as("name a node, or an allocator")
        self.world.node(3).memory_free = 100
        lacking = "node node3.example.com: memory needed 128 MiB, free 100 MiB"
        self.refused_as(lacking, "insufficient_resources", target_node="node3")
        self.world.node(1).guests.clear()
        self.refused_as("does not run", "wrong_state", target_node="node2")

    def test_unwilling(self) -> None:
        """
        What its node says against it is the reason.
        """
        self.world.failing["instance_migratable"] = lambda node: FunctionFailed("It has a host's device")
        self.refused_as("It has a host's device", "wrong_state", target_node="node2")

    def test_down(self) -> None:
        """
        An instance that is down is failed over where that is allowed.
        """
        self.ran("OP_INSTANCE_SHUTDOWN")
        self.refused_as("with allow_failover it is failed over", "wrong_state", target_node="node2")
        _, job = self.ran(MIGRATE, target_node="node2", allow_failover=True)
        self.assertEqual((self.instance(job).primary_node, job.called("instance_migrate")), (uuid(2), []))

    def test_other_hypervisor(self) -> None:
        """
        A guest of kvm is failed over where that is allowed, else refused.
        """
        [instance] = self.config.instances
        self.config = self.config.with_object(msgspec.structs.replace(instance, hypervisor="kvm"))
        self.refused_as("of hypervisor kvm are not migrated", "wrong_state", target_node="node2")
        _, job = self.ran(MIGRATE, target_node="node2", allow_failover=True)
        self.assertEqual(self.place(job), 2)
        self.assertIn("failing over instead", job.lines[0])

    def test_fails(self) -> None:
        """
        A migration that the hypervisor gives up leaves the guest where it was.
        """

        def answer(node: str, function: str, arguments: list[Any]) -> Any:
            if function == "instance_get_migration_status":
                return {"status": "failed"}
            return self.world(node, function, arguments)

        job = MemoryJobContext(self.config, answer)
        error = self.assertRaises(OpExecError, job.run, migrate, parse(THERE))
        self.assertIn("failed", str(error))
        self.assertEqual(self.place(job), 1)

    def test_cancelled_anywhere(self) -> None:
        """
        Wherever it is cancelled, the guest is on one node, which the configuration has.
        """
        _, whole = self.ran(MIGRATE, target_node="node3")
        for step, midway in product(range(len(whole.steps)), [False, True]):
            self.setUp()
            job = self.job(stop_at=step, midway=midway)
            self.assertRaises(JobCanceled, job.run, migrate, parse(THERE))
            self.assertIn(self.place(job), (1, 3))

    def test_failing_functions(self) -> None:
        """
        Whatever fails once on a node, and whether it did its work, the guest is on one node in the end.
        """
        steps = ("migration_info", "accept_instance", "instance_migrate", "instance_get_migration_status")
        finals = ("instance_finalize_migration_dst",)
        for function, kind in product((*steps, *finals), (FunctionFailed, FunctionDied)):
            self.setUp()
            job = MemoryJobContext(self.config, self.unlucky(function, kind))
            reason = self.assertRaises((OperationError, NodeError), job.run, migrate, parse(THERE))
            self.assertIn("out of luck", str(reason))
            self.assertEqual(self.place(job), 3 if function in finals else 1)

    def test_source_fails_late(self) -> None:
        """
        If the old node cannot forget the guest, that is told, and the guest is where it went.
        """
        job = MemoryJobContext(self.config, self.unlucky("instance_finalize_migration_src", FunctionFailed))
        job.run(migrate, parse(THERE))
        self.assertEqual(self.instance(job).primary_node, uuid(3))
        self.assertIn("may be left on node node1.example.com", " ".join(job.lines))


class CleanupTests(MigrateTestCase):
    """
    Tests for migrations that were left unfinished.
    """

    def test_moved(self) -> None:
        """
        A guest that is found on another node is recorded there.
        """
        one, two = self.world.node(1), self.world.node(2)
        two.guests, one.guests = one.guests, {}
        two.linked, one.linked = one.linked, set()
        _, job = self.ran(MIGRATE, cleanup=True)
        self.assertEqual(self.place(job), 2)

    def test_unmoved(self) -> None:
        """
        One that is where it should be stays.
        """
        _, job = self.ran(MIGRATE, cleanup=True)
        self.assertEqual(self.place(job), 1)
        self.assertIn("as it is recorded", job.lines[-1])

    def test_unclear(self) -> None:
        """
        What runs twice, or nowhere, or where no answer comes from, is for the administrator.
        """
        self.world.node(2).guests[NAME] = 128
        self.refused_as("on node1.example.com and node2.example.com", "wrong_state", cleanup=True)
        self.world.node(1).guests.clear()
        self.world.node(2).guests.clear()
        self.refused_as("runs nowhere", "wrong_state", cleanup=True)
        self.world.failing["instance_info"] = self.silent
        self.refused_as("is not known", "environment_error", cleanup=True)
