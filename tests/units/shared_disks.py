"""
An instance that other nodes could run.
"""

from gnttwist.testing.context import MemoryJobContext
from tests.units.one_instance import NAME, InstanceTestCase
from tests.units.world import cluster_of, uuid


class SharedDisksTestCase(InstanceTestCase):
    """
    An instance on shared disks, on the first of three nodes.
    """

    created = {"disk_template": "sharedfile", "hypervisor": "fake"}

    def setUp(self) -> None:
        super().setUp()
        self.config = self.config.with_objects([each for each in cluster_of(3).nodes if each.uuid != uuid(1)])
        for number in (2, 3):
            # What is shared is on all.
            self.world.node(number).disks = self.world.node(1).disks
            self.world.node(number).name = f"node{number}.example.com"

    def place(self, job: MemoryJobContext) -> int:
        """
        Where it runs, which is where the configuration says, and only there its disks are in use.
        """
        found = [number for number in (1, 2, 3) if NAME in self.world.node(number).guests]
        instance = self.instance(job)
        self.assertEqual((instance.admin_state, found), ("up", [int(instance.primary_node[:8], 16)]))
        for number in (1, 2, 3):
            self.assertEqual(len(self.world.node(number).linked), 2 if number == found[0] else 0)
        self.assertEqual(
            [each.nodes for each in job.config_now.disks.values()], [[instance.primary_node]] * 2
        )
        return found[0]
