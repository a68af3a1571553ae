"""
Tests for L{gnttwist.functions.migration}.
"""

import os
from pathlib import Path

from gnttwist.functions.instances import instance_balloon_memory, instance_info, instance_start
from gnttwist.functions.migration import (
    accept_instance,
    instance_finalize_migration_dst,
    instance_finalize_migration_src,
    instance_get_migration_status,
    instance_migratable,
    instance_migrate,
    migration_info,
)
from gnttwist.functions.registry import FunctionError
from gnttwist.paths import Paths
from tests.functions.context import NodeTestCase, Recorder, instance

NAME = "inst1.example.com"
TARGET = "192.0.2.2"


class MigrationTests(NodeTestCase):
    """
    A guest of the fake hypervisor goes from one node to another.
    """

    def setUp(self) -> None:
        super().setUp()
        self.instance = instance()
        root = Path(self.mktemp())
        root.mkdir()
        self.other = Recorder(Paths(root, "node2.example.com"))
        instance_start(self.context, self.instance, False, [])

    def guest(self, context: Recorder) -> dict[str, object]:
        """
        What a node knows of it.
        """
        return instance_info(context, NAME, "fake", {})

    def test_moves(self) -> None:
        """
        It arrives with the memory that it had, and is forgotten where it was; each step may be repeated.
        """
        instance_balloon_memory(self.context, self.instance, 77)
        before = self.guest(self.context)
        instance_migratable(self.context, self.instance)
        info = migration_info(self.context, self.instance)
        for _ in range(2):
            accept_instance(self.other, self.instance, info, TARGET)
            instance_migrate(self.context, "cluster", self.instance, TARGET, True)
        self.assertEqual(instance_get_migration_status(self.context, self.instance), {"status": "completed"})
        for _ in range(2):
            instance_finalize_migration_src(self.context, self.instance, True, True)
            instance_finalize_migration_dst(self.other, self.instance, info, True)
        self.assertEqual((self.guest(self.context), self.guest(self.other)), ({}, before))

    def test_given_up(self) -> None:
        """
        Given up on both sides, it is where it was, and the target has nothing of it.
        """
        info = migration_info(self.context, self.instance)
        accept_instance(self.other, self.instance, info, TARGET)
        instance_finalize_migration_src(self.context, self.instance, False, True)
        instance_finalize_migration_dst(self.other, self.instance, info, False)
        self.assertEqual(self.guest(self.other), {})
        self.assertNotEqual(self.guest(self.context), {})
        links = self.other.paths.run / "instance-disks"
        self.assertEqual(os.listdir(links) if links.exists() else [], [])

    def test_no_papers(self) -> None:
        """
        From a node that tells nothing of it, it has the memory that it would be started with; nonsense is refused.
        """
        instance_finalize_migration_dst(self.other, self.instance, "", True)
        self.assertEqual(self.guest(self.other), self.guest(self.context))
        stranger = {**self.instance, "name": "inst2.example.com"}
        self.assertRaises(FunctionError, instance_finalize_migration_dst, self.other, stranger, "a b", True)

    def test_refusals(self) -> None:
        """
        One that does not run cannot go, one that runs is not accepted, and not every hypervisor can do it.
        """
        for code in (instance_migratable, migration_info):
            self.assertRaises(FunctionError, code, self.other, self.instance)
        self.assertRaises(FunctionError, instance_migrate, self.other, "c", self.instance, TARGET, True)
        reason = self.assertRaises(FunctionError, accept_instance, self.context, self.instance, "", TARGET)
        self.assertIn("runs here already", str(reason))
        kvm = {**self.instance, "hypervisor": "kvm"}
        reason = self.assertRaises(FunctionError, accept_instance, self.other, kvm, "", TARGET)
        self.assertIn("hypervisor kvm", str(reason))
