"""
Tests for L{gnttwist.launcher.spool}.
"""

import errno
import os
import resource
from pathlib import Path

from attrs import define

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import LocalError
from gnttwist.launcher.spool import (
    READ_SIZE,
    Begin,
    SpoolCorrupt,
    SpoolFull,
    SpoolReader,
    SpoolWriter,
    create,
    find,
)

BEGIN = Begin("1:2:3:4", "version", None, 2, 1700000000.0)
LIMIT = 1024 * 1024


@define
class Wakes:
    """
    Counts wakes.
    """

    count: int = 0

    def __call__(self) -> None:
        self.count += 1


class SpoolTests(SynchronousTestCase):
    """
    Tests for writing, reading and finding spools.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.path = self.directory / "1.0:ab"
        self.descriptor = create(self.directory, self.path.name)
        self.wakes = Wakes()
        self.writer = SpoolWriter(self.descriptor, LIMIT, lambda: 1700000000.0, self.wakes)
        self.reader = SpoolReader(self.path)
        self.held = True
        self.addCleanup(self.release)

    def release(self) -> None:
        """
        End the writing process.
        """
        if self.held:
            os.close(self.descriptor)
            self.held = False

    def test_reads_on(self) -> None:
        """
        Each read gives what was appended since the last, and each feedback wakes.
        """
        self.writer.begin(BEGIN)
        self.writer.feedback("message", "one")
        self.assertEqual([each.payload for each in self.reader.read()], [b'"one"'])
        self.assertEqual(self.reader.begin, BEGIN)
        self.assertEqual(list(self.reader.read()), [])
        self.writer.feedback("message", "two")
        self.assertEqual([each.serial for each in self.reader.read()], [2])
        self.assertEqual(self.wakes.count, 2)
        self.assertFalse(self.reader.behind)

    def test_result(self) -> None:
        """
        The result's place is known once it is complete.
        """
        self.writer.begin(BEGIN)
        self.reader.read()
        self.assertIsNone(self.reader.result())
        self.writer.result(True, ["ok"])
        self.reader.read()
        value = self.reader.result()
        assert value is not None
        data = self.path.read_bytes()
        self.assertEqual(data[value.start : value.start + value.length], b'[true,["ok"]]')

    def test_torn_result(self) -> None:
        """
        A result whose process ended while it wrote is none.
        """
        self.writer.begin(BEGIN)
        os.write(self.descriptor, b'{"result":[true,[1,2')
        self.reader.read()
        self.assertIsNone(self.reader.result())
        self.assertFalse(self.reader.behind)

    def test_long(self) -> None:
        """
        A long spool is read in pieces, and C{behind} says so.
        """
        self.writer.begin(BEGIN)
        for _ in range(20):
            self.writer.feedback("message", "x" * 30_000)
        found = list(self.reader.read())
        self.assertTrue(self.reader.behind)
        self.assertLess(len(found) * 30_000, READ_SIZE)
        while self.reader.behind:
            found += self.reader.read()
        self.assertEqual([each.serial for each in found], list(range(1, 21)))

    def test_limit(self) -> None:
        """
        Feedback leaves room for a result that is an error, and a result for a shorter one.
        """
        with self.assertRaises(SpoolFull):
            while True:
                self.writer.feedback("message", "x" * 60_000)
        self.writer.last_feedback("no more")
        self.assertRaises(SpoolFull, self.writer.result, True, "x" * LIMIT)
        self.writer.result(False, "too long")
        self.assertLessEqual(self.path.stat().st_size, LIMIT)

    def test_feedback_too_long(self) -> None:
        """
        A single feedback above the record limit is the function's error.
        """
        self.assertRaises(LocalError, self.writer.feedback, "progress", {"what": "x" * 70_000})
        self.assertEqual(self.path.stat().st_size, 0)

    def test_write_error(self) -> None:
        """
        A record that could only be written in part is taken back, so that the result can follow.
        """
        self.writer.begin(BEGIN)
        size = self.path.stat().st_size
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        # Stands for a full disk: 50 bytes can be written, and then no more.
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, hard))
        try:
            self.assertRaises(OSError, self.writer.feedback, "message", "x" * 200)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        self.assertEqual(self.path.stat().st_size, size)
        self.writer.feedback("message", "there is room again")
        self.assertEqual([each.serial for each in self.reader.read()], [1])

    def test_name_once(self) -> None:
        """
        A spool is made once.
        """
        self.assertRaises(FileExistsError, create, self.directory, self.path.name)

    def test_no_link(self) -> None:
        """
        A spool is not made through a symbolic link, nor looked for through one.
        """
        (self.directory / "link").symlink_to(self.directory / "elsewhere")
        self.assertRaises(FileExistsError, create, self.directory, "link")
        failure = self.assertRaises(OSError, find, self.directory / "link")
        self.assertEqual(failure.errno, errno.ELOOP)

    def test_find(self) -> None:
        """
        Whether a spool's process lives can be seen, and whose it is as soon as that is there.
        """
        self.assertIsNone(find(self.directory / "none"))
        found = find(self.path)
        assert found is not None
        self.assertEqual((found.begin, found.held), (None, True))
        self.writer.begin(BEGIN)
        found = find(self.path)
        assert found is not None
        self.assertEqual((found.begin, found.held), (BEGIN, True))
        self.release()
        found = find(self.path)
        assert found is not None
        self.assertEqual((found.begin, found.held), (BEGIN, False))

    def test_corrupt(self) -> None:
        """
        A damaged spool is reported as such.
        """
        os.write(self.descriptor, b"\0\0\0\x03")
        self.assertRaises(SpoolCorrupt, self.reader.read)
