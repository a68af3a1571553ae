"""
A cluster with one instance, for tests of what is done with one.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import (
    FunctionDied,
    FunctionFailed,
    JobCanceled,
    NodeError,
    NotAnswering,
    OperationError,
    OpPrereqError,
)
from gnttwist.model.objects import Instance
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import Answer, MemoryJobContext
from gnttwist.units.create import create
from gnttwist.units.table import UNITS
from tests.units.world import World, cluster_of, uuid

NAME = "web.example.com"
CREATE: dict[str, Any] = {
    "OP_ID": "OP_INSTANCE_CREATE",
    "instance_name": NAME,
    "mode": "create",
    "disks": [{"size": 1024}, {"size": 2048}],
    "nics": [],
    "os_type": "noop",
    "hypervisor": "kvm",
    "ignore_ipolicy": True,
}


class InstanceTestCase(SynchronousTestCase):
    """
    A cluster with one instance.

    @cvar up: Whether it runs.
    @cvar created: How it is made, other than usual.
    """

    up = True
    created: dict[str, Any] = {}

    def setUp(self) -> None:
        self.world = World()
        job = MemoryJobContext(cluster_of(1), self.world)
        job.run(create, parse({**CREATE, "start": self.up, **self.created}))
        self.config = job.config_now

    def job(self, **members: Any) -> MemoryJobContext:
        """
        A job in this cluster.
        """
        return MemoryJobContext(self.config, self.world, **members)

    def ran(self, op_id: str, **members: Any) -> tuple[Any, MemoryJobContext]:
        """
        The result of an opcode about the instance, and its job, whose changes the next one sees.
        """
        job = self.job()
        result = job.run(UNITS[op_id].body, parse({"OP_ID": op_id, "instance_name": NAME, **members}))
        self.config = job.config_now
        return result, job

    def refused(self, op_id: str, code: str = "wrong_input", **members: Any) -> str:
        """
        The text with which an opcode is refused; nothing is changed.
        """
        job = self.job()
        before = msgspec.json.encode([str(each) for each in self.world.nodes.values()])
        op = parse({"OP_ID": op_id, "instance_name": NAME, **members})
        error = self.assertRaises(OpPrereqError, job.run, UNITS[op_id].body, op)
        self.assertEqual(error.args[1], code, error.args)
        self.assertIs(job.config_now, self.config)
        self.assertEqual(msgspec.json.encode([str(each) for each in self.world.nodes.values()]), before)
        return str(error)

    def interrupted(self, op_id: str, check: Callable[[MemoryJobContext], None], **members: Any) -> None:
        """
        Cancel an opcode before and in the middle of every step, and hold what is then to C{check}; then repeat it
        to its end.
        """
        _, whole = self.ran(op_id, **members)
        for step, midway in product(range(len(whole.steps)), [False, True]):
            self.setUp()
            job = self.job(stop_at=step, midway=midway)
            op = parse({"OP_ID": op_id, "instance_name": NAME, **members})
            self.assertRaises(JobCanceled, job.run, UNITS[op_id].body, op)
            check(job)
            self.config = job.config_now
            self.ran(op_id, **members)

    def failing_anywhere(self, op_id: str, check: Callable[[MemoryJobContext], None], **members: Any) -> None:
        """
        Let each function that an opcode calls fail once, and once die after it has done its work; hold what is then
        to C{check}, and repeat the opcode.
        """
        _, whole = self.ran(op_id, **members)
        functions = dict.fromkeys(step[2] for step in whole.steps if step[0] == "call")
        for function, kind in product(functions, (FunctionFailed, FunctionDied)):
            self.setUp()
            job = MemoryJobContext(self.config, self.unlucky(function, kind))
            try:
                job.run(UNITS[op_id].body, parse({"OP_ID": op_id, "instance_name": NAME, **members}))
            except (OperationError, NodeError) as reason:
                self.assertIn("out of luck", str(reason))
                check(job)
            else:
                self.assertIn("out of luck", " ".join(job.lines))
            self.config = job.config_now
            self.ran(op_id, **members)

    def unlucky(self, function: str, kind: type[NodeError]) -> Answer:
        """
        Nodes on which the first call of a function fails; if it dies, that is after it has done its work.
        """
        left = [function]

        def answer(node: str, called: str, arguments: list[Any]) -> Any:
            if called not in left:
                return self.world(node, called, arguments)
            left.clear()
            if kind is FunctionDied:
                self.world(node, called, arguments)
            raise kind(f"Node {node} is out of luck")

        return answer

    def instance(self, job: MemoryJobContext) -> Instance:
        """
        The instance, after a job.
        """
        [found] = job.config_now.instances
        return found

    def assertAgree(self, config: Snapshot) -> None:
        """
        The instance is marked up if it runs, and then its disks are usable; and every disk that the configuration
        has is there, and no other.
        """
        node = self.world.node()
        for instance in config.instances:
            runs = instance.name in node.guests
            self.assertEqual(instance.admin_state, "up" if runs else "down")
            if runs:
                self.assertEqual(len(node.linked), len(instance.disks))
        self.assertEqual(set(node.disks), {each.logical_id[1] for each in config.disks.values()})
        self.assertEqual(set(config.disks), {disk for each in config.instances for disk in each.disks})

    def offline(self) -> None:
        """
        Mark the node offline, and let it not answer.
        """
        node = self.config.nodes[uuid(1)]
        self.config = self.config.with_object(msgspec.structs.replace(node, offline=True))
        for function in ("instance_info", "instance_shutdown", "blockdev_remove", "file_storage_dir_remove"):
            self.world.failing[function] = self.silent

    def silent(self, node: str) -> NodeError:
        """
        Why a node does not answer.
        """
        return NotAnswering(f"Node {node} is silent")
