"""
Tests for L{gnttwist.units.conversion}: disks that get another template.
"""

from itertools import product
from typing import Any

import msgspec

from gnttwist.errors import FunctionDied, FunctionFailed, JobCanceled, NodeError
from gnttwist.model.objects import Disk
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.modify import modify
from tests.units.one_instance import NAME, InstanceTestCase

MODIFY = "OP_INSTANCE_SET_PARAMS"
CONVERT = {"OP_ID": MODIFY, "instance_name": NAME, "disk_template": "sharedfile", "beparams": {"vcpus": 2}}


class ConversionTests(InstanceTestCase):
    """
    Tests for a stopped instance with two disks.
    """

    up = False
    created = {"hypervisor": "fake", "disks": [{"size": 1024, "name": "root"}, {"size": 2048, "mode": "ro"}]}

    def disks(self) -> list[Disk]:
        """
        The instance's disks, by the configuration.
        """
        [instance] = self.config.instances
        return self.config.disks_of(instance)

    def refused_as(self, words: str, code: str = "wrong_input", **members: Any) -> None:
        """
        The opcode is refused with these words.
        """
        self.assertIn(words, self.refused(MODIFY, code, **members))

    def whole(self, job: MemoryJobContext) -> None:
        """
        All is as before, or all is converted; on the node are the disks that the configuration has, and no others.
        """
        self.assertAgree(job.config_now)
        config, instance = job.config_now, self.instance(job)
        templates = [each.dev_type for each in config.disks_of(instance)]
        self.assertIn(templates, (["file"] * 2, ["sharedfile"] * 2))
        done = templates[0] == "sharedfile"
        self.assertEqual(instance.beparams, {"vcpus": 2} if done else {})
        paths = {each.logical_id[1] for each in config.disks_of(instance)}
        self.assertEqual(set(self.world.node().copied), paths if done else set())

    def test_converted(self) -> None:
        """
        Copies take the disks' places, with their sizes, names and modes; the disks are destroyed.
        """
        before = self.disks()
        told, job = self.ran(MODIFY, disk_template="sharedfile")
        self.assertEqual(told, [["disk_template", "sharedfile"]])
        after = self.disks()
        self.assertEqual(
            [(each.size, each.name, each.mode, each.iv_name) for each in after],
            [(1024, "root", "rw", "disk/0"), (2048, None, "ro", "disk/1")],
        )
        old, new = ([each.logical_id[1] for each in some] for some in (before, after))
        self.assertEqual(self.world.node().copied, dict(zip(new, old, strict=True)))
        self.assertTrue(all(each.startswith(f"/srv/ganeti/shared-file-storage/{NAME}/") for each in new), new)
        self.assertEqual(
            job.called("file_storage_dir_remove"),
            [("node1.example.com", [f"/srv/ganeti/file-storage/{NAME}"])],
        )
        self.assertAgree(self.config)

    def test_back(self) -> None:
        """
        It can be converted back, to where the opcode says, and started.
        """
        self.ran(MODIFY, disk_template="sharedfile")
        self.ran(MODIFY, disk_template="file", file_storage_dir="fast", file_driver="blktap")
        for each in self.disks():
            driver, path = each.logical_id
            self.assertEqual(
                (driver, path.rpartition("/")[0]), ("blktap", f"/srv/ganeti/file-storage/fast/{NAME}")
            )
        self.ran("OP_INSTANCE_STARTUP")
        self.assertAgree(self.config)

    def test_only_others(self) -> None:
        """
        Of disks of several templates only those are copied that have another one.
        """
        self.ran(MODIFY, disks=[["add", -1, {"size": 1024, "type": "sharedfile"}]])
        kept = self.disks()[2]
        self.ran(MODIFY, disk_template="sharedfile")
        self.assertEqual((len(self.disks()), self.disks()[2]), (3, kept))
        self.assertEqual(len(self.world.node().copied), 2)
        self.assertAgree(self.config)

    def test_from_diskless(self) -> None:
        """
        An instance without disks gets them of the template that is named.
        """
        self.ran(MODIFY, disks=[["remove", 0, {}], ["remove", 0, {}]])
        self.refused_as("no disks to convert; add one", disk_template="sharedfile")
        self.ran(MODIFY, disk_template="sharedfile", disks=[["add", -1, {"size": 1024}]])
        self.assertEqual([each.dev_type for each in self.disks()], ["sharedfile"])
        self.assertAgree(self.config)

    def test_refusals(self) -> None:
        """
        What cannot be is refused before anything is touched.
        """
        self.refused_as("are file already", disk_template="file")
        self.refused_as("remove them (disks)", disk_template="diskless")
        self.refused_as("is not supported by this version", disk_template="plain")
        self.refused_as("in two steps", disk_template="sharedfile", disks=[["remove", 0, {}]])
        self.refused_as("say to which disk_template", file_storage_dir="fast", beparams={"vcpus": 2})
        self.refused_as("not a path below", disk_template="sharedfile", file_storage_dir="../x")
        self.world.node().disks["/else"] = 9000 - 3072
        self.refused_as("Not enough disk space", "insufficient_resources", disk_template="sharedfile")

    def test_not_enabled(self) -> None:
        """
        The cluster must have the template enabled.
        """
        cluster = msgspec.structs.replace(self.config.cluster, enabled_disk_templates=["file"])
        self.config = self.config.with_object(cluster)
        self.refused_as("is not enabled", "wrong_state", disk_template="sharedfile")

    def test_in_use(self) -> None:
        """
        It must be stopped, and its disks not be in use.
        """
        self.ran("OP_INSTANCE_ACTIVATE_DISKS")
        self.refused_as("are in use", "wrong_state", disk_template="sharedfile")
        self.ran("OP_INSTANCE_STARTUP")
        self.refused_as("marked up", "wrong_state", disk_template="sharedfile")

    def test_node_offline(self) -> None:
        """
        Nothing is converted on a node that is offline.
        """
        self.offline()
        self.refused_as("is offline", "wrong_state", disk_template="sharedfile")

    def test_cancelled_anywhere(self) -> None:
        """
        Wherever it is cancelled, it has happened or has not; where it has not, it can be repeated.
        """
        _, whole = self.ran(MODIFY, **{name: CONVERT[name] for name in ("disk_template", "beparams")})
        for step, midway in product(range(len(whole.steps)), [False, True]):
            self.setUp()
            job = self.job(stop_at=step, midway=midway)
            self.assertRaises(JobCanceled, job.run, modify, parse(CONVERT))
            self.whole(job)
            if self.instance(job).beparams:
                continue
            again = MemoryJobContext(job.config_now, self.world)
            again.run(modify, parse(CONVERT))
            self.whole(again)

    def test_failing_functions(self) -> None:
        """
        Whatever fails on the node: before the copies are recorded nothing has happened; what cannot be destroyed
        afterwards is told.
        """
        steps = ("blockdev_create", "blockdev_convert", "blockdev_remove", "file_storage_dir_remove")
        for function, kind in product(steps, (FunctionFailed, FunctionDied)):
            self.setUp()
            job = MemoryJobContext(self.config, self.unlucky(function, kind))
            try:
                job.run(modify, parse(CONVERT))
            except NodeError:
                self.assertIn(function, steps[:2])
                self.assertEqual(self.instance(job).beparams, {})
                self.whole(job)
            else:
                self.assertIn("out of luck", " ".join(job.lines))
                self.assertEqual(self.instance(job).beparams, {"vcpus": 2})
