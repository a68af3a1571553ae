"""
Tests for L{gnttwist.functions.storage}.
"""

import os
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gnttwist.functions.registry import FunctionError
from gnttwist.functions.storage.blockdev import (
    blockdev_assemble,
    blockdev_create,
    blockdev_find,
    blockdev_getdimensions,
    blockdev_grow,
    blockdev_remove,
    blockdev_setinfo,
    blockdev_shutdown,
    blockdev_wipe,
)
from gnttwist.functions.storage.places import (
    file_storage_dir_create,
    file_storage_dir_remove,
    file_storage_dir_rename,
    place,
)
from tests.functions.context import NodeTestCase, disk, instance

STORAGE = "/srv/ganeti/file-storage"


class FileDiskTests(NodeTestCase):
    """
    Tests for the life of a disk that is a file.
    """

    def create(self, wanted: dict[str, Any], size: int = 4) -> list[Any]:
        """
        Create a disk.
        """
        return blockdev_create(self.context, wanted, size, "inst1", True, "", False)

    def test_create(self) -> None:
        """
        A disk is a sparse file of its size, and its directories are made.
        """
        self.assertEqual(self.create(disk(), 300), disk()["logical_id"])
        found = (self.root / "srv/ganeti/file-storage/inst1/d1.file.disk0").stat()
        self.assertEqual(found.st_size, 300 << 20)
        self.assertLess(found.st_blocks * 512, 1 << 20)

    def test_preallocate(self) -> None:
        """
        Reserving the space tells of its progress.
        """
        self.create(disk(params={"preallocate": True}), 70)
        found = (self.root / "srv/ganeti/file-storage/inst1/d1.file.disk0").stat()
        self.assertGreaterEqual(found.st_blocks * 512, 70 << 20)
        self.assertEqual(
            [(type, payload["done"], payload["total"]) for type, payload in self.context.told],
            [("progress", 0, 70), ("progress", 64, 70)],
        )

    def test_repeated(self) -> None:
        """
        Creating the same disk again gives it its size and no old data.
        """
        self.create(disk())
        file = self.root / "srv/ganeti/file-storage/inst1/d1.file.disk0"
        file.write_bytes(b"half-way")
        self.create(disk())
        self.assertEqual(file.stat().st_size, 4 << 20)
        self.assertEqual(file.read_bytes()[:8], bytes(8))

    def test_grow(self) -> None:
        """
        A disk grows to its size and the amount, once however often it is asked; a dry run changes nothing.
        """
        file = self.root / "srv/ganeti/file-storage/inst1/d1.file.disk0"
        self.create(disk())
        for dry_run, backing in ((True, True), (False, False)):
            blockdev_grow(self.context, disk(), 3, dry_run, backing, False)
        self.assertEqual(file.stat().st_size, 4 << 20)
        for _ in range(2):
            blockdev_grow(self.context, disk(), 3, False, True, False)
        self.assertEqual(file.stat().st_size, 7 << 20)
        gone = disk("/srv/ganeti/file-storage/inst1/d2.file")
        self.assertEqual(blockdev_getdimensions(self.context, [disk(), gone]), [[7 << 20, None], None])

    def test_grow_preallocated(self) -> None:
        """
        What is added is reserved, too; without space the disk keeps its size.
        """
        wanted = disk(params={"preallocate": True})
        file = self.root / "srv/ganeti/file-storage/inst1/d1.file.disk0"
        self.create(wanted)
        blockdev_grow(self.context, wanted, 3, False, True, False)
        self.assertGreaterEqual(file.stat().st_blocks * 512, 7 << 20)
        for dry_run in (True, False):
            error = self.assertRaises(
                FunctionError, blockdev_grow, self.context, wanted, 1 << 30, dry_run, True, False
            )
            self.assertIn("no space", str(error))
        self.assertEqual(file.stat().st_size, 7 << 20)

    def test_wipe(self) -> None:
        """
        What was written in a part of the disk is zeros afterwards; holes stay holes, and what is outside stays.
        """
        file = self.root / "srv/ganeti/file-storage/inst1/d1.file.disk0"
        self.create(disk())
        with file.open("r+b") as opened:
            opened.write(b"a" * (2 << 20))
        before = file.stat().st_blocks
        blockdev_wipe(self.context, disk(), 1, 3)
        self.assertEqual(file.read_bytes(), b"a" * (1 << 20) + bytes(3 << 20))
        self.assertEqual(file.stat().st_blocks, before)
        self.assertRaises(FunctionError, blockdev_wipe, self.context, disk(), 1, 4)
        self.assertRaises(FunctionError, blockdev_wipe, self.context, disk(), -1, 1)

    def test_missing(self) -> None:
        """
        A disk that is not there cannot grow or be wiped, and has no text to be written to.
        """
        self.assertRaises(FunctionError, blockdev_grow, self.context, disk(), 1, False, True, False)
        self.assertRaises(FunctionError, blockdev_wipe, self.context, disk(), 0, 1)
        blockdev_setinfo(self.context, disk(), "originstname+web")

    def test_other_disk(self) -> None:
        """
        A file that may be another disk's is not overwritten.
        """
        self.create(disk())
        reason = self.assertRaises(FunctionError, self.create, disk(uuid="d2"))
        self.assertIn("another disk", str(reason))

    def test_too_large(self) -> None:
        """
        A size that no file system takes is refused, and leaves no file behind.
        """
        self.assertRaises(FunctionError, self.create, disk(), 1 << 42)
        self.assertIsNone(blockdev_find(self.context, disk()))

    def test_sizes(self) -> None:
        """
        Sizes that are not positive whole numbers are refused.
        """
        for size in (0, -1, True, 1.5, "4", None):
            self.assertRaises(FunctionError, blockdev_create, self.context, disk(), size, "", True, "", False)

    def test_remove(self) -> None:
        """
        A removed disk and its link are gone, and removing again is fine.
        """
        self.create(disk())
        blockdev_assemble(self.context, disk(), instance(), True, 0)
        for _ in range(2):
            blockdev_remove(self.context, disk())
        self.assertIsNone(blockdev_find(self.context, disk()))
        self.assertEqual(os.listdir(self.root / "var/run/ganeti/instance-disks"), [])

    def test_find(self) -> None:
        """
        A disk that is there is told with its path without the root, as complete.
        """
        self.assertIsNone(blockdev_find(self.context, disk()))
        self.create(disk())
        self.assertEqual(
            blockdev_find(self.context, disk()),
            {"dev_path": disk()["logical_id"][1], "is_degraded": False, "ldisk_status": 1},
        )

    def test_assemble(self) -> None:
        """
        On the primary node a link leads to the disk, until it is shut down.
        """
        self.create(disk())
        path, link, uri = blockdev_assemble(self.context, disk(), instance(), True, 1)
        self.assertEqual(path, disk()["logical_id"][1])
        self.assertEqual(link, "/var/run/ganeti/instance-disks/inst1.example.com:1")
        self.assertIsNone(uri)
        real = self.context.paths.real(link)
        self.assertEqual(os.readlink(real), str(self.context.paths.real(path)))
        blockdev_shutdown(self.context, disk())
        self.assertFalse(real.is_symlink())
        self.assertEqual(blockdev_assemble(self.context, disk(), instance(), False, 1), [True, True])

    def test_assemble_missing(self) -> None:
        """
        A disk that is not there cannot be assembled.
        """
        self.assertRaises(FunctionError, blockdev_assemble, self.context, disk(), instance(), True, 0)

    def test_symlink_out(self) -> None:
        """
        A link below the allowed tree is not followed, neither as a directory nor as the file itself.
        """
        tree = self.root / "srv/ganeti/file-storage"
        (self.root / "elsewhere").mkdir()
        (self.root / "elsewhere/d1.file").write_text("precious")
        tree.mkdir()
        (tree / "inst1").symlink_to(self.root / "elsewhere")
        (tree / "d1.file").symlink_to(self.root / "elsewhere/d1.file")
        for path in (f"{STORAGE}/inst1/d1.file", f"{STORAGE}/d1.file"):
            self.assertRaises(FunctionError, self.create, disk(path))
            self.assertRaises(FunctionError, blockdev_find, self.context, disk(path))
        self.assertEqual((self.root / "elsewhere/d1.file").read_text(), "precious")

    def test_linked_tree(self) -> None:
        """
        The allowed tree itself may be a link: that is how a virtual cluster's nodes share one.
        """
        (self.root / "shared").mkdir()
        (self.root / "srv/ganeti/shared-file-storage").symlink_to(self.root / "shared")
        shared = disk("/srv/ganeti/shared-file-storage/d1.file", dev_type="sharedfile")
        self.create(shared)
        self.assertTrue((self.root / "shared/d1.file").exists())
        self.assertEqual(
            blockdev_assemble(self.context, shared, instance(), True, 0)[0], shared["logical_id"][1]
        )

    def test_odd_disks(self) -> None:
        """
        Disks of unknown templates, drivers and shapes are refused.
        """
        for odd in (
            disk(dev_type="plain"),
            disk(logical_id=["vg", "/srv/ganeti/file-storage/x"]),
            disk(logical_id=["loop"]),
            disk(logical_id=["loop", STORAGE]),
            disk(logical_id=["loop", 7]),
            disk(logical_id="loop"),
            {"size": 3},
            None,
        ):
            self.assertRaises(FunctionError, blockdev_create, self.context, odd, 4, "", True, "", False)


