"""
What only L{gnttwist.store.sqlite} does: groups, locking, files.
"""

import os
import sqlite3
import stat
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue

from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.store.database import Outcome, StoreInUse, UnusableDatabase, Writer
from gnttwist.store.interface import Compare, Delete, Put, Transaction
from gnttwist.store.sqlite import SQLiteStore
from gnttwist.store.writing import GROUP_BYTES, GROUP_TRANSACTIONS, Request, Stop, Submitted, Writing
from gnttwist.testing.threads import ThreadPump


class GroupTests(SynchronousTestCase):
    """
    Tests for L{Writing}, which needs no thread of its own to be tried.
    """

    def groups(self, requests: Sequence[Request]) -> list[list[Outcome]]:
        """
        The groups that waiting requests are committed in.
        """
        queue: SimpleQueue[Request] = SimpleQueue()
        for each in (*requests, Stop()):
            queue.put(each)
        found: list[list[Outcome]] = []
        Writing(
            Path(self.mktemp()),
            queue,
            ready=lambda revision, compacted: None,
            committed=lambda outcomes: found.append(list(outcomes)),
            compacted=lambda request: None,
        ).run()
        return found

    def test_together(self) -> None:
        """
        What waits is committed together, up to the bound.
        """
        waiting = [Submitted(Transaction([Put(f"/{n}", b"")]), 9) for n in range(GROUP_TRANSACTIONS + 7)]
        self.assertEqual([len(group) for group in self.groups(waiting)], [GROUP_TRANSACTIONS, 7])

    def test_large(self) -> None:
        """
        Large transactions make small groups.
        """
        waiting = [Submitted(Transaction([Put(f"/{n}", b"")]), GROUP_BYTES // 2) for n in range(5)]
        self.assertEqual([len(group) for group in self.groups(waiting)], [2, 2, 1])

    def test_alone(self) -> None:
        """
        In a group each transaction succeeds or fails by itself, and sees those before it.
        """
        (group,) = self.groups(
            [
                Submitted(Transaction([Put("/a", b"1")], [Compare("/a", 0)]), 1),
                Submitted(Transaction([Put("/a", b"2"), Put("/b", b"")], [Compare("/a", 0)]), 1),
                Submitted(Transaction([Delete("/a")], [Compare("/a", 1)]), 1),
            ]
        )
        self.assertEqual([each.committed.succeeded for each in group], [True, False, True])
        self.assertEqual([len(each.events) for each in group], [1, 0, 1])


class OpenTests(SynchronousTestCase):
    """
    Tests for L{SQLiteStore.open}.
    """

    def setUp(self) -> None:
        self.pump = ThreadPump()
        self.path = Path(self.mktemp())

    def open(self) -> SQLiteStore:
        """
        Open the store; it is closed when the test ends.
        """
        store = self.pump.wait(SQLiteStore.open(self.pump, self.path, self.fatal))
        self.addCleanup(lambda: self.pump.wait(store.close()))
        return store

    def fatal(self, failure: Failure) -> None:
        """
        No test here makes the store stop.
        """
        self.fail(f"the store stopped: {failure}")

    def test_once(self) -> None:
        """
        A database that is open cannot be opened again, and the message names it; closed, it can.
        """
        first = self.open()
        error = self.assertRaises(StoreInUse, self.open)
        self.assertEqual(str(error), f"{self.path} is in use by another process")
        self.pump.wait(first.close())
        self.open()

    def test_private(self) -> None:
        """
        Only the owner can read the database's files.
        """
        store = self.open()
        self.pump.wait(store.transact(Transaction([Put("/a", b"")])))
        files = list(self.path.parent.glob(f"{self.path.name}*"))
        self.assertGreaterEqual(len(files), 3)
        self.assertEqual({stat.S_IMODE(each.stat().st_mode) for each in files}, {0o600})

    def test_no_directory(self) -> None:
        """
        A database that cannot be made is one clear error.
        """
        self.path = Path(self.mktemp(), "store")
        error = self.assertRaises(UnusableDatabase, self.open)
        self.assertIn(str(self.path), str(error))

    def test_foreign(self) -> None:
        """
        Files of another make, or of a newer version, are refused and left alone.
        """
        self.path.write_bytes(b"not a database, but long enough to look at" * 100)
        self.assertRaises(UnusableDatabase, self.open)
        self.path = Path(self.mktemp())
        with sqlite3.connect(self.path) as other:
            other.execute("CREATE TABLE mine (x)")
        other.close()
        error = self.assertRaises(UnusableDatabase, self.open)
        self.assertIn("not a store", str(error))
        self.path = Path(self.mktemp())
        self.pump.wait(self.open().close())
        with sqlite3.connect(self.path) as newer:
            newer.execute("PRAGMA user_version=1000")
        newer.close()
        error = self.assertRaises(UnusableDatabase, self.open)
        self.assertIn("newer version", str(error))

    def test_descriptors(self) -> None:
        """
        A store that was opened and closed leaves no descriptor behind.
        """
        self.pump.wait(self.open().close())
        before = len(os.listdir("/proc/self/fd"))
        self.pump.wait(self.open().close())
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)


class SweepTests(SynchronousTestCase):
    """
    Tests for L{Writer.sweep}.
    """

    def test_interrupted(self) -> None:
        """
        Compaction that was interrupted goes on when the database is opened again, and ends with what can be read.
        """
        path = Path(self.mktemp())
        writer = Writer.open(path)
        for number in range(5000):
            writer.commit([Transaction([Put(f"/{number % 3}", b"")])])
        writer.compact(5000)
        writer.sweep()
        writer.close()
        writer = Writer.open(path)
        self.addCleanup(writer.close)
        self.assertTrue(writer.sweeping)
        while writer.sweeping:
            writer.sweep()
        with sqlite3.connect(path) as look:
            self.assertEqual(look.execute("SELECT count(*) FROM history").fetchone(), (3,))
        look.close()
        self.assertEqual((writer.revision, writer.compacted), (5000, 5000))
