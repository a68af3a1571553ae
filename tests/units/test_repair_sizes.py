"""
Tests for L{gnttwist.units.repair_sizes}.
"""

from typing import Any

from gnttwist.errors import NotAnswering, OpPrereqError
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.table import UNITS
from tests.units.one_instance import NAME, InstanceTestCase

REPAIR = "OP_CLUSTER_REPAIR_DISK_SIZES"


class RepairSizesTests(InstanceTestCase):
    """
    Tests for writing down the sizes that disks have.
    """

    def repaired(self, **members: Any) -> tuple[list[Any], MemoryJobContext]:
        """
        What was corrected, and the job.
        """
        job = self.job()
        result: list[Any] = job.run(UNITS[REPAIR].body, parse({"OP_ID": REPAIR, **members}))
        return result, job

    def sizes(self, job: MemoryJobContext) -> list[int]:
        """
        The sizes that are written down.
        """
        [instance] = job.config_now.instances
        return [each.size for each in job.config_now.disks_of(instance)]

    def grown(self) -> None:
        """
        Let the second disk have another size than is written down.
        """
        [instance] = self.config.instances
        self.world.node().disks[self.config.disks_of(instance)[1].logical_id[1]] = 4096

    def test_right(self) -> None:
        """
        Sizes that are right stay.
        """
        result, job = self.repaired()
        self.assertEqual((result, self.sizes(job)), ([], [1024, 2048]))
        self.assertIs(job.config_now, self.config)

    def test_wrong(self) -> None:
        """
        A size that differs is written down and told, with all instances or the one that is named.
        """
        self.grown()
        for names in ([], [NAME], ["web"]):
            result, job = self.repaired(instances=names)
            self.assertEqual(result, [[NAME, 1, "size", 4096]])
            self.assertEqual(self.sizes(job), [1024, 4096])
            self.assertIn("has 4096 MiB, not 2048 MiB", job.lines[0])

    def test_dry_run(self) -> None:
        """
        A trial tells and changes nothing.
        """
        self.grown()
        result, job = self.repaired(dry_run=True)
        self.assertEqual((len(result), self.sizes(job)), (1, [1024, 2048]))

    def test_lost(self) -> None:
        """
        Of a disk that is gone, and of a node that is silent, a line is logged; sizes stay.
        """
        self.world.node().disks.clear()
        result, job = self.repaired()
        self.assertEqual((result, len(job.lines)), ([], 2))
        self.world.failing["blockdev_getdimensions"] = NotAnswering
        result, job = self.repaired()
        self.assertEqual((result, self.sizes(job)), ([], [1024, 2048]))
        self.assertIn("does not tell", job.lines[0])

    def test_offline(self) -> None:
        """
        A node that is offline is not asked.
        """
        self.offline()
        result, job = self.repaired()
        self.assertEqual((result, job.called("blockdev_getdimensions")), ([], []))

    def test_unknown(self) -> None:
        """
        An unknown instance is refused.
        """
        self.assertRaises(OpPrereqError, self.repaired, instances=["nosuch"])
