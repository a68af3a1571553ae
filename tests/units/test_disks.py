"""
Tests for L{gnttwist.units.grow}, L{gnttwist.units.recreate} and L{gnttwist.units.disk_making}.
"""

import msgspec

from gnttwist.errors import FunctionDied, FunctionFailed
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.grow import grow
from tests.units.one_instance import NAME, InstanceTestCase
from tests.units.world import NodeState, cluster_of, uuid


class DisksTestCase(InstanceTestCase):
    """
    An instance of two disks.
    """

    def sizes(self, job: MemoryJobContext) -> list[int]:
        """
        The disks' sizes in the configuration, which are those on the node.
        """
        disks = job.config_now.disks_of(self.instance(job))
        self.assertEqual({each.logical_id[1]: each.size for each in disks}, self.world.node().disks)
        return [each.size for each in disks]


class GrowTests(DisksTestCase):
    """
    Tests for C{OP_INSTANCE_GROW_DISK}.
    """

    def grown(self, job: MemoryJobContext) -> None:
        """
        Node and configuration agree on a size, and the guest runs.
        """
        self.assertIn(self.sizes(job), ([1024, 2048], [1024, 2560]))
        self.assertAgree(job.config_now)

    def test_grows(self) -> None:
        """
        A disk grows by an amount, or to a size; first it is asked whether it can.
        """
        _, job = self.ran("OP_INSTANCE_GROW_DISK", disk=1, amount=512)
        self.assertEqual(self.sizes(job), [1024, 2560])
        dry, wet = [(each[1], each[2]) for _, each in job.called("blockdev_grow")][:2]
        self.assertEqual((dry, wet), ((512, True), (512, False)))
        _, job = self.ran("OP_INSTANCE_GROW_DISK", disk=0, amount=3000, absolute=True)
        self.assertEqual(self.sizes(job), [3000, 2560])
        _, job = self.ran("OP_INSTANCE_GROW_DISK", disk=0, amount=3000, absolute=True)
        self.assertEqual(job.called("blockdev_grow"), [])

    def test_guest(self) -> None:
        """
        A guest that runs is told; if it cannot be, that is told, and the disk has grown all the same.
        """
        _, job = self.ran("OP_INSTANCE_GROW_DISK", disk=1, amount=512)
        [(_, [members, _, size])] = job.called("resize_disk")
        self.assertEqual((members["name"], size), (NAME, 2560 << 20))
        self.world.failing["resize_disk"] = lambda node: FunctionFailed("no luck")
        _, job = self.ran("OP_INSTANCE_GROW_DISK", disk=1, amount=512)
        self.assertEqual(self.sizes(job), [1024, 3072])
        self.assertIn("no luck", job.lines[-1])

    def test_stopped(self) -> None:
        """
        Disks of an instance that does not run are given back afterwards.
        """
        self.ran("OP_INSTANCE_SHUTDOWN")
        self.ran("OP_INSTANCE_GROW_DISK", disk=1, amount=512)
        self.assertEqual(self.world.node().linked, set())

    def test_undone(self) -> None:
        """
        Wherever it is cancelled and whatever fails, the configuration has the size that the disk has.
        """
        self.interrupted("OP_INSTANCE_GROW_DISK", self.grown, disk=1, amount=2560, absolute=True)
        self.failing_anywhere("OP_INSTANCE_GROW_DISK", self.grown, disk=1, amount=2560, absolute=True)

    def test_died_after(self) -> None:
        """
        A disk that has grown although its call died keeps its size, and the configuration gets it.
        """

        def dies(node: str) -> FunctionDied:
            state = self.world.node()
            state.disks = {path: 2560 if size == 2048 else size for path, size in state.disks.items()}
            return FunctionDied(f"{node} died")

        calls = 0

        def answer(node: str, function: str, arguments: list[object]) -> object:
            nonlocal calls
            if function == "blockdev_grow":
                calls += 1
                if calls == 2:
                    raise dies(node)
            return self.world(node, function, arguments)

        job = MemoryJobContext(self.config, answer)
        op = parse({"OP_ID": "OP_INSTANCE_GROW_DISK", "instance_name": "web", "disk": 1, "amount": 512})
        self.assertRaises(FunctionDied, job.run, grow, op)
        self.assertEqual(self.sizes(job), [1024, 2560])

    def test_wiped(self) -> None:
        """
        Where the cluster wants that, what is new is overwritten, in pieces.
        """
        cluster = msgspec.structs.replace(self.config.cluster, prealloc_wipe_disks=True)
        self.config = self.config.with_object(cluster)
        _, job = self.ran("OP_INSTANCE_GROW_DISK", disk=1, amount=512)
        pieces = [(each[1], each[2]) for _, each in job.called("blockdev_wipe")]
        self.assertEqual(pieces, [(2048, 256), (2304, 256)])

    def test_refusals(self) -> None:
        """
        A disk that is not there, one that would shrink, too little space, and what the policy forbids are refused.
        """
        self.assertIn("0 to 1", self.refused("OP_INSTANCE_GROW_DISK", disk=2, amount=1))
        self.refused("OP_INSTANCE_GROW_DISK", "wrong_state", disk=1, amount=2000, absolute=True)
        text = self.refused("OP_INSTANCE_GROW_DISK", "insufficient_resources", disk=1, amount=9000)
        self.assertIn("free 6928 MiB", text)
        self.assertIn("disk-size/1", self.refused("OP_INSTANCE_GROW_DISK", disk=1, amount=1 << 20))
        self.offline()
        self.refused("OP_INSTANCE_GROW_DISK", "wrong_state", disk=1, amount=1)

    def test_dry_run(self) -> None:
        """
        A dry run asks the node whether the disk can grow.
        """
        _, job = self.ran("OP_INSTANCE_GROW_DISK", disk=1, amount=512, dry_run=True)
        self.assertEqual([each[2] for _, each in job.called("blockdev_grow")], [True])
        self.assertEqual(self.sizes(job), [1024, 2048])


