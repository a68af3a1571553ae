"""
Tests for L{gnttwist.units.group_evacuate} and L{gnttwist.units.group_change}.
"""

import json
from collections import Counter
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.defaults import INSTANCE_POLICY
from gnttwist.errors import ECode, OpExecError, OpPrereqError
from gnttwist.model.objects import Disk, Instance, Network, Nic, NodeGroup
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.table import UNITS
from tests.units.test_iallocation import AllocatorWorld
from tests.units.world import cluster_of, uuid

EVACUATE = "OP_GROUP_EVACUATE"
RACK2, RACK3 = NodeGroup(uuid=uuid(0xB), name="rack2"), NodeGroup(uuid=uuid(0xD), name="rack3")
GROUPS = [RACK2, RACK2, RACK3]
LAN = Network(uuid=uuid(0xE), name="lan", network="192.0.2.0/24")


class EvacuateTestCase(SynchronousTestCase):
    """
    Five nodes of 4096 MiB: the first two in the group that is left, two in rack2, one in rack3.
    """

    def setUp(self) -> None:
        self.world = AllocatorWorld()
        config = cluster_of(5, default_iallocator="hail")
        self.config = config.with_objects(
            [
                RACK2,
                RACK3,
                LAN,
                *(
                    msgspec.structs.replace(config.nodes[uuid(number)], group=group.uuid)
                    for number, group in enumerate(GROUPS, 3)
                ),
            ]
        )

    def change(self, *objects: Any) -> None:
        """
        The configuration gets other objects.
        """
        self.config = self.config.with_objects(objects)

    def add(self, *names: str, memory: int = 1024, **members: Any) -> None:
        """
        Instances of the group, one after the other on its nodes.
        """
        for index, name in enumerate(names):
            usual: dict[str, Any] = {"os": "noop", "hypervisor": "fake", "admin_state": "up"}
            usual["nics"] = [Nic(uuid=uuid(0x200), mac="aa:00:00:00:00:01")]
            usual |= {"primary_node": uuid(1 + index % 2), "beparams": {"maxmem": memory, "minmem": memory}}
            number = 0x100 + len(self.config.instances)
            self.change(Instance(uuid=uuid(number), name=name, **{**usual, **members}))

    def ran(self, **members: Any) -> MemoryJobContext:
        """
        A job that evacuates.
        """
        job = MemoryJobContext(self.config, self.world)
        op = parse({"OP_ID": EVACUATE, "group_name": "default", **members})
        self.result = job.run(UNITS[EVACUATE].body, op)
        return job

    def refused(self, code: str = ECode.INVAL, **members: Any) -> str:
        """
        The text with which it is refused; nothing is submitted.
        """
        job = MemoryJobContext(self.config, self.world)
        op = parse({"OP_ID": EVACUATE, "group_name": "default", **members})
        error = self.assertRaises(OpPrereqError, job.run, UNITS[EVACUATE].body, op)
        self.assertEqual((error.args[1], job.submitted), (code, []), error.args)
        return str(error)


