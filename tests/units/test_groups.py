"""
Tests for L{gnttwist.units.group}, L{gnttwist.units.group_parameters} and L{gnttwist.units.tags}.
"""

from typing import Any

from gnttwist.errors import OpPrereqError
from gnttwist.model.objects import NodeGroup
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.names import MAX_TAGS
from gnttwist.units.table import UNITS
from tests.units.one_instance import NAME, InstanceTestCase
from tests.units.world import uuid

RANGES = {"memory-size": 1, "cpu-count": 1, "disk-count": 0, "disk-size": 1, "nic-count": 0, "spindle-use": 1}


class OpcodeTestCase(InstanceTestCase):
    """
    A cluster with an instance, on which opcodes are tried one after the other.
    """

    def done(self, op_id: str, **members: Any) -> Any:
        """
        The result of an opcode, whose changes the next one sees.
        """
        self.last = job = MemoryJobContext(self.config, self.world)
        result = job.run(UNITS[op_id].body, parse({"OP_ID": op_id, **members}))
        self.config = job.config_now
        return result

    def no(self, code: str, op_id: str, **members: Any) -> str:
        """
        The text with which an opcode is refused, also as a dry run; nothing is changed.
        """
        for dry_run in (True, False):
            job = MemoryJobContext(self.config, self.world)
            op = parse({"OP_ID": op_id, "dry_run": dry_run, **members})
            error = self.assertRaises(OpPrereqError, job.run, UNITS[op_id].body, op)
            self.assertEqual(error.args[1], code, error.args)
            self.assertIs(job.config_now, self.config)
        return str(error)

    def group(self, name: str) -> NodeGroup:
        """
        A group.
        """
        return self.config.groups.find(name)


class GroupTests(OpcodeTestCase):
    """
    Tests for the opcodes about groups.
    """

    def test_add(self) -> None:
        """
        A group has what it was given of its own, and inherits the rest.
        """
        policy = {
            "minmax": [{"min": RANGES, "max": {**RANGES, "memory-size": "2g", "disk-count": 4}}],
            "vcpu-ratio": 2,
        }
        self.done(
            "OP_GROUP_ADD",
            group_name="rack2",
            alloc_policy="last_resort",
            ndparams={"ssh_port": "2222"},
            diskparams={"ext": {"access": "userspace"}},
            ipolicy=policy,
        )
        group = self.group("rack2")
        self.assertEqual((group.alloc_policy, group.ndparams), ("last_resort", {"ssh_port": 2222}))
        self.assertEqual(group.diskparams, {"ext": {"access": "userspace"}})
        # The cluster's standard instance, which these ranges do not hold, is no matter of a group's.
        self.assertEqual(group.ipolicy["vcpu-ratio"], 2.0)
        self.assertEqual(group.ipolicy["minmax"][0]["max"]["memory-size"], 2048)

    def test_names(self) -> None:
        """
        A name that is taken or ill-formed is refused.
        """
        self.no("already_exists", "OP_GROUP_ADD", group_name="default")
        for name in ("a b", "-x", "a/b", "x" * 300, uuid(5), "a\nb"):
            self.no("wrong_input", "OP_GROUP_ADD", group_name=name)

    def test_rename(self) -> None:
        """
        A group keeps everything but its name; the name of another one is refused, its own is fine.
        """
        before = self.group("default")
        self.assertEqual(self.done("OP_GROUP_RENAME", group_name="default", new_name="rack1"), "rack1")
        self.assertEqual(self.group("rack1").uuid, before.uuid)
        self.done("OP_GROUP_ADD", group_name="rack2")
        self.no("already_exists", "OP_GROUP_RENAME", group_name="rack2", new_name="rack1")
        self.done("OP_GROUP_RENAME", group_name="rack2", new_name="rack2")
        self.no("unknown_entity", "OP_GROUP_RENAME", group_name="default", new_name="x")

    def test_remove(self) -> None:
        """
        A group with nodes, and the last one, stay.
        """
        self.assertIn("node1.example.com", self.no("wrong_state", "OP_GROUP_REMOVE", group_name="default"))
        self.done("OP_GROUP_ADD", group_name="rack2")
        self.done("OP_GROUP_ASSIGN_NODES", group_name="rack2", nodes=["node1"])
        self.done("OP_GROUP_REMOVE", group_name="default")
        self.done("OP_GROUP_ASSIGN_NODES", group_name="rack2", nodes=["node1"])
        self.assertIn("node1", self.no("wrong_state", "OP_GROUP_REMOVE", group_name="rack2"))

    def test_assign(self) -> None:
        """
        Nodes move with their instances, but not away from networks that these use.
        """
        self.done("OP_GROUP_ADD", group_name="rack2")
        self.done("OP_GROUP_ASSIGN_NODES", group_name="rack2", nodes=["node1.example.com"])
        self.assertEqual(self.config.nodes.find("node1").group, self.group("rack2").uuid)
        self.no("unknown_entity", "OP_GROUP_ASSIGN_NODES", group_name="rack2", nodes=["node9"])

    def test_modify(self) -> None:
        """
        A group's own values are set, and with C{default} inherited again; what was changed is told.
        """
        self.assertEqual(
            self.done(
                "OP_GROUP_SET_PARAMS",
                group_name="default",
                ndparams={"ssh_port": 23},
                alloc_policy="unallocable",
            ),
            [["ndparams", "{'ssh_port': 23}"]],
        )
        self.assertEqual(self.group("default").alloc_policy, "unallocable")
        self.done("OP_GROUP_SET_PARAMS", group_name="default", ndparams={"ssh_port": "default"})
        self.assertEqual(self.group("default").ndparams, {})
        self.done("OP_GROUP_SET_PARAMS", group_name="default", ipolicy={"vcpu-ratio": 3})
        self.done("OP_GROUP_SET_PARAMS", group_name="default", ipolicy={"vcpu-ratio": "default"})
        self.assertEqual(self.group("default").ipolicy, {})

    def test_modify_refused(self) -> None:
        """
        Nothing to change, and what cannot be, are refused.
        """
        self.no("wrong_input", "OP_GROUP_SET_PARAMS", group_name="default")
        wrongs: list[dict[str, Any]] = [
            {"ndparams": {"colour": 1}},
            {"diskparams": {"floppy": {}}},
            {"diskparams": {"ext": {"access": "x"}}},
            {"ipolicy": {"std": {"cpu-count": 1}}},
            {"ipolicy": {"disk-templates": ["plain"]}},
            {"hv_state": {"kvm": {}}},
        ]
        for members in wrongs:
            self.no("wrong_input", "OP_GROUP_SET_PARAMS", group_name="default", **members)


