"""
Tests for the units about nodes.
"""

from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import FunctionFailed, NotAnswering, OpPrereqError
from gnttwist.jobs.context import LockMode
from gnttwist.model.objects import Disk, Instance, Node, NodeGroup
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.locking import CERTIFICATES
from gnttwist.units.redistribution import MARK
from gnttwist.units.table import UNITS
from tests.units.world import World, cluster_of, uuid

NEW = "node9.example.com"
ADD = {"OP_ID": "OP_NODE_ADD", "node_name": NEW, "primary_ip": "192.0.2.9"}


def instance(primary: int) -> Instance:
    """
    An instance on the node of this number.
    """
    return Instance(
        uuid=uuid(0x10), name="web.example.com", primary_node=uuid(primary), os="", hypervisor="fake"
    )


class NodeTestCase(SynchronousTestCase):
    """
    A cluster of three nodes, all candidates, whose certificates are known.
    """

    def setUp(self) -> None:
        self.world = World()
        self.config = cluster_of(
            3, candidate_certs={uuid(number): f"digest of node{number}" for number in (1, 2, 3)}
        )

    def change(self, number: int, **members: Any) -> None:
        """
        Change one of the nodes beforehand.
        """
        node = msgspec.structs.replace(self.config.nodes[uuid(number)], **members)
        self.config = self.config.with_objects([node])
        if not node.master_candidate:
            left = {k: v for k, v in self.config.cluster.candidate_certs.items() if k != node.uuid}
            self.cluster(candidate_certs=left)

    def cluster(self, **members: Any) -> None:
        """
        Change the cluster beforehand.
        """
        self.config = self.config.with_objects([msgspec.structs.replace(self.config.cluster, **members)])

    def ran(self, members: dict[str, Any]) -> tuple[MemoryJobContext, Any]:
        """
        Carry out an opcode.
        """
        op = parse(members)
        job = MemoryJobContext(self.config, self.world)
        result = job.run(UNITS[op.op_id()].body, op)
        return job, result

    def refused(self, members: dict[str, Any], code: str = "wrong_input") -> str:
        """
        The words with which an opcode is refused, with nothing changed.
        """
        op = parse(members)
        job = MemoryJobContext(self.config, self.world)
        error = self.assertRaises(OpPrereqError, job.run, UNITS[op.op_id()].body, op)
        self.assertEqual(error.args[1], code, error)
        self.assertEqual(job.config_now.nodes, self.config.nodes)
        return str(error)


def flags(config: Snapshot, number: int) -> str:
    """
    A node's flags by their first letters.
    """
    node = config.nodes[uuid(number)]
    words = ("master_candidate", "drained", "offline")
    return "".join(each[0] for each in words if getattr(node, each)) or "-"


