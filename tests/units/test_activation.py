"""
Tests for L{gnttwist.units.activation}.
"""

from gnttwist.errors import FunctionFailed
from gnttwist.testing.context import MemoryJobContext
from tests.units.one_instance import InstanceTestCase


class ActivationTests(InstanceTestCase):
    """
    Tests for activating and deactivating disks.
    """

    up = False

    def agree(self, job: MemoryJobContext) -> None:
        """
        Disks are usable where the configuration says that they should be.
        """
        active = self.instance(job).disks_active
        self.assertEqual(len(self.world.node().linked), 2 if active else 0)

    def test_activate(self) -> None:
        """
        The disks are usable, and the result tells where each is.
        """
        result, job = self.ran("OP_INSTANCE_ACTIVATE_DISKS")
        paths = [each.logical_id[1] for each in job.config_now.disks_of(self.instance(job))]
        self.assertEqual(
            result, [["node1.example.com", f"disk/{index}", path] for index, path in enumerate(paths)]
        )
        self.assertTrue(self.instance(job).disks_active)
        self.agree(job)
        self.assertEqual(self.ran("OP_INSTANCE_ACTIVATE_DISKS")[0], result)

    def test_deactivate(self) -> None:
        """
        The disks are no longer usable, however often that is asked for.
        """
        self.ran("OP_INSTANCE_ACTIVATE_DISKS")
        for _ in range(2):
            _, job = self.ran("OP_INSTANCE_DEACTIVATE_DISKS")
            self.agree(job)
            self.assertFalse(self.instance(job).disks_active)

    def test_interrupted(self) -> None:
        """
        Wherever activating is cancelled, or whatever fails, the disks are as the configuration says.
        """
        self.interrupted("OP_INSTANCE_ACTIVATE_DISKS", self.agree)
        self.failing_anywhere("OP_INSTANCE_ACTIVATE_DISKS", self.agree)

    def test_in_use(self) -> None:
        """
        Disks of an instance that runs stay usable, unless by force.
        """
        self.ran("OP_INSTANCE_STARTUP")
        self.assertIn("runs on node", self.refused("OP_INSTANCE_DEACTIVATE_DISKS", "wrong_state"))
        self.ran("OP_INSTANCE_DEACTIVATE_DISKS", force=True)

    def test_not_deactivated(self) -> None:
        """
        A disk that cannot be deactivated makes the job fail, and the configuration says what it said.
        """
        self.ran("OP_INSTANCE_ACTIVATE_DISKS")
        self.world.failing["blockdev_shutdown"] = lambda node: FunctionFailed("no luck")
        self.assertRaises(FunctionFailed, self.ran, "OP_INSTANCE_DEACTIVATE_DISKS")
        self.assertTrue(self.instance(self.job()).disks_active)

    def test_offline(self) -> None:
        """
        Nothing is done on a node that is offline.
        """
        self.offline()
        self.refused("OP_INSTANCE_ACTIVATE_DISKS", "wrong_state")
        self.refused("OP_INSTANCE_DEACTIVATE_DISKS", "wrong_state")
