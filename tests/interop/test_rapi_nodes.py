"""
Ganeti 3.0.2's own Python RAPI client, unmodified, against a sandbox of two nodes: what is about several of them.
"""

from typing import Any

from tests.interop.ganeti import NODE
from tests.interop.rapi_client import RAPITestCase

OTHER = "node2.sandbox.test"
GUEST = "guest.example.com"
OPTIONS = {"os": "noop", "hypervisor": "fake", "ip_check": False, "name_check": False}


class NodesTests(RAPITestCase):
    """
    Tests for the client's calls that move things. Each leaves the nodes as they were.
    """

    nodes = 2

    def roles(self) -> str:
        """
        The other node's role.
        """
        (found,) = self.good(("GetNodeRole", OTHER))
        role: str = found
        return role

    def test_roles(self) -> None:
        """
        A node gets each of its roles, in both ways that the client has; the master keeps its own.
        """
        for role in ("drained", "offline", "regular", "master-candidate"):
            self.done(("SetNodeRole", OTHER, role, {"force": True}))
            self.assertEqual(self.roles(), role)
        for change, role in (
            ({"drained": True}, "drained"),
            ({"drained": False}, "master-candidate"),
            ({"offline": True, "force": True}, "offline"),
            ({"offline": False, "force": True}, "master-candidate"),
        ):
            self.done(("ModifyNode", OTHER, change))
            self.assertEqual(self.roles(), role, change)
        self.done(("ModifyNode", OTHER, {"ndparams": {"spindle_count": 3}}))
        (node,) = self.good(("GetNode", OTHER))
        self.assertEqual(node["ndparams"]["spindle_count"], 3)
        self.done(("ModifyNode", OTHER, {"ndparams": {"spindle_count": "default"}}))
        (job,) = self.good(("SetNodeRole", NODE, "offline"))
        (over,) = self.good(("WaitForJobCompletion", job, {"period": 0.1, "retries": 600}))
        self.assertFalse(over)

    def test_storage(self) -> None:
        """
        A node's storage units are told by a job; what cannot be done to them is refused by name.
        """
        ((units,),) = self.done(("GetNodeStorageUnits", OTHER, "file", "node,type,name,size,free"))
        ((node, kind, name, size, free),) = units
        self.assertEqual((node, kind, free <= size), (OTHER, "file", True), name)
        for text, opcode in zip(
            self.refused(
                ("ModifyNodeStorageUnits", OTHER, "lvm-pv", "sda", {"allocatable": False}),
                ("RepairNodeStorageUnits", OTHER, "lvm-vg", "xenvg"),
            ),
            ("OP_NODE_MODIFY_STORAGE", "OP_REPAIR_NODE_STORAGE"),
            strict=True,
        ):
            self.assertRegex(text, f"^400 Bad Request: .*{opcode}")

    def test_groups(self) -> None:
        """
        A node goes to another group and back; groups and nodes have tags and policies.
        """
        self.done(
            ("CreateGroup", "racks", {"alloc_policy": "unallocable"}),
            ("AssignGroupNodes", "racks", [OTHER]),
            ("ModifyGroup", "racks", {"alloc_policy": "preferred", "ndparams": {"spindle_count": 2}}),
            ("AddGroupTags", "racks", ["a", "b"]),
            ("DeleteGroupTags", "racks", ["a"]),
            ("AddNodeTags", OTHER, ["x", "y"]),
            ("DeleteNodeTags", OTHER, ["x"]),
        )
        group, tags, node_tags, node = self.good(
            ("GetGroup", "racks"), ("GetGroupTags", "racks"), ("GetNodeTags", OTHER), ("GetNode", OTHER)
        )
        self.assertEqual((group["node_list"], group["alloc_policy"]), ([OTHER], "preferred"))
        self.assertEqual((tags, node_tags, node["ndparams"]["spindle_count"]), (["b"], ["y"], 2))
        (job,) = self.good(("DeleteGroup", "racks"))
        (over,) = self.good(("WaitForJobCompletion", job, {"period": 0.1, "retries": 600}))
        self.assertFalse(over, "a group with nodes was removed")
        self.done(
            ("AssignGroupNodes", "default", [OTHER]),
            ("DeleteNodeTags", OTHER, ["y"]),
            ("DeleteGroup", "racks"),
        )

    def test_networks(self) -> None:
        """
        A network's addresses are reserved, it is changed, tagged, connected and removed.
        """
        self.done(
            ("CreateNetwork", "lan", "10.9.0.0/28", {"gateway": "10.9.0.1", "tags": "t"}),
            ("ModifyNetwork", "lan", {"add_reserved_ips": ["10.9.0.5"], "mac_prefix": "aa:00:01"}),
            ("AddNetworkTags", "lan", ["u"]),
            ("DeleteNetworkTags", "lan", ["t"]),
            ("ConnectNetwork", "lan", "default", "bridged", "br0"),
        )
        network, tags, names = self.good(("GetNetwork", "lan"), ("GetNetworkTags", "lan"), ("GetNetworks",))
        self.assertEqual((network["mac_prefix"], tags, names), ("aa:00:01", ["u"], ["lan"]))
        self.assertIn("10.9.0.5", network["external_reservations"])
        self.done(("DisconnectNetwork", "lan", "default"), ("DeleteNetwork", "lan"))

    def test_moving(self) -> None:
        """
        An instance fails over to another node and back, and migrates; what there is not yet is refused by name.
        """
        create = {**OPTIONS, "pnode": NODE}
        self.done(("CreateInstance", "create", GUEST, "sharedfile", [{"size": 16}], [], create))
        for node in (OTHER, NODE):
            self.done(("FailoverInstance", GUEST, {"target_node": node}))
            (found,) = self.good(("GetInstance", GUEST))
            self.assertEqual((found["pnode"], found["status"]), (node, "running"))
        self.done(("MigrateInstance", GUEST, {"mode": "live", "target_node": OTHER}))
        (found,) = self.good(("GetInstance", GUEST))
        self.assertEqual((found["pnode"], found["status"]), (OTHER, "running"))
        (text,) = self.refused(("ReplaceInstanceDisks", GUEST, {"disks": [0], "mode": "replace_auto"}))
        self.assertRegex(text, "^400 Bad Request: .*OP_INSTANCE_REPLACE_DISKS")
        self.done(("DeleteInstance", GUEST))

    def test_disks(self) -> None:
        """
        A stopped instance's disk grows, is used and put away; the instance is renamed.
        """
        create = {**OPTIONS, "pnode": OTHER, "start": False}
        self.done(
            ("CreateInstance", "create", GUEST, "file", [{"size": 16}], [], create),
            ("GrowInstanceDisk", GUEST, 0, 16),
            ("ActivateInstanceDisks", GUEST),
            ("DeactivateInstanceDisks", GUEST),
            ("RenameInstance", GUEST, "renamed.example.com", {"ip_check": False, "name_check": False}),
        )
        (found,) = self.good(("GetInstance", "renamed.example.com"))
        self.assertEqual(found["disk.sizes"], [32])
        self.done(("DeleteInstance", "renamed.example.com"))

    def test_many(self) -> None:
        """
        Several instances are placed and created by one call.
        """
        wanted: list[dict[str, Any]] = [
            {
                "mode": "create",
                "name": f"many{number}.example.com",
                "disk_template": "diskless",
                "disks": [],
                "nics": [],
                **OPTIONS,
            }
            for number in (1, 2)
        ]
        (result,) = self.done(("InstancesMultiAlloc", wanted))
        jobs = [job for _, job in result[0]["jobs"]]
        for job in jobs:
            (over,) = self.good(("WaitForJobCompletion", job, {"period": 0.1, "retries": 600}))
            self.assertTrue(over)
        (names,) = self.good(("GetInstances",))
        self.assertEqual(sorted(names), ["many1.example.com", "many2.example.com"])
        self.done(*(("DeleteInstance", each) for each in names))

    def test_jobs(self) -> None:
        """
        A queued job is cancelled before it has begun; changes of a job are told with its log.
        """
        (job,) = self.good(("ModifyCluster", {"beparams": {"vcpus": 1}}))
        changed: dict[str, Any] = {"job_info": ["queued"]}
        lines: list[Any] = []
        previous, serial = None, None
        while changed["job_info"][0] not in ("success", "error"):
            (changed,) = self.good(("WaitForJobChange", job, ["status"], previous, serial))
            previous = changed["job_info"]
            lines += changed["log_entries"] or []
            serial = lines[-1][0] if lines else None
        self.assertEqual(previous, ["success"])
        told, text = self.good(("CancelJob", job))[0]
        self.assertEqual((told, str(job) in text), (False, True))
        self.assertRegex(self.refused(("GetJobStatus", 999999))[0], "^404 Not Found")