class AddTests(NodeTestCase):
    """
    Tests for C{OP_NODE_ADD}.
    """

    def added(self, **members: Any) -> tuple[MemoryJobContext, Node]:
        """
        Add a node.
        """
        job, result = self.ran({**ADD, **members})
        self.assertIsNone(result)
        node = job.config_now.nodes.named(members.get("node_name", NEW))
        assert node is not None
        return job, node

    def test_add(self) -> None:
        """
        A machine that answers becomes a candidate, in the only group, and its certificate may call.
        """
        job, node = self.added()
        self.assertEqual(
            (node.primary_ip, node.secondary_ip, node.group), ("192.0.2.9", "192.0.2.9", uuid(0xA))
        )
        self.assertEqual((node.master_candidate, node.master_capable, node.vm_capable), (True, True, True))
        self.assertEqual(job.config_now.cluster.candidate_certs[node.uuid], f"digest of {NEW}")
        self.assertEqual([step[1] for step in job.steps if step[0] == "call"], [NEW, NEW])

    def test_members(self) -> None:
        """
        What the opcode says of the node is written down; one that is not master_capable is no candidate.
        """
        job, node = self.added(master_capable=False, vm_capable=False, ndparams={"ovs": "true"})
        self.assertEqual(
            (node.master_candidate, node.vm_capable, node.ndparams), (False, False, {"ovs": True})
        )
        self.assertNotIn(node.uuid, job.config_now.cluster.candidate_certs)

    def test_full_pool(self) -> None:
        """
        Where there are as many candidates as there should be, a new node is none.
        """
        self.cluster(candidate_pool_size=3)
        self.assertFalse(self.added()[1].master_candidate)

    def test_group(self) -> None:
        """
        With several groups one must be named.
        """
        self.config = self.config.with_objects([NodeGroup(uuid=uuid(0xB), name="other")])
        self.assertIn("default, other", self.refused(ADD))
        self.assertEqual(self.added(group="other")[1].group, uuid(0xB))

    def test_dry_run(self) -> None:
        """
        A dry run asks the node, and changes nothing.
        """
        job, _ = self.ran({**ADD, "dry_run": True})
        self.assertEqual(job.config_now.nodes, self.config.nodes)
        self.assertEqual(len(job.called("version")), 1)

    def test_refused(self) -> None:
        """
        Names and addresses that are taken or are none, and parameters that cannot be, are refused.
        """
        for members, code, words in (
            ({"node_name": "node1.example.com"}, "already_exists", "readd"),
            ({"node_name": "cluster.example.com"}, "resource_not_unique", "name of the cluster"),
            ({"node_name": "no name"}, "wrong_input", "host name"),
            ({"node_name": "a" * 300}, "wrong_input", "host name"),
            ({"node_name": "a/../b"}, "wrong_input", "host name"),
            ({"primary_ip": None}, "wrong_input", "address"),
            ({"primary_ip": "192.0.2.1"}, "resource_not_unique", "node1"),
            ({"primary_ip": "2001:db8::1"}, "wrong_input", "IPv4"),
            ({"primary_ip": "host"}, "wrong_input", "IP address"),
            ({"secondary_ip": "198.51.100.9"}, "wrong_input", "no secondary address"),
            ({"group": "nosuch"}, "unknown_entity", "nosuch"),
            ({"ndparams": {"exclusive_storage": True}}, "wrong_input", "group"),
            ({"ndparams": {"colour": "blue"}}, "wrong_input", "colour"),
            ({"hv_state": {"kvm": {"mem_total": 1}}}, "wrong_input", "hv_state"),
            ({"readd": True}, "unknown_entity", "cannot be taken back"),
        ):
            self.assertIn(words, self.refused({**ADD, **members}, code))

    def test_silent(self) -> None:
        """
        A machine that does not answer, or speaks another version, is not added.
        """
        self.world.failing["version"] = lambda node: NotAnswering(f"{node} is silent")
        self.assertIn("is silent", self.refused(ADD, "environment_error"))
        del self.world.failing["version"]
        self.world.nodes.setdefault(NEW, self.world.node(9)).version = 2_000_000
        self.assertIn("2000000", self.refused(ADD, "environment_error"))

    def test_readd(self) -> None:
        """
        A node that was offline is taken back, perhaps at another address, with its new certificate.
        """
        self.change(2, offline=True, master_candidate=False, ndparams={"ovs": True})
        job, node = self.added(node_name="node2.example.com", readd=True, primary_ip="192.0.2.22")
        self.assertEqual((node.uuid, node.offline, node.master_candidate), (uuid(2), False, True))
        self.assertEqual((node.primary_ip, node.secondary_ip), ("192.0.2.22", "192.0.2.22"))
        self.assertEqual(job.config_now.cluster.candidate_certs[uuid(2)], "digest of node2.example.com")
        self.assertEqual(job.locks.held(7)[f"node/{uuid(2)}"], LockMode.EXCLUSIVE)

    def test_readd_refused(self) -> None:
        """
        The master is never taken back, groups stay, and a node with instances stays vm_capable.
        """
        again = {**ADD, "readd": True, "node_name": "node2.example.com", "primary_ip": None}
        self.config = self.config.with_objects([instance(2)])
        self.refused({**again, "node_name": "node1.example.com"}, "wrong_state")
        self.refused({**again, "group": "default"})
        self.refused({**again, "vm_capable": False}, "wrong_state")
        self.refused({**again, "secondary_ip": "198.51.100.2"})