class GroupEvacuateTests(EvacuateTestCase):
    """
    Tests for what the built-in allocator does, and how jobs are submitted.
    """

    def targets(self, **members: Any) -> dict[str, int]:
        """
        By numbers of nodes, how many instances go there.
        """
        ops = [op for [op] in self.ran(**members).submitted]
        return dict(Counter(each["target_node"].removesuffix(".example.com") for each in ops))

    def test_spread(self) -> None:
        """
        Each instance has a job, and counts where it goes before the next one is placed.
        """
        self.add("a", "b", "c", "d", "e", "f")
        self.assertEqual(self.targets(), {"node3": 2, "node4": 2, "node5": 2})
        self.assertEqual(self.result, {"jobs": [[True, each] for each in range(100, 106)]})

    def test_largest_first(self) -> None:
        """
        All find room where they would not if the small ones came first.
        """
        self.add("a", "b", memory=1024)
        self.add("large", memory=4096)
        self.add("larger", "largest", memory=3072)
        job = self.ran()
        self.assertEqual(job.submitted[0][0]["instance_name"], "large")
        self.assertEqual(len(job.submitted), 5)

    def test_named(self) -> None:
        """
        Only groups that are named get instances, also those that take none by themselves.
        """
        self.add("a", "b")
        self.change(msgspec.structs.replace(RACK3, alloc_policy="unallocable"))
        self.assertEqual(self.targets(), {"node3": 1, "node4": 1})
        self.assertEqual(self.targets(target_groups=["rack3"]), {"node5": 2})
        self.change(msgspec.structs.replace(RACK2, alloc_policy="unallocable"))
        self.assertIn("no group", self.refused())

    def test_last_resort(self) -> None:
        """
        A group that is the last resort gets what fits in no other.
        """
        self.add("a", "b", "c", memory=3000)
        self.change(msgspec.structs.replace(RACK3, alloc_policy="last_resort"))
        self.assertEqual(self.targets(), {"node3": 1, "node4": 1, "node5": 1})

    def test_how(self) -> None:
        """
        Guests migrate or fail over; they fail over if that is asked for, or their node is offline.
        """
        self.add("a", "b")
        [[first], [second]] = self.ran().submitted
        self.assertEqual((first["OP_ID"], first["allow_failover"]), ("OP_INSTANCE_MIGRATE", True))
        self.assertEqual((first["depends"], second["depends"]), (None, None))
        self.change(msgspec.structs.replace(self.config.nodes[uuid(2)], offline=True))
        ops = [op["OP_ID"] for [op] in self.ran().submitted]
        self.assertEqual(ops, ["OP_INSTANCE_MIGRATE", "OP_INSTANCE_FAILOVER"])
        [[first], [second]] = self.ran(force_failover=True, sequential=True).submitted
        self.assertEqual({first["OP_ID"], second["OP_ID"]}, {"OP_INSTANCE_FAILOVER"})
        self.assertEqual((first["depends"], second["depends"]), (None, [[-1, ["error", "success"]]]))

    def test_nothing(self) -> None:
        """
        A dry run checks and submits nothing; nor is anything to be done for an empty group.
        """
        self.ran()
        self.assertEqual(self.result, {"jobs": []})
        self.add("a")
        job = self.ran(dry_run=True)
        self.assertEqual((self.result, job.submitted), ({"jobs": []}, []))
        self.assertIn("a goes to node node3.example.com", " ".join(job.lines))

    def test_all_or_none(self) -> None:
        """
        Where one has no room, is not allowed or has networks that are not there, none goes, and why is told.
        """
        self.add("a")
        self.add("b", memory=5000)
        self.assertIn("b: Not enough resources", self.refused(ECode.NORES))
        self.setUp()
        self.add("a")
        bounds = {each: {"memory-size": 2048} for each in ("min", "max")}
        strict = {**INSTANCE_POLICY, "minmax": [bounds]}
        self.change(msgspec.structs.replace(RACK2, ipolicy=strict))
        self.assertEqual(self.targets(), {"node5": 1})
        self.assertIn("policy of group rack2", self.refused(ECode.NORES, target_groups=["rack2"]))
        self.setUp()
        self.add("a", nics=[Nic(uuid=uuid(0xF), mac="aa:00:00:00:00:01", network=LAN.uuid)])
        self.assertIn("not connected to network lan", self.refused(ECode.NORES))
        self.change(msgspec.structs.replace(RACK2, networks={LAN.uuid: {}}))
        self.assertEqual(self.targets(), {"node3": 1})

    def test_refused(self) -> None:
        """
        Groups that are not there, the group itself, disks of one node, and groups without usable nodes.
        """
        self.add("a")
        self.refused(ECode.NOENT, group_name="nope")
        self.refused(ECode.NOENT, target_groups=["nope"])
        self.assertIn("the one to be evacuated", self.refused(target_groups=["rack2", "default"]))
        self.change(msgspec.structs.replace(self.config.nodes[uuid(5)], drained=True))
        self.assertIn("No node of group rack3", self.refused(ECode.NORES, target_groups=["rack3"]))
        disk = Disk(uuid=uuid(0x99), dev_type="file", size=1024, logical_id=["loop", "/x"], nodes=[uuid(1)])
        self.change(disk)
        self.add("b", disks=[disk.uuid])
        self.assertIn("alone: b", self.refused(ECode.STATE))
        self.config = self.config.with_object(
            msgspec.structs.replace(self.config.cluster, default_iallocator="")
        )
        self.assertIn("iallocator", self.refused())