class RecreateTests(DisksTestCase):
    """
    Tests for C{OP_INSTANCE_RECREATE_DISKS}.
    """

    up = False

    def setUp(self) -> None:
        super().setUp()
        self.world.node().disks.clear()

    def test_all(self) -> None:
        """
        All lost disks are made anew.
        """
        _, job = self.ran("OP_INSTANCE_RECREATE_DISKS")
        self.assertEqual(self.sizes(job), [1024, 2048])

    def test_some(self) -> None:
        """
        Single ones can be named, and be given another size or mode.
        """
        self.ran("OP_INSTANCE_RECREATE_DISKS", disks=[0])
        _, job = self.ran("OP_INSTANCE_RECREATE_DISKS", disks=[[1, {"size": "3g", "mode": "ro"}]])
        self.assertEqual(self.sizes(job), [1024, 3072])
        self.assertEqual(job.config_now.disks_of(self.instance(job))[1].mode, "ro")

    def test_elsewhere(self) -> None:
        """
        On another node, which the instance belongs to from then on, also if the old one is gone.
        """
        self.config = self.config.with_objects([cluster_of(2).nodes[uuid(2)]])
        self.offline()
        _, job = self.ran("OP_INSTANCE_RECREATE_DISKS", nodes=["node2"])
        self.assertEqual(self.instance(job).primary_node, uuid(2))
        self.assertEqual(len(self.world.node(2).disks), 2)
        self.assertEqual([each.nodes for each in job.config_now.disks.values()], [[uuid(2)]] * 2)
        self.refused("OP_INSTANCE_RECREATE_DISKS", "wrong_state", nodes=["node1"])

    def test_undone(self) -> None:
        """
        Wherever it is cancelled and whatever fails, nothing was made.
        """

        def nothing(job: MemoryJobContext) -> None:
            self.assertEqual(self.world.node(), NodeState(installed=self.world.node().installed))

        op = "OP_INSTANCE_RECREATE_DISKS"
        self.interrupted(op, nothing)
        self.setUp()
        self.failing_anywhere(op, nothing)

    def test_refusals(self) -> None:
        """
        Disks that are there, that never were, or that are in use, and values that cannot be, are refused.
        """
        op = "OP_INSTANCE_RECREATE_DISKS"
        self.assertIn("no disk 2", self.refused(op, disks=[2]))
        self.assertIn("colour", self.refused(op, disks=[[0, {"colour": "red"}]]))
        self.assertIn("mode", self.refused(op, disks=[[0, {"mode": "x"}]]))
        self.assertIn("size", self.refused(op, disks=[[0, {"size": 0}]]))
        self.refused(op, "insufficient_resources", disks=[[0, {"size": "1t"}]])
        self.refused(op, iallocator="hail")
        self.refused(op, nodes=["node1", "node2"])
        self.world.failing["blockdev_find"] = lambda node: FunctionFailed("no luck")
        self.refused(op, "environment_error")
        self.world.failing.clear()
        self.ran(op)
        self.assertIn("not lost", self.refused(op, "wrong_state", disks=[0]))
        self.ran("OP_INSTANCE_STARTUP")
        self.refused(op, "wrong_state", disks=[0])