class SetParamsTests(NodeTestCase):
    """
    Tests for C{OP_NODE_SET_PARAMS}.
    """

    SET = {"OP_ID": "OP_NODE_SET_PARAMS", "node_name": "node2.example.com"}

    def modified(self, **members: Any) -> tuple[MemoryJobContext, Any]:
        """
        Change the second node.
        """
        return self.ran({**self.SET, **members})

    def test_drain(self) -> None:
        """
        A node that is drained is no candidate any more, and its certificate may not call.
        """
        job, result = self.modified(drained=True)
        self.assertEqual(result, [["master_candidate", "False"], ["drained", "True"]])
        self.assertEqual(flags(job.config_now, 2), "d")
        self.assertNotIn(uuid(2), job.config_now.cluster.candidate_certs)

    def test_renewal(self) -> None:
        """
        What may make a node a candidate waits for certificates that are made anew; marking it offline does not.
        """
        job, _ = self.modified(offline=True)
        self.assertNotIn(CERTIFICATES, job.locks.held(7))
        self.config = job.config_now
        job, _ = self.modified(offline=False)
        self.assertEqual(job.locks.held(7)[CERTIFICATES], LockMode.SHARED)

    def test_offline_and_back(self) -> None:
        """
        An offline node that comes back is asked for its version, and joins the candidates.
        """
        job, _ = self.modified(offline=True)
        self.config = job.config_now
        job, result = self.modified(offline=False)
        self.assertEqual(result, [["master_candidate", "True"], ["offline", "False"]])
        self.assertEqual(job.config_now.cluster.candidate_certs[uuid(2)], "digest of node2.example.com")
        self.assertEqual(len(job.called("version")), 1)

    def test_silent_and_back(self) -> None:
        """
        An offline node that does not answer stays offline.
        """
        self.change(2, offline=True, master_candidate=False)
        self.world.failing["version"] = lambda node: NotAnswering("silent")
        self.assertIn("silent", self.refused({**self.SET, "offline": False}, "environment_error"))

    def test_capabilities(self) -> None:
        """
        Capabilities and parameters are changed; who cannot be a candidate ceases to be one.
        """
        job, result = self.modified(master_capable=False, vm_capable=False, ndparams={"spindle_count": "3"})
        self.assertEqual(
            result, [["master_capable", "False"], ["vm_capable", "False"], ["master_candidate", "False"]]
        )
        self.assertEqual(job.config_now.nodes[uuid(2)].ndparams, {"spindle_count": 3})
        self.config = job.config_now
        job, _ = self.modified(ndparams={"spindle_count": "default", "ovs": True})
        self.assertEqual(job.config_now.nodes[uuid(2)].ndparams, {"ovs": True})

    def test_no_effect(self) -> None:
        """
        To unset a flag that is not set changes nothing and is told.
        """
        job, result = self.modified(drained=False)
        self.assertEqual(result, [])
        self.assertIn("nothing to unset", job.lines[0])
        self.assertEqual(job.config_now.nodes, self.config.nodes)

    def test_pool(self) -> None:
        """
        The last spare candidate cannot be demoted, unless another node takes its place.
        """
        self.cluster(candidate_pool_size=2)
        self.change(3, master_candidate=False)
        demote = {**self.SET, "master_candidate": False}
        self.assertIn("auto_promote", self.refused(demote, "wrong_state"))
        job, _ = self.ran({**demote, "auto_promote": True})
        self.assertEqual([flags(job.config_now, number) for number in (1, 2, 3)], ["m", "-", "m"])
        certificates = job.config_now.cluster.candidate_certs
        self.assertEqual(set(certificates), {uuid(1), uuid(3)})
        self.assertEqual(certificates[uuid(3)], "digest of node3.example.com")
        self.assertEqual(len([each for each in job.locks.held(7) if each.startswith("node/")]), 3)

    def test_pool_silent(self) -> None:
        """
        A node that does not answer is not made a candidate.
        """
        self.cluster(candidate_pool_size=2)
        self.change(3, master_candidate=False)
        self.world.failing["node_crypto_tokens"] = lambda node: FunctionFailed("no certificate")
        job, _ = self.modified(drained=True, auto_promote=True)
        self.assertEqual([flags(job.config_now, number) for number in (1, 2, 3)], ["m", "d", "-"])
        self.assertIn("no certificate", job.lines[0])

    def test_promote_without_certificate(self) -> None:
        """
        A node cannot be made a candidate whose certificate is not known.
        """
        self.change(2, master_candidate=False)
        self.world.failing["node_crypto_tokens"] = lambda node: FunctionFailed("no certificate")
        self.assertIn(
            "no certificate", self.refused({**self.SET, "master_candidate": True}, "environment_error")
        )

    def test_refused(self) -> None:
        """
        What contradicts itself, the master's role, or what the node has, is refused.
        """
        self.config = self.config.with_objects([instance(2)])
        master = {"node_name": "node1.example.com"}
        for members, code, words in (
            ({}, "wrong_input", "nothing to change"),
            ({"offline": True, "drained": True}, "wrong_input", "one of these"),
            ({**master, "offline": True}, "wrong_input", "failover"),
            ({**master, "master_capable": False}, "wrong_state", "master_capable"),
            ({"vm_capable": False}, "wrong_state", "instances"),
            ({"powered": False}, "wrong_state", "oob_program"),
            ({"secondary_ip": "198.51.100.2"}, "wrong_input", "force"),
            ({"node_uuid": uuid(3), "drained": True}, "wrong_input", "is not the node"),
            ({"node_name": "nosuch", "drained": True}, "unknown_entity", "nosuch"),
            ({"disk_state": {"x": {}}, "drained": True}, "wrong_input", "disk_state"),
        ):
            self.assertIn(words, self.refused({**self.SET, **members}, code))
        self.change(3, master_capable=False, master_candidate=False)
        self.assertIn(
            "candidate",
            self.refused(
                {**self.SET, "node_name": "node3.example.com", "master_candidate": True}, "wrong_state"
            ),
        )

    def test_dry_run(self) -> None:
        """
        A dry run tells what would change.
        """
        job, result = self.modified(offline=True, dry_run=True)
        self.assertEqual(result, [["master_candidate", "False"], ["offline", "True"]])
        self.assertEqual(job.config_now.nodes, self.config.nodes)


