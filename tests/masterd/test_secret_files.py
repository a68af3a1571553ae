"""
Tests for L{gnttwist.masterd.secret_files}.
"""

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.jobs.vault import NoVault
from gnttwist.masterd.secret_files import SecretFiles, in_memory, vault

SECRETS = [{"osparams_secret": {"password": "hunter2"}}, {}]


class SecretFilesTests(SynchronousTestCase):
    """
    Tests for keeping secrets in files.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.files = SecretFiles(self.directory)

    def test_kept(self) -> None:
        """
        Another process finds what was kept, until it is dropped; only this user can read it.
        """
        self.files.keep(7, SECRETS)
        self.files.keep(7, SECRETS)
        self.assertEqual(SecretFiles(self.directory).kept(), {7: SECRETS})
        self.assertEqual(self.directory.stat().st_mode & 0o777, 0o700)
        self.assertEqual((self.directory / "7").stat().st_mode & 0o777, 0o600)
        self.files.drop(7)
        self.files.drop(7)
        self.assertEqual((self.files.kept(), os.listdir(self.directory)), ({}, []))

    def test_strange(self) -> None:
        """
        Files of others, and half-written ones, are no secrets.
        """
        self.assertEqual(self.files.kept(), {})
        self.directory.mkdir()
        for name, content in (("x", "[]"), (".8", "[{}]"), ("9", "[{"), ("10", "{}")):
            (self.directory / name).write_text(content)
        self.assertEqual(self.files.kept(), {})

    def test_cannot(self) -> None:
        """
        Where a file cannot be written the job goes on, and the log has no secret.
        """
        self.directory.touch()
        self.files.keep(7, SECRETS)
        self.assertEqual(self.files.kept(), {})

    def test_where(self) -> None:
        """
        Files are used only where they are in memory: the last mount at the longest path counts.
        """
        mounts = Path(self.mktemp())
        mounts.write_text(
            b"1 0 8:1 / / rw - ext4 /dev/vda rw\\n"
            b"2 1 0:2 / /run rw shared:1 - tmpfs tmpfs rw\\n"
            b"3 2 8:2 / /run/disk rw - ext4 /dev/vdb rw\\n"
            b"4 1 0:3 / /a\\\\040b rw - ramfs none rw\\n".decode("unicode_escape")
        )
        self.assertTrue(in_memory(Path("/run/ganeti"), mounts))
        self.assertFalse(in_memory(Path("/run/disk/x"), mounts))
        self.assertFalse(in_memory(Path("/running"), mounts))
        self.assertTrue(in_memory(Path("/a b/c"), mounts))
        self.assertIsInstance(vault(Path("/srv/x"), mounts), NoVault)
        self.assertIsInstance(vault(Path("/run/x"), mounts), SecretFiles)
        self.assertFalse(in_memory(Path("/run"), Path("/nonexistent")))