class TagTests(OpcodeTestCase):
    """
    Tests for the opcodes about tags.
    """

    def test_every_kind(self) -> None:
        """
        Each kind of object can have tags, and is found by them under its path.
        """
        self.done("OP_NETWORK_ADD", network_name="net1", network="198.51.100.0/24")
        objects = {
            "cluster": None,
            "node": "node1",
            "nodegroup": "default",
            "instance": "web",
            "network": "net1",
        }
        for kind, name in objects.items():
            self.done("OP_TAGS_SET", kind=kind, name=name, tags=["b:1", "a"])
            self.done("OP_TAGS_SET", kind=kind, name=name, tags=["a"])
            self.assertEqual(self.done("OP_TAGS_GET", kind=kind, name=name), ["a", "b:1"])
            self.assertEqual(self.done("OP_TAGS_GET", kind=kind, name=name, use_locking=True), ["a", "b:1"])
        self.assertEqual(
            self.done("OP_TAGS_SEARCH", pattern="^b"),
            [
                ["/cluster", "b:1"],
                [f"/instances/{NAME}", "b:1"],
                ["/nodes/node1.example.com", "b:1"],
                ["/nodegroup/default", "b:1"],
                ["/network/net1", "b:1"],
            ],
        )
        for kind, name in objects.items():
            self.done("OP_TAGS_DEL", kind=kind, name=name, tags=["a"])
            self.assertEqual(self.done("OP_TAGS_GET", kind=kind, name=name), ["b:1"])

    def test_refused(self) -> None:
        """
        Ill-formed tags, tags that are not there, too many, and objects that do not exist are refused.
        """
        for tag in ("", "a b", "x" * 129, "ü;"):
            self.no("wrong_input", "OP_TAGS_SET", kind="cluster", tags=[tag])
        self.no("unknown_entity", "OP_TAGS_DEL", kind="cluster", tags=["nope"])
        self.no("unknown_entity", "OP_TAGS_SET", kind="node", name="node9", tags=["a"])
        self.no("wrong_input", "OP_TAGS_SET", kind="node", tags=["a"])
        self.no("wrong_input", "OP_TAGS_SEARCH", pattern="(")
        self.no(
            "wrong_input", "OP_TAGS_SET", kind="cluster", tags=[f"t{each}" for each in range(MAX_TAGS + 1)]
        )