class RemoveTests(NodeTestCase):
    """
    Tests for C{OP_NODE_REMOVE}.
    """

    REMOVE = {"OP_ID": "OP_NODE_REMOVE", "node_name": "node2"}

    def test_remove(self) -> None:
        """
        A node is forgotten, another takes its place as candidate, and then it is told to leave.
        """
        self.cluster(candidate_pool_size=2)
        self.change(3, master_candidate=False)
        job, result = self.ran(self.REMOVE)
        self.assertIsNone(result)
        self.assertEqual(
            [each.name for each in job.config_now.nodes], ["node1.example.com", "node3.example.com"]
        )
        self.assertEqual(set(job.config_now.cluster.candidate_certs), {uuid(1), uuid(3)})
        self.assertEqual(job.called("node_leave_cluster"), [("node2.example.com", [False])])
        self.assertEqual([step[0] for step in job.steps][-2:], ["change", "call"])

    def test_silent(self) -> None:
        """
        A node that does not answer, or is offline, is removed nevertheless, and what it still has is told.
        """
        self.world.failing["node_leave_cluster"] = lambda node: NotAnswering("silent")
        job, _ = self.ran(self.REMOVE)
        self.assertIn("gnt node leave", job.lines[-1])
        self.change(3, offline=True, master_candidate=False)
        job, _ = self.ran({**self.REMOVE, "node_name": "node3"})
        self.assertIn("gnt node leave", job.lines[-1])
        self.assertEqual(job.called("node_leave_cluster"), [])

    def test_refused(self) -> None:
        """
        The master and nodes with instances stay.
        """
        self.config = self.config.with_objects([instance(2)])
        self.assertIn("web.example.com", self.refused(self.REMOVE))
        self.assertIn("master", self.refused({**self.REMOVE, "node_name": "node1"}))
        self.refused({**self.REMOVE, "node_name": "node7"}, "unknown_entity")