class PlaceTests(NodeTestCase):
    """
    Tests for where disks may be.
    """

    def test_outside(self) -> None:
        """
        Paths outside of the allowed trees are refused, however they are written.
        """
        for path in (
            "/etc",
            f"{STORAGE}/../x",
            "srv/ganeti/file-storage/x",
            f"{STORAGE}-x/y",
            f"{STORAGE}//x",
            7,
        ):
            self.assertRaises(FunctionError, file_storage_dir_create, self.context, path)

    @given(st.text(alphabet="./srvganetifile-o\0", max_size=40))
    def test_never_outside(self, text: str) -> None:
        """
        Whatever the path, it is refused or lies within an allowed tree.
        """
        try:
            found = place(self.context, f"{STORAGE}/{text}", "path")
        except FunctionError:
            return
        tree = self.root / "srv/ganeti/file-storage"
        self.assertTrue(os.path.normpath(found.path).startswith(str(tree)))

    def test_configured(self) -> None:
        """
        The administrator's list replaces the defaults.
        """
        (self.root / "etc/ganeti/file-storage-paths").write_text("# disks\n/data/disks\n")
        file_storage_dir_create(self.context, "/data/disks/inst1")
        self.assertTrue((self.root / "data/disks/inst1").is_dir())
        self.assertRaises(FunctionError, file_storage_dir_create, self.context, f"{STORAGE}/inst1")

    def test_remove(self) -> None:
        """
        Only empty directories are removed; missing ones are fine.
        """
        file_storage_dir_create(self.context, f"{STORAGE}/inst1")
        (self.root / "srv/ganeti/file-storage/inst1/x").touch()
        reason = self.assertRaises(FunctionError, file_storage_dir_remove, self.context, f"{STORAGE}/inst1")
        self.assertIn("not empty", str(reason))
        (self.root / "srv/ganeti/file-storage/inst1/x").unlink()
        for _ in range(2):
            file_storage_dir_remove(self.context, f"{STORAGE}/inst1")
        self.assertRaises(FunctionError, file_storage_dir_remove, self.context, STORAGE)

    def test_rename(self) -> None:
        """
        A directory is renamed with what is in it, once however often it is asked.
        """
        blockdev_create(self.context, disk(), 1, "inst1", True, "", False)
        for _ in range(2):
            file_storage_dir_rename(self.context, f"{STORAGE}/inst1", f"{STORAGE}/inst2")
        self.assertEqual(os.listdir(self.root / "srv/ganeti/file-storage/inst2"), ["d1.file.disk0"])

    def test_not_renamed(self) -> None:
        """
        A directory with other disks is not replaced, nor does one leave the allowed trees.
        """
        for name, uuid in (("inst1", "d1"), ("inst2", "d2")):
            wanted = disk(f"{STORAGE}/{name}/{uuid}.file", uuid=uuid)
            blockdev_create(self.context, wanted, 1, name, True, "", False)
        rename = file_storage_dir_rename
        error = self.assertRaises(FunctionError, rename, self.context, f"{STORAGE}/inst1", f"{STORAGE}/inst2")
        self.assertIn("there are files", str(error))
        for other in ("/etc", f"{STORAGE}/../x", STORAGE):
            self.assertRaises(FunctionError, rename, self.context, f"{STORAGE}/inst1", other)
            self.assertRaises(FunctionError, rename, self.context, other, f"{STORAGE}/inst3")
        self.assertRaises(FunctionError, rename, self.context, f"{STORAGE}/no", f"{STORAGE}/inst3")