class ProgramTests(EvacuateTestCase):
    """
    Tests for allocators that are programs.
    """

    def answered(self, answer: Any, **members: Any) -> MemoryJobContext:
        """
        The job, when the program answers so.
        """
        self.world.answer = json.dumps(answer)
        return self.ran(iallocator="dice", **members)

    def moves(self, *moves: dict[str, Any], failed: Any = ()) -> dict[str, Any]:
        """
        An answer.
        """
        usual = {"OP_ID": "OP_INSTANCE_MIGRATE", "instance_name": "a", "target_node": "node5.example.com"}
        jobs = [[{**usual, **each}] for each in moves]
        return {
            "success": True,
            "info": "",
            "result": [[["a", RACK3.uuid, ["node5.example.com"]]], list(failed), jobs],
        }

    def test_program(self) -> None:
        """
        It is asked about the instances and the groups, and its moves are submitted.
        """
        self.add("a")
        job = self.answered(self.moves({"allow_failover": True}), target_groups=["rack3"])
        asked = {"type": "change-group", "instances": ["a"], "target_groups": [RACK3.uuid]}
        self.assertEqual(self.world.asked["request"], asked)
        [[op]] = job.submitted
        self.assertEqual((op["instance_name"], op["target_node"]), ("a", "node5.example.com"))

    def test_hail(self) -> None:
        """
        What Ganeti's hail 3.0.2 answers is understood; it calls the group by its name.
        """
        self.add("a")
        move = {
            "OP_ID": "OP_INSTANCE_MIGRATE",
            "instance_name": "a",
            "target_node": "node3.example.com",
            "allow_runtime_changes": False,
            "ignore_ipolicy": False,
            "cleanup": False,
            "allow_failover": True,
            "ignore_hvversions": True,
        }
        info = "Request successful: 0 instances failed to move and 1 were moved successfully"
        result = [[["a", "rack2", ["node3.example.com"]]], [], [[move]]]
        job = self.answered({"success": True, "info": info, "result": result})
        self.assertIn("Instance a goes to group rack2, node node3.example.com", job.lines)
        [[op]] = job.submitted
        self.assertEqual({name: op[name] for name in move}, move)

    def test_program_refuses(self) -> None:
        """
        What it says of no instance, cannot do, or was not asked for leads to nothing.
        """
        self.add("a", "b")
        for answer, code in (
            ({"success": False, "info": "no dice", "result": []}, ECode.NORES),
            (self.moves({}, failed=[["b", "too large"]]), ECode.NORES),
            (self.moves({}), ECode.NORES),
            (self.moves({}, {"instance_name": "c"}), ECode.FAULT),
            (self.moves({}, {"instance_name": "b", "target_node": "node1.example.com"}), ECode.FAULT),
            (self.moves({}, {"instance_name": "b", "target_node": None}), ECode.FAULT),
            (self.moves({}, {"OP_ID": "OP_INSTANCE_REMOVE", "target_node": None}), ECode.FAULT),
            (self.moves({}, {"OP_ID": "OP_NO"}), ECode.FAULT),
        ):
            self.world.answer = json.dumps(answer)
            self.refused(code, iallocator="dice")
        self.assertRaises(OpExecError, self.answered, {"success": True, "info": "", "result": [1, 2]})