class TaskTests(NodeTestCase):
    """
    Tests for the opcodes that have nodes do something.
    """

    def test_powercycle(self) -> None:
        """
        A node is told to reboot; the master only by force.
        """
        op = {"OP_ID": "OP_NODE_POWERCYCLE", "node_name": "node2"}
        job, result = self.ran(op)
        self.assertEqual(result, "Reboot scheduled in 5 seconds")
        self.assertEqual(job.called("node_powercycle")[0][1][0], "fake")
        self.assertIn("force", self.refused({**op, "node_name": "node1"}))
        self.ran({**op, "node_name": "node1", "force": True})
        job, _ = self.ran({**op, "dry_run": True})
        self.assertEqual(job.called("node_powercycle"), [])

    def test_storage(self) -> None:
        """
        Each online node that answers has a row with the fields that were asked for.
        """
        self.change(2, offline=True, master_candidate=False)
        op = {"OP_ID": "OP_NODE_QUERY_STORAGE", "output_fields": ["node", "free", "type", "name"]}
        _, rows = self.ran(op)
        directory = "/srv/ganeti/file-storage"
        self.assertEqual(rows, [[f"node{n}.example.com", 10_000, "file", directory] for n in (1, 3)])
        self.world.failing["storage_list"] = lambda node: FunctionFailed("broken")
        job, rows = self.ran({**op, "nodes": ["node1"]})
        self.assertEqual((rows, len(job.lines)), ([], 1))

    def test_storage_refused(self) -> None:
        """
        Unknown fields and kinds of storage are refused.
        """
        op = {"OP_ID": "OP_NODE_QUERY_STORAGE", "output_fields": ["name"]}
        self.assertIn("colour", self.refused({**op, "output_fields": ["colour"]}))
        self.assertIn("lvm-vg", self.refused({**op, "storage_type": "lvm-vg"}))
        self.cluster(enabled_disk_templates=["diskless"])
        self.refused({**op, "storage_type": "file"}, "wrong_state")
        self.refused(op)

    def test_restricted_command(self) -> None:
        """
        Each node's outcome is told, in the order of the names.
        """
        op = {"OP_ID": "OP_RESTRICTED_COMMAND", "nodes": ["node2", "node1"], "command": "uptime"}
        job, rows = self.ran(op)
        self.assertEqual(rows, [[True, "uptime of node2.example.com"], [True, "uptime of node1.example.com"]])
        self.assertEqual(job.locks.held(7), {"cluster/BGL": LockMode.SHARED})
        self.world.failing["restricted_command"] = lambda node: FunctionFailed("no such command")
        job, rows = self.ran({**op, "use_locking": True})
        self.assertEqual([each[0] for each in rows], [False, False])
        self.assertIn(f"node/{uuid(2)}", job.locks.held(7))

    def shared(self, template: str) -> None:
        """
        Give the second node an instance with a disk of some kind.
        """
        disk = Disk(uuid=uuid(0x20), dev_type=template, logical_id=["loop", "/x"], size=8, nodes=[uuid(2)])
        there = msgspec.structs.replace(instance(2), disks=[disk.uuid])
        self.config = self.config.with_objects([disk, there])

    def test_migrate(self) -> None:
        """
        A node's instances are migrated by a job each; a dry run submits none.
        """
        migrate = {"OP_ID": "OP_NODE_MIGRATE", "node_name": "node2"}
        self.assertEqual(self.ran(migrate)[1], {"jobs": []})
        self.shared("sharedfile")
        job, result = self.ran({**migrate, "target_node": "node1", "mode": "non-live"})
        self.assertEqual(len(result["jobs"]), 1)
        [[op]] = job.submitted
        expected = {"OP_ID": "OP_INSTANCE_MIGRATE", "instance_name": "web.example.com", "mode": "non-live"}
        self.assertEqual({name: op[name] for name in expected}, expected)
        self.assertEqual(self.ran({**migrate, "dry_run": True})[1], {"jobs": []})
        self.assertIn("is the one", self.refused({**migrate, "target_node": "node2"}))
        self.assertIn("give one", self.refused({**migrate, "mode": "live", "live": True}))

    def test_evacuate(self) -> None:
        """
        Instances whose disks others see are moved by a job each; a dry run and other modes submit none.
        """
        evacuate = {"OP_ID": "OP_NODE_EVACUATE", "node_name": "node2", "mode": "all"}
        self.assertEqual(self.ran(evacuate)[1], {"jobs": []})
        self.shared("sharedfile")
        job, result = self.ran({**evacuate, "remote_node": "node3"})
        self.assertEqual(result, {"jobs": [[True, 100]]})
        [[op]] = job.submitted
        self.assertEqual(
            (op["OP_ID"], op["instance_name"], op["target_node"]),
            ("OP_INSTANCE_FAILOVER", "web.example.com", "node3"),
        )
        for members in ({"mode": "secondary-only"}, {"dry_run": True}):
            self.assertEqual(self.ran({**evacuate, **members})[1], {"jobs": []})

    def test_evacuate_refused(self) -> None:
        """
        Instances whose disks are the node's alone stay, and stop the others unless that is to be ignored.
        """
        evacuate = {"OP_ID": "OP_NODE_EVACUATE", "node_name": "node2", "mode": "primary-only"}
        self.shared("file")
        self.assertIn("web.example.com", self.refused(evacuate, "wrong_state"))
        job, result = self.ran({**evacuate, "ignore_soft_errors": True})
        self.assertEqual((result, len(job.lines)), ({"jobs": []}, 1))
        self.refused({**evacuate, "remote_node": "node2"})
        self.refused({**evacuate, "remote_node": "node3", "iallocator": "hail"})

    def test_redistribution(self) -> None:
        """
        What gnt-masterd looks at is counted up.
        """
        for count in (1, 2):
            job, result = self.ran({"OP_ID": "OP_CLUSTER_REDIST_CONF"})
            self.assertIsNone(result)
            self.config = job.config_now
            self.assertEqual(self.config.cluster.extra, {MARK: count})

    def test_management_hardware(self) -> None:
        """
        There is none, which is told.
        """
        op = {"OP_ID": "OP_OOB_COMMAND", "command": "health", "node_names": ["node2"]}
        self.assertIn("oob_program", self.refused(op))
        self.change(2, ndparams={"oob_program": "/bin/oob"})
        self.assertIn("OP_OOB_COMMAND", self.refused(op, "wrong_state"))
