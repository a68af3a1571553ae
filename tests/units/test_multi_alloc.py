"""
Tests for L{gnttwist.units.multi_alloc}.
"""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import OpPrereqError
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.multi_alloc import multi_alloc
from tests.units.world import World, cluster_of


class MultiAllocTests(SynchronousTestCase):
    """
    Three nodes of 4096 MiB.
    """

    def setUp(self) -> None:
        self.world = World()

    def allocated(self, *instances: dict[str, Any], **members: Any) -> tuple[Any, MemoryJobContext]:
        """
        The result, and the job.
        """
        job = MemoryJobContext(cluster_of(3), self.world)
        usual = {"mode": "create", "disk_template": "diskless", "disks": [], "nics": [{}], "os_type": "noop"}
        wanted = [{**usual, "hypervisor": "fake", **each} for each in instances]
        op = parse({"OP_ID": "OP_INSTANCE_MULTI_ALLOC", "instances": wanted, "iallocator": ".", **members})
        return job.run(multi_alloc, op), job

    def test_spread(self) -> None:
        """
        Instances are placed as if those before them were there; each has a job.
        """
        large = {"beparams": {"memory": 3000}}
        result, job = self.allocated(*({"instance_name": name, **large} for name in "abcd"))
        self.assertEqual((result["allocatable"], result["failed"]), (["a", "b", "c"], ["d"]))
        self.assertEqual(len(result["jobs"]), 3)
        self.assertEqual(
            sorted(op["pnode"] for [op] in job.submitted), [f"node{n}.example.com" for n in (1, 2, 3)]
        )

    def test_named(self) -> None:
        """
        One that names its node gets it.
        """
        _, job = self.allocated({"instance_name": "a", "pnode": "node3"})
        self.assertEqual(job.submitted[0][0]["pnode"], "node3.example.com")

    def test_dry_run(self) -> None:
        """
        A dry run tells where they would fit and submits nothing.
        """
        result, job = self.allocated({"instance_name": "a"}, dry_run=True)
        self.assertEqual((result, job.submitted), ({"jobs": [], "allocatable": ["a"], "failed": []}, []))

    def test_refusals(self) -> None:
        """
        What cannot be is refused for the whole, naming which one.
        """
        for words, instances in (
            ("made twice", [{"instance_name": "a"}, {"instance_name": "A"}]),
            ("one allocator", [{"instance_name": "a", "iallocator": "hail"}]),
            ("instances[1]", [{"instance_name": "a"}, {"instance_name": "b", "colour": "red"}]),
            ("secret", [{"instance_name": "a", "osparams_secret": {"k": "hunter2"}}]),
        ):
            error = self.assertRaises(OpPrereqError, self.allocated, *instances)
            self.assertIn(words, str(error))
            self.assertNotIn("hunter2", str(error))

    def test_others(self) -> None:
        """
        Nothing but instances is made so.
        """
        delay = {"OP_ID": "OP_TEST_DELAY", "duration": 1.0}
        job = MemoryJobContext(cluster_of(3), self.world)
        op = parse({"OP_ID": "OP_INSTANCE_MULTI_ALLOC", "instances": [delay]})
        self.assertIn(
            "only OP_INSTANCE_CREATE", str(self.assertRaises(OpPrereqError, job.run, multi_alloc, op))
        )
