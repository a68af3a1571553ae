"""
Tests for L{gnttwist.units.verify_disks}.
"""

from typing import Any

from gnttwist.errors import NotAnswering
from gnttwist.model.opcodes import parse
from gnttwist.units.table import UNITS
from tests.units.one_instance import NAME, InstanceTestCase

GROUP = "OP_GROUP_VERIFY_DISKS"


class VerifyDisksTests(InstanceTestCase):
    """
    Tests for finding lost disks.
    """

    def found(self) -> list[Any]:
        """
        What is found in the only group.
        """
        job = self.job()
        result: list[Any] = job.run(UNITS[GROUP].body, parse({"OP_ID": GROUP, "group_name": "default"}))
        return result

    def test_there(self) -> None:
        """
        Nothing is wrong with disks that are there.
        """
        self.assertEqual(self.found(), [{}, [], {}])

    def test_lost(self) -> None:
        """
        A disk that should be usable and is gone is told with its place.
        """
        place = sorted(self.world.node().disks)[0]
        del self.world.node().disks[place]
        self.assertEqual(self.found(), [{}, [], {NAME: [["node1.example.com", place]]}])

    def test_silent(self) -> None:
        """
        A node that does not answer is told.
        """
        self.world.failing["blockdev_find"] = NotAnswering
        errors, _, lost = self.found()
        self.assertEqual((list(errors), lost), (["node1.example.com"], {}))

    def test_everywhere(self) -> None:
        """
        The whole cluster is a job for each group.
        """
        job = self.job()
        op = parse({"OP_ID": "OP_CLUSTER_VERIFY_DISKS"})
        result = job.run(UNITS["OP_CLUSTER_VERIFY_DISKS"].body, op)
        self.assertEqual(result, {"jobs": [[True, 100]]})
        self.assertEqual(job.submitted, [[{"OP_ID": GROUP, "group_name": "default"}]])
