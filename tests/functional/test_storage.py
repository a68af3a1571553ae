"""
Disks on real file systems: one that is full, one whose files can share data. Needs root.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

import gnttwist

ABOVE = Path(gnttwist.__file__).parent.parent


class FileSystemTests(SynchronousTestCase):
    """
    Tests for disks that are files, in a mount namespace with a file system of their own.
    """

    if os.geteuid() != 0:
        skip = "needs root, to mount file systems"
    elif shutil.which("unshare") is None:
        skip = "there is no unshare (util-linux)"

    def tried(self, what: str) -> dict[str, Any]:
        """
        What the probe found.
        """
        above = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, above)
        done = subprocess.run(
            ["unshare", "--mount", sys.executable, "-m", "tests.functional.storage_probe", what, above],
            cwd=ABOVE,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return msgspec.json.decode(done.stdout, type=dict[str, Any])

    def test_full(self) -> None:
        """
        A disk for which there is no space is not made, not grown and not copied; the space that it took is free
        again.
        """
        found = self.tried("full")
        for each in ("create", "grow", "convert"):
            self.assertIn("no space", found[each].lower())
        self.assertEqual(found["left"], [])
        self.assertEqual(found["size"], 12 << 20)
        self.assertEqual(found["after"], found["before"])

    def test_shared(self) -> None:
        """
        Where files can share data a copy takes no space, and is a disk of its own all the same.
        """
        if shutil.which("mkfs.btrfs") is None:
            self.skipTest("there is no mkfs.btrfs (Debian package btrfs-progs)")
        found = self.tried("reflink")
        self.assertTrue(found["same"])
        self.assertTrue(found["apart"])
        self.assertLess(found["taken"], 4)
