"""
Tests for L{gnttwist.units.failover}.
"""

import msgspec

from gnttwist.errors import FunctionFailed, NodeError, NotAnswering, OpExecError
from gnttwist.model.objects import Network, Nic
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.failover import failover
from tests.units.one_instance import NAME, InstanceTestCase
from tests.units.shared_disks import SharedDisksTestCase
from tests.units.world import cluster_of, uuid

FAILOVER = "OP_INSTANCE_FAILOVER"


class FailoverTests(SharedDisksTestCase):
    """
    Tests for L{failover}.
    """

    def test_named(self) -> None:
        """
        It runs on the node that is named, and no longer where it was.
        """
        _, job = self.ran(FAILOVER, target_node="node3", shutdown_timeout=7)
        self.assertEqual(self.place(job), 3)
        [(_, [_, timeout, _])] = job.called("instance_shutdown")
        self.assertEqual(timeout, 7)

    def test_chosen(self) -> None:
        """
        Without a name, the node with the most room is chosen.
        """
        self.world.node(3).memory_free = 5000
        _, job = self.ran(FAILOVER, iallocator=".")
        self.assertEqual(self.place(job), 3)

    def test_nobody_answers(self) -> None:
        """
        Where no node tells what it has free, nothing is begun.
        """
        self.world.failing["node_info"] = lambda node: NotAnswering(f"Node {node} is silent")
        text = self.refused(FAILOVER, "environment_error", iallocator=".")
        self.assertIn("No node that could take the instance answers", text)

    def test_stopped(self) -> None:
        """
        An instance that is down only changes its node.
        """
        self.ran("OP_INSTANCE_SHUTDOWN")
        _, job = self.ran(FAILOVER, target_node="node2")
        self.assertEqual((self.instance(job).primary_node, job.called("instance_start")), (uuid(2), []))

    def test_dead_node(self) -> None:
        """
        From a node that does not answer it goes only if that is meant, or if the node is marked offline.
        """

        def silent(node: str) -> NodeError:
            return NotAnswering(f"Node {node} is silent")

        self.world.failing = {"instance_info": silent, "instance_shutdown": silent}
        error = self.assertRaises(OpExecError, self.ran, FAILOVER, target_node="node2")
        self.assertIn("ignore_consistency", str(error))
        _, job = self.ran(FAILOVER, target_node="node2", ignore_consistency=True)
        self.assertEqual(self.instance(job).primary_node, uuid(2))
        self.setUp()
        node = self.config.nodes[uuid(1)]
        self.config = self.config.with_object(msgspec.structs.replace(node, offline=True))
        _, job = self.ran(FAILOVER, target_node="node2")
        self.assertEqual(job.called("instance_shutdown"), [])
        self.assertEqual(list(self.world.node(2).guests), [NAME])

    def test_interrupted(self) -> None:
        """
        Wherever it is cancelled, it runs where it was.
        """

        def here(job: MemoryJobContext) -> None:
            self.assertEqual(self.place(job), 1)

        self.interrupted(FAILOVER, here, target_node="node2")

    def test_cannot_start(self) -> None:
        """
        If it cannot be started there, it goes back and runs again.
        """

        def answer(node: str, function: str, arguments: list[object]) -> object:
            if function == "instance_start" and node.startswith("node2"):
                raise FunctionFailed("no luck")
            return self.world(node, function, arguments)

        job = MemoryJobContext(self.config, answer)
        op = parse({"OP_ID": FAILOVER, "instance_name": NAME, "target_node": "node2"})
        self.assertRaises(FunctionFailed, job.run, failover, op)
        self.assertEqual(self.place(job), 1)

    def test_refusals(self) -> None:
        """
        Nodes that will not do, disks that are one node's alone, and groups that lack a network are refused.
        """
        self.assertIn("is on node", self.refused(FAILOVER, "wrong_state", target_node="node1"))
        self.refused(FAILOVER, "unknown_entity", target_node="node9")
        self.assertIn("name a node", self.refused(FAILOVER))
        self.refused(FAILOVER, cleanup=True)
        self.world.node(2).memory_free = 5
        self.refused(FAILOVER, "insufficient_resources", target_node="node2")
        [instance] = self.config.instances
        network = Network(uuid=uuid(0xB), name="net", network="192.0.2.0/24")
        nic = Nic(mac="aa:00:00:00:00:01", uuid=uuid(0xE), network=network.uuid)
        self.config = self.config.with_objects([network, msgspec.structs.replace(instance, nics=[nic])])
        self.assertIn("network net", self.refused(FAILOVER, "wrong_state", target_node="node3"))


class LocalDiskTests(InstanceTestCase):
    """
    An instance on a node's own disks.
    """

    def test_refused(self) -> None:
        """
        It cannot be elsewhere.
        """
        self.config = self.config.with_objects([cluster_of(2).nodes[uuid(2)]])
        self.assertIn("template file", self.refused(FAILOVER, target_node="node2"))
