"""
Tests for L{gnttwist.units.master_ip}.
"""

from itertools import product
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import FunctionFailed, JobCanceled, NodeError, OpPrereqError
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.table import UNITS
from tests.units.world import World, cluster_of

OWN, FIRST, SECOND = "192.0.2.1", "192.0.2.77", "192.0.2.78"
RENAME, UP, DOWN = "OP_CLUSTER_RENAME", "OP_CLUSTER_ACTIVATE_MASTER_IP", "OP_CLUSTER_DEACTIVATE_MASTER_IP"


class MasterAddressTests(SynchronousTestCase):
    """
    A cluster with an address that is not its master's own.
    """

    def setUp(self) -> None:
        self.world = World()
        self.master = self.world.node()
        self.master.addresses.add(FIRST)
        self.config = cluster_of(2, master_ip=FIRST)

    def ran(self, op_id: str, **members: Any) -> tuple[Any, MemoryJobContext]:
        """
        The result of an opcode, and its job.
        """
        job = MemoryJobContext(self.config, self.world)
        result = job.run(UNITS[op_id].body, parse({"OP_ID": op_id, **members}))
        self.config = job.config_now
        return result, job

    def refused(self, op_id: str, **members: Any) -> str:
        """
        The text with which an opcode is refused; nothing is changed.
        """
        job = MemoryJobContext(self.config, self.world)
        error = self.assertRaises(
            OpPrereqError, job.run, UNITS[op_id].body, parse({"OP_ID": op_id, **members})
        )
        self.assertIs(job.config_now, self.config)
        self.assertEqual([each for each in job.steps if each[0] == "call"], [])
        return str(error)

    def test_down_and_up(self) -> None:
        """
        The address is taken down and brought up with the cluster's parameters, on the master.
        """
        self.ran(DOWN)
        self.assertEqual(self.master.addresses, set())
        _, job = self.ran(UP)
        self.assertEqual(self.master.addresses, {FIRST})
        told = {"ip": FIRST, "netmask": 32, "netdev": "lo", "ip_family": 2}
        self.assertEqual(job.called("node_activate_master_ip"), [("node1.example.com", [told, False])])
        self.ran(DOWN, dry_run=True)
        self.assertEqual(self.master.addresses, {FIRST})

    def test_own(self) -> None:
        """
        The master's own address is up with it, and cannot be taken down.
        """
        self.config = cluster_of(2, master_ip=OWN)
        _, job = self.ran(UP)
        self.assertEqual(job.called("node_activate_master_ip"), [])
        self.assertIn("the master's own", " ".join(job.lines))
        self.assertIn("the master's own", self.refused(DOWN))

    def test_name_only(self) -> None:
        """
        A new name leaves the address as it is.
        """
        result, job = self.ran(RENAME, name="New.example.com")
        self.assertEqual(result, "new.example.com")
        self.assertEqual(
            (self.config.cluster.cluster_name, self.config.cluster.master_ip), ("new.example.com", FIRST)
        )
        self.assertEqual([each for each in job.steps if each[0] == "call"], [])

    def test_address(self) -> None:
        """
        A new address is up before the former one goes; to and from the master's own nothing is done there.
        """
        _, job = self.ran(RENAME, name="new.example.com", master_ip=SECOND)
        self.assertEqual(self.master.addresses, {SECOND})
        kinds = [each[2] if each[0] == "call" else each[0] for each in job.steps]
        self.assertEqual(kinds[-3:], ["node_activate_master_ip", "change", "node_deactivate_master_ip"])
        self.ran(RENAME, name="new.example.com", master_ip=OWN)
        self.assertEqual((self.config.cluster.master_ip, self.master.addresses), (OWN, set()))
        self.ran(RENAME, name="new.example.com", master_ip=SECOND)
        self.assertEqual((self.config.cluster.master_ip, self.master.addresses), (SECOND, {SECOND}))

    def test_refused(self) -> None:
        """
        What cannot be is refused before anything is touched.
        """
        same = self.config.cluster.cluster_name
        for members, text in (
            ({"name": same}, "Neither the name nor the IP address"),
            ({"name": "a b"}, "no host name"),
            ({"name": "node2.example.com"}, "node's or an instance's name"),
            ({"name": "x", "master_ip": "192.0.2.2"}, "node2"),
            ({"name": "x", "master_ip": "here"}, "master_ip"),
        ):
            self.assertIn(text, self.refused(RENAME, **members))
        self.ran(RENAME, name="x", dry_run=True)
        self.assertEqual(self.config.cluster.cluster_name, same)

    def test_not_up(self) -> None:
        """
        If the new address cannot be brought up, nothing is changed; if the former cannot be taken down, that is told.
        """

        def fails(node: str) -> NodeError:
            return FunctionFailed(f"Another machine has the address, says {node}")

        self.world.failing["node_activate_master_ip"] = fails
        self.assertRaises(FunctionFailed, self.ran, RENAME, name="x", master_ip=SECOND)
        self.assertEqual((self.config.cluster.master_ip, self.master.addresses), (FIRST, {FIRST}))
        self.world.failing = {"node_deactivate_master_ip": fails}
        _, job = self.ran(RENAME, name="x", master_ip=SECOND)
        self.assertIn("could not be taken down", " ".join(job.lines))
        self.assertEqual(self.config.cluster.master_ip, SECOND)

    def test_interrupted(self) -> None:
        """
        Wherever it is cancelled, the address that the configuration has is up, and no other.
        """
        members = {"name": "x", "master_ip": SECOND}
        _, whole = self.ran(RENAME, **members)
        for step, midway in product(range(len(whole.steps)), [False, True]):
            self.setUp()
            job = MemoryJobContext(self.config, self.world, stop_at=step, midway=midway)
            self.assertRaises(JobCanceled, job.run, UNITS[RENAME].body, parse({"OP_ID": RENAME, **members}))
            self.assertEqual(self.master.addresses, {job.config_now.cluster.master_ip})
