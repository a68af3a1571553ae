"""
Tests for L{gnttwist.units.spreading}, L{gnttwist.units.iallocation} and L{gnttwist.units.allocator_test}.
"""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import OpExecError, OpPrereqError
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.allocator_test import show
from gnttwist.units.create import create
from gnttwist.units.spreading import Need, Room, best, lack, less
from tests.units.one_instance import CREATE
from tests.units.world import World, cluster_of

SIZES = st.integers(0, 100_000)
ROOMS = st.lists(
    st.builds(
        Room,
        st.text("abc", min_size=1, max_size=4),
        memory_total=SIZES,
        memory_free=SIZES,
        disk_total=SIZES,
        disk_free=SIZES,
        cpus=st.integers(0, 64),
        vcpus=st.integers(0, 500),
    ),
    unique_by=lambda each: each.name,
    max_size=8,
)
NEEDS = st.builds(Need, SIZES, SIZES, st.integers(0, 64))


class SpreadingTests(SynchronousTestCase):
    """
    Tests for the built-in allocator's rule.
    """

    @given(ROOMS, NEEDS)
    def test_fits(self, rooms: list[Room], need: Need) -> None:
        """
        What is chosen has the space, and something is chosen if any has.
        """
        found = best(rooms, need)
        fitting = [each for each in rooms if not lack(each, need)]
        self.assertEqual(found is None, not fitting)
        self.assertTrue(found is None or found in fitting)

    @given(ROOMS, NEEDS, st.randoms(use_true_random=False))
    def test_deterministic(self, rooms: list[Room], need: Need, random: Any) -> None:
        """
        The order in which nodes are named does not matter.
        """
        mixed = list(rooms)
        random.shuffle(mixed)
        self.assertEqual(best(rooms, need), best(mixed, need))

    @given(st.integers(2, 6), st.integers(1, 4), st.builds(Need, st.integers(1, 64), st.integers(1, 64)))
    def test_spreads(self, nodes: int, rounds: int, need: Need) -> None:
        """
        Equal instances on equal nodes are as many on each.
        """
        rooms = [Room(str(each), 4096, 4096, 4096, 4096, 8) for each in range(nodes)]
        count = dict.fromkeys((each.name for each in rooms), 0)
        for _ in range(nodes * rounds):
            found = best(rooms, need)
            assert found is not None
            count[found.name] += 1
            rooms = [less(each, need) if each is found else each for each in rooms]
        self.assertEqual(set(count.values()), {rounds})

    def test_each_resource(self) -> None:
        """
        Whichever of the three is scarce on a node, the other node is taken.
        """
        roomy = Room("b", 1000, 800, 1000, 800, 8, 0)
        for scarce in (
            Room("a", 1000, 200, 1000, 800, 8, 0),
            Room("a", 1000, 800, 1000, 200, 8, 0),
            Room("a", 1000, 800, 1000, 800, 8, 16),
        ):
            self.assertEqual(best([scarce, roomy], Need(100, 100, 1)), roomy)


class AllocatorWorld(World):
    """
    Nodes, and an allocator on the master.

    @ivar answer: What it prints.
    @ivar asked: What it was asked.
    """

    answer = ""
    asked: Any = None

    def _iallocator_runner(self, state: Any, name: str, text: str, parameters: Any) -> str:
        super()._iallocator_runner(state, name, text, parameters)
        self.asked = json.loads(text)
        return self.answer


class ExternalTests(SynchronousTestCase):
    """
    Tests for allocators that are programs.
    """

    def setUp(self) -> None:
        self.world = AllocatorWorld()

    def placed(self, answer: Any, allocator: str = "dice", **members: Any) -> list[str]:
        """
        Where an instance goes when the allocator answers so.
        """
        self.world.answer = answer if isinstance(answer, str) else json.dumps(answer)
        job = MemoryJobContext(cluster_of(3), self.world)
        found: list[str] = job.run(create, parse({**CREATE, "iallocator": allocator, **members}))
        return found

    def test_chooses(self) -> None:
        """
        The instance goes where the program says, which sees the request and the whole cluster.
        """
        answer = {"success": True, "info": "", "result": ["node3.example.com"]}
        self.assertEqual(self.placed(answer), ["node3.example.com"])
        request = self.world.asked["request"]
        self.assertEqual((request["type"], request["disk_space_total"]), ("allocate", 3072))
        self.assertEqual(set(self.world.asked["nodes"]), {f"node{each}.example.com" for each in (1, 2, 3)})
        self.assertEqual(self.world.asked["nodes"]["node1.example.com"]["free_disk"], 10_000)

    def test_refuses(self) -> None:
        """
        No node, one that may not be used, one that is too small and a program that is not there are refusals.
        """
        self.world.node(2).memory_free = 1
        for answer, code in (
            ({"success": False, "info": "no dice", "result": []}, "insufficient_resources"),
            ({"success": True, "info": "", "result": ["node9.example.com"]}, "internal_error"),
            ({"success": True, "info": "", "result": ["node2.example.com"]}, "insufficient_resources"),
        ):
            error = self.assertRaises(OpPrereqError, self.placed, answer)
            self.assertEqual(error.args[1], code, error.args)
        error = self.assertRaises(OpPrereqError, self.placed, "", "coin")
        self.assertIn("There is no allocator coin", str(error))

    def test_nonsense(self) -> None:
        """
        An answer that cannot be read fails the job.
        """
        for answer in ("", "[]", "{", {"success": True}, {"success": True, "info": "", "result": 7}):
            self.assertRaises(OpExecError, self.placed, answer)
        self.assertEqual(self.world.node().disks, {})

    def show(self, **members: Any) -> Any:
        """
        What is asked, or answered.
        """
        usual = {
            "OP_ID": "OP_TEST_ALLOCATOR",
            "direction": "in",
            "mode": "allocate",
            "name": "new",
            "memory": 128,
        }
        job = MemoryJobContext(cluster_of(3), self.world)
        return json.loads(job.run(show, parse({**usual, **members})))

    def test_shown(self) -> None:
        """
        OP_TEST_ALLOCATOR shows the request, and the built-in allocator's answer.
        """
        self.assertEqual(self.show()["request"]["name"], "new")
        self.world.node(2).memory_free = 9000
        answer = self.show(direction="out", iallocator=".")
        self.assertEqual((answer["success"], answer["result"]), (True, ["node2.example.com"]))
        many = self.show(direction="out", iallocator="hail", mode="multi-allocate", count=3, memory=4000)
        self.assertEqual(len(many["result"][0]), 3)

    def test_not_shown(self) -> None:
        """
        What cannot be asked is refused.
        """
        for members in (
            {"direction": "out"},
            {"direction": "out", "iallocator": ".", "mode": "node-evacuate", "instances": []},
            {"mode": "allocate-secondary"},
            {"disks": [{"size": "1g", "mode": "rw"}]},
            {"mode": "relocate", "name": "nobody"},
        ):
            self.assertRaises(OpPrereqError, self.show, **members)
