"""
Tests for L{gnttwist.units.reinstall}, L{gnttwist.units.rename} and what they check by.
"""

import msgspec

from gnttwist.errors import FunctionFailed
from gnttwist.testing.context import MemoryJobContext
from tests.units.one_instance import NAME, InstanceTestCase

NEW = "mail.example.com"


class ReinstallTests(InstanceTestCase):
    """
    Tests for C{OP_INSTANCE_REINSTALL}.
    """

    up = False
    created = {"os_type": "tiny+small", "osparams": {"colour": "red"}}

    def test_same(self) -> None:
        """
        The OS is installed again with the parameters that it has, and its disks are given back.
        """
        _, job = self.ran("OP_INSTANCE_REINSTALL")
        [(_, [members, again, _])] = job.called("instance_os_add")
        self.assertEqual((members["os"], members["osparams"], again), ("tiny+small", {"colour": "red"}, True))
        self.assertEqual(self.world.node().linked, set())

    def test_other(self) -> None:
        """
        Another OS and other parameters are kept; C{default} is as inherited; secret ones are only passed on.
        """
        _, job = self.ran(
            "OP_INSTANCE_REINSTALL",
            os_type="tiny+large",
            osparams={"colour": "default", "size": "xl"},
            osparams_private={"key": "k"},
            osparams_secret={"password": "hunter2"},
        )
        [(_, [members, _, _])] = job.called("instance_os_add")
        self.assertEqual(members["osparams"], {"colour": "blue", "size": "xl"})
        self.assertEqual(members["osparams_secret"], {"password": "hunter2"})
        instance = self.instance(job)
        self.assertEqual((instance.os, instance.osparams), ("tiny+large", {"size": "xl"}))
        self.assertEqual(instance.osparams_private, {"key": "k"})
        self.assertNotIn(b"hunter2", msgspec.json.encode(instance))

    def unchanged(self, job: MemoryJobContext) -> None:
        """
        The configuration has the old OS, and disks are given back.
        """
        self.assertEqual(self.instance(job).os, "tiny+small")
        self.assertEqual(self.world.node().linked, set())
        self.assertAgree(job.config_now)

    def test_undone(self) -> None:
        """
        Wherever it is cancelled and whatever fails, the configuration is as before.
        """
        self.interrupted("OP_INSTANCE_REINSTALL", lambda job: self.assertAgree(job.config_now))
        self.world.failing["instance_os_add"] = lambda node: FunctionFailed("no luck")
        self.assertRaises(FunctionFailed, self.ran, "OP_INSTANCE_REINSTALL", os_type="noop")
        self.setUp()
        self.failing_anywhere("OP_INSTANCE_REINSTALL", self.unchanged)

    def test_refusals(self) -> None:
        """
        An instance that runs or should, an OS that is not there, and values that cannot be are refused.
        """
        self.assertIn("beos", self.refused("OP_INSTANCE_REINSTALL", os_type="beos"))
        self.assertIn("variants", self.refused("OP_INSTANCE_REINSTALL", os_type="tiny"))
        text = self.refused("OP_INSTANCE_REINSTALL", osparams_secret={"password": "hunter2\n"})
        self.assertNotIn("hunter2", text)
        self.world.node().guests[NAME] = 128
        self.assertIn("runs", self.refused("OP_INSTANCE_REINSTALL", "wrong_state"))
        self.ran("OP_INSTANCE_STARTUP")
        self.assertIn("marked up", self.refused("OP_INSTANCE_REINSTALL", "wrong_state"))
        self.ran("OP_INSTANCE_SHUTDOWN")
        self.offline()
        self.refused("OP_INSTANCE_REINSTALL", "wrong_state")


class DisklessTests(InstanceTestCase):
    """
    Tests of an instance without disks.
    """

    up = False
    created = {"disks": [], "disk_template": "diskless"}

    def test_reinstall(self) -> None:
        """
        There is nothing to install on.
        """
        self.assertIn("no disks", self.refused("OP_INSTANCE_REINSTALL"))

    def test_rename(self) -> None:
        """
        Only the configuration changes.
        """
        result, job = self.ran("OP_INSTANCE_RENAME", new_name=NEW)
        self.assertEqual((result, self.instance(job).name), (NEW, NEW))
        self.assertEqual(job.called("instance_run_rename"), [])


class RenameTests(InstanceTestCase):
    """
    Tests for C{OP_INSTANCE_RENAME}.
    """

    up = False

    def agree(self, job: MemoryJobContext) -> None:
        """
        The instance has a name, its disks are where the configuration says, and they are given back.
        """
        self.assertAgree(job.config_now)
        self.assertEqual(self.world.node().linked, set())
        name = self.instance(job).name
        for disk in job.config_now.disks.values():
            self.assertIn(f"/{name}/", disk.logical_id[1])

    def test_renames(self) -> None:
        """
        The instance, the directory of its disks, and what is on them get the new name.
        """
        result, job = self.ran("OP_INSTANCE_RENAME", new_name="Mail.Example.com")
        self.assertEqual((result, self.instance(job).name), (NEW, NEW))
        self.agree(job)
        self.assertEqual(self.world.node().installed, [NEW])
        [(_, [members, old, _])] = job.called("instance_run_rename")
        self.assertEqual((members["name"], old), (NEW, NAME))
        self.assertIn({"cluster/BGL", f"instance/{NAME}", f"instance/{NEW}"}, [set(job.steps[1][1])])

    def test_active(self) -> None:
        """
        Disks that are usable are given back first, as their links have the old name.
        """
        self.ran("OP_INSTANCE_ACTIVATE_DISKS")
        _, job = self.ran("OP_INSTANCE_RENAME", new_name=NEW)
        self.agree(job)
        self.assertFalse(self.instance(job).disks_active)

    def test_script_fails(self) -> None:
        """
        If the OS's script fails, the name stays, and the log says so.
        """
        self.world.failing["instance_run_rename"] = lambda node: FunctionFailed("no luck")
        _, job = self.ran("OP_INSTANCE_RENAME", new_name=NEW)
        self.agree(job)
        self.assertIn("no luck", job.lines[-1])

    def test_undone(self) -> None:
        """
        Wherever it is cancelled, everything has the same name, the old one, and it can be repeated.
        """

        def old_name(job: MemoryJobContext) -> None:
            self.agree(job)
            self.assertEqual(self.instance(job).name, NAME)

        self.interrupted("OP_INSTANCE_RENAME", old_name, new_name=NEW)

    def test_undone_active(self) -> None:
        """
        Disks that were usable are so again.
        """
        self.ran("OP_INSTANCE_ACTIVATE_DISKS")
        self.world.failing["file_storage_dir_rename"] = lambda node: FunctionFailed("no luck")
        self.assertRaises(FunctionFailed, self.ran, "OP_INSTANCE_RENAME", new_name=NEW)
        self.assertEqual(len(self.world.node().linked), 2)

    def test_refusals(self) -> None:
        """
        A name that is none or is taken, and an instance that runs, are refused.
        """
        self.refused("OP_INSTANCE_RENAME", new_name="a b")
        [instance] = self.config.instances
        other = msgspec.structs.replace(instance, uuid=NEW, name=NEW, disks=[])
        before = self.config
        self.config = self.config.with_object(other)
        self.refused("OP_INSTANCE_RENAME", "already_exists", new_name=NEW)
        self.config = before
        self.ran("OP_INSTANCE_STARTUP")
        self.refused("OP_INSTANCE_RENAME", "wrong_state", new_name=NEW)
