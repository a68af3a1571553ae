"""
Tests for L{gnttwist.functions.storage.conversion}, C{mirrors} and C{extents}.
"""

import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gnttwist.functions.registry import FunctionError
from gnttwist.functions.storage.blockdev import blockdev_create, blockdev_find
from gnttwist.functions.storage.conversion import blockdev_convert
from gnttwist.functions.storage.extents import MIB, copy
from gnttwist.functions.storage.mirrors import (
    blockdev_close,
    blockdev_getmirrorstatus,
    blockdev_getmirrorstatus_multi,
    blockdev_open,
    blockdev_pause_resume_sync,
)
from tests.functions.context import NodeTestCase, disk

OLD = "/srv/ganeti/file-storage/inst1/d1.file"
NEW = "/srv/ganeti/shared-file-storage/inst1/d2.file"
NAME = "inst1.example.com"


def shared(**members: Any) -> dict[str, Any]:
    """
    The disk that is copied to.
    """
    return disk(NEW, dev_type="sharedfile", uuid="d2", **members)


class ConversionTests(NodeTestCase):
    """
    Tests for L{blockdev_convert}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.old = self.root / OLD[1:]
        self.new = self.root / NEW[1:]

    def create(self, wanted: dict[str, Any], size: int) -> None:
        """
        Make a disk.
        """
        blockdev_create(self.context, wanted, size, NAME, True, "", False)

    def test_copied(self) -> None:
        """
        The new disk, of another template, has the old one's data and its holes, and keeps its own size.
        """
        self.create(disk(OLD), 70)
        self.create(shared(), 72)
        with self.old.open("r+b") as file:
            file.seek(65 * MIB)
            file.write(b"data")
        # What an earlier attempt left.
        with self.new.open("r+b") as file:
            file.write(b"old")
        blockdev_convert(self.context, disk(OLD), shared())
        self.assertEqual(self.new.read_bytes(), self.old.read_bytes() + bytes(2 * MIB))
        self.assertLess(self.new.stat().st_blocks * 512, MIB)
        done = [payload["done"] for type, payload in self.context.told if type == "progress"]
        self.assertIn(done, ([], [0, 64]))

    def test_own_space(self) -> None:
        """
        A disk whose space is reserved has it after the copy, too.
        """
        self.create(disk(OLD), 2)
        wanted = shared(params={"preallocate": True})
        self.create(wanted, 2)
        blockdev_convert(self.context, disk(OLD), wanted)
        self.assertGreaterEqual(self.new.stat().st_blocks * 512, 2 * MIB)

    def test_refused(self) -> None:
        """
        A disk is copied neither to a smaller one, nor to itself, nor to or from one that is not there.
        """
        self.create(disk(OLD), 3)
        self.assertRaises(FunctionError, blockdev_convert, self.context, disk(OLD), shared())
        self.assertRaises(FunctionError, blockdev_convert, self.context, shared(), disk(OLD))
        self.create(shared(), 2)
        self.old.write_bytes(b"keep" * (3 * MIB // 4))
        for target in (shared(), disk(OLD)):
            self.assertRaises(FunctionError, blockdev_convert, self.context, disk(OLD), target)
        self.assertEqual(self.old.read_bytes()[:4], b"keep")
        self.assertIsNone(blockdev_find(self.context, disk(f"{OLD}x")))

    def test_links(self) -> None:
        """
        Data does not come through a link that leads out of the tree, nor leave through one.
        """
        self.create(shared(), 1)
        (self.root / "secret").write_bytes(b"secret")
        self.old.parent.mkdir(parents=True)
        self.old.symlink_to(self.root / "secret")
        self.assertRaises(FunctionError, blockdev_convert, self.context, disk(OLD), shared())
        self.assertRaises(FunctionError, blockdev_convert, self.context, shared(), disk(OLD))
        self.assertEqual(self.new.read_bytes(), bytes(MIB))
        self.assertEqual((self.root / "secret").read_bytes(), b"secret")

    @given(st.lists(st.tuples(st.integers(0, 2 * MIB - 1), st.binary(min_size=1, max_size=50)), max_size=6))
    @settings(max_examples=20)
    def test_any_data(self, pieces: list[tuple[int, bytes]]) -> None:
        """
        Wherever data and holes are, and whatever was in the target, the copy is the same.
        """
        with open(self.root / "a", "w+b") as source, open(self.root / "b", "w+b") as target:
            for file, half in ((source, pieces[::2]), (target, pieces[1::2])):
                file.truncate(3 * MIB)
                for offset, data in half:
                    os.pwrite(file.fileno(), data, offset)
            copy(self.context, source.fileno(), target.fileno(), 3)
            # From the start: looking for holes moves where a file is read.
            same = os.pread(source.fileno(), 4 * MIB, 0) == os.pread(target.fileno(), 4 * MIB, 0)
            self.assertTrue(same)


class MirrorTests(NodeTestCase):
    """
    Tests for what is asked of disks with copies, and of these, too.
    """

    def setUp(self) -> None:
        super().setUp()
        blockdev_create(self.context, disk(OLD), 1, NAME, True, "", False)
        self.status = {"dev_path": OLD, "is_degraded": False, "ldisk_status": 1}

    def test_status(self) -> None:
        """
        Disks are complete; one that is not there or cannot be is told in its place, or fails the single call.
        """
        self.assertEqual(blockdev_getmirrorstatus(self.context, [disk(OLD)]), [self.status])
        gone, odd = disk(NEW), disk("/etc/passwd")
        self.assertRaises(FunctionError, blockdev_getmirrorstatus, self.context, [disk(OLD), gone])
        found = blockdev_getmirrorstatus_multi(self.context, [gone, disk(OLD), odd])
        self.assertEqual([ok for ok, _ in found], [False, True, False])
        self.assertEqual(found[1], (True, self.status))
        self.assertIn("Can't find device", found[0][1])
        self.assertIn("outside", found[2][1])

    def test_pause(self) -> None:
        """
        There is nothing to pause; only a disk that is not there is told.
        """
        found = blockdev_pause_resume_sync(self.context, [disk(OLD), disk(NEW)], True)
        self.assertEqual(found[0], (True, None))
        self.assertFalse(found[1][0])

    def test_open(self) -> None:
        """
        Opening links to the disks, closing removes the links; without all disks nothing changes.
        """
        links = self.root / "var/run/ganeti/instance-disks"
        self.assertRaises(FunctionError, blockdev_open, self.context, NAME, [disk(OLD), disk(NEW)], True)
        self.assertFalse(links.exists())
        blockdev_open(self.context, NAME, [disk(OLD)], True)
        self.assertEqual(os.listdir(links), [f"{NAME}:0"])
        self.assertRaises(FunctionError, blockdev_close, self.context, NAME, [disk(NEW)])
        self.assertRaises(FunctionError, blockdev_close, self.context, "../x", [disk(OLD)])
        blockdev_close(self.context, "", [disk(OLD)])
        self.assertEqual(os.listdir(links), [f"{NAME}:0"])
        blockdev_close(self.context, NAME, [disk(OLD)])
        self.assertEqual(os.listdir(links), [])
