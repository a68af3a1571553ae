"""
Tests for L{gnttwist.functions.hypervisor.kvm.uidpool} and L{gnttwist.functions.hypervisor.kvm.confinement}.
"""

import fcntl
import os
import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.functions.hypervisor.kvm import uidpool
from gnttwist.functions.hypervisor.kvm.confinement import Confinement, check, has_run_with
from gnttwist.functions.hypervisor.kvm.uidpool import Lease, Pool
from gnttwist.functions.registry import FunctionError

ranges = st.lists(
    st.tuples(st.integers(1, 1 << 31), st.integers(0, 5)).map(lambda each: (each[0], each[0] + each[1])),
    min_size=1,
    max_size=4,
    unique_by=lambda each: each[0] >> 4,
)


class PoolTests(SynchronousTestCase):
    """
    Tests for L{uidpool.read} and L{Pool}.
    """

    def test_read(self) -> None:
        """
        Numbers and ranges are read as C{ssconf_uid_pool} has them.
        """
        pool = uidpool.read("4000-4002\n5000\n")
        self.assertEqual([pool[each] for each in range(len(pool))], [4000, 4001, 4002, 5000])

    def test_bad(self) -> None:
        """
        Root, numbers that are too large, ranges from behind and other words are refused.
        """
        for text in ("0", "0-5", "5-4", "4294967295", "a", "1-", "-1", "1-2-3", "99999999999"):
            self.assertIn(repr(text), str(self.assertRaises(FunctionError, uidpool.read, text)))

    @given(ranges)
    def test_positions(self, given: list[tuple[int, int]]) -> None:
        """
        Each number of each range has one position.
        """
        pool = Pool(given)
        expected = [uid for first, last in given for uid in range(first, last + 1)]
        self.assertEqual([pool[each] for each in range(len(pool))], expected)
        self.assertRaises(IndexError, pool.__getitem__, len(pool))


class TakeTests(SynchronousTestCase):
    """
    Tests for L{uidpool.take} on a machine whose processes are made up.
    """

    def setUp(self) -> None:
        self.base = Path(self.mktemp())
        self.directory = self.base / "uid-pool"
        self.proc = self.base / "proc"
        self.proc.mkdir(parents=True)
        (self.proc / "self").mkdir()
        self.leases: list[Lease] = []
        self.addCleanup(self.let_go)

    def let_go(self) -> None:
        """
        Give back what was taken.
        """
        for each in self.leases:
            os.close(each.descriptor)

    def process(self, pid: int, *uids: int) -> None:
        """
        Make a process.
        """
        (self.proc / str(pid)).mkdir()
        (self.proc / str(pid) / "status").write_text(f"Name:\tx\nUid:\t{' '.join(map(str, uids))}\nGid:\t0\n")

    def take(self, pool: Pool) -> int:
        """
        Take a user and keep it.
        """
        lease = uidpool.take(pool, self.directory, random.Random(1), self.proc)
        self.leases.append(lease)
        return lease.uid

    def test_all(self) -> None:
        """
        Every user is taken once, and then there is none.
        """
        pool = Pool([(100, 102), (200, 200)])
        self.assertEqual(sorted(self.take(pool) for _ in range(4)), [100, 101, 102, 200])
        self.assertIn("of 4", str(self.assertRaises(FunctionError, self.take, pool)))

    def test_empty(self) -> None:
        """
        Without a pool the error says what to set.
        """
        self.assertIn("uid_pool is empty", str(self.assertRaises(FunctionError, self.take, Pool([]))))

    def test_processes(self) -> None:
        """
        A user that something runs as, by whichever of its numbers, is not taken: Ganeti's launcher keeps no lock.
        """
        self.process(7, 100, 0, 0, 0)
        self.process(8, 0, 101, 0, 0)
        self.process(9, 0, 0, 102, 0)
        self.process(10, 0, 0, 0, 103)
        self.assertEqual(self.take(Pool([(100, 104)])), 104)
        self.assertRaises(FunctionError, self.take, Pool([(100, 104)]))

    def test_stale(self) -> None:
        """
        A file that nobody has locked means nothing.
        """
        self.directory.mkdir()
        (self.directory / "100").touch()
        self.assertEqual(self.take(Pool([(100, 100)])), 100)

    def test_given_back(self) -> None:
        """
        A user is free again when all copies of its descriptor are closed, whatever is left in the directory.
        """
        pool = Pool([(100, 100)])
        self.take(pool)
        copy = os.dup(self.leases[0].descriptor)
        os.close(self.leases.pop().descriptor)
        self.assertRaises(FunctionError, self.take, pool)
        os.close(copy)
        self.assertEqual(self.take(pool), 100)

    def test_release(self) -> None:
        """
        The file of a user that is free goes; that of one that is taken stays.
        """
        pool = Pool([(100, 100)])
        self.take(pool)
        uidpool.release(self.directory, 100)
        self.assertTrue((self.directory / "100").exists())
        os.close(self.leases.pop().descriptor)
        uidpool.release(self.directory, 100)
        self.assertEqual(os.listdir(self.directory), [])
        uidpool.release(self.directory, 100)

    def test_removed_meanwhile(self) -> None:
        """
        A lock on a file that was removed meanwhile does not count: others lock the one that is there now.
        """
        self.directory.mkdir()
        path = self.directory / "100"
        real = fcntl.flock
        removals = [path.unlink]

        def flock(descriptor: int, operation: int) -> None:
            if removals:
                removals.pop()()
            real(descriptor, operation)

        self.patch(fcntl, "flock", flock)
        self.take(Pool([(100, 100)]))
        self.assertEqual(os.fstat(self.leases[0].descriptor).st_ino, path.stat().st_ino)

    @settings(max_examples=30)
    @given(ranges, st.lists(st.booleans(), max_size=30))
    def test_never_twice(self, given: list[tuple[int, int]], steps: list[bool]) -> None:
        """
        In any order of taking and giving back, nobody has a user that another one has.
        """
        pool = Pool(given)
        held: list[Lease] = []
        with tempfile.TemporaryDirectory() as directory:
            for taking in steps:
                if taking and len(held) < len(pool):
                    held.append(uidpool.take(pool, Path(directory), random.Random(0), self.proc))
                elif held:
                    os.close(held.pop(0).descriptor)
                self.assertEqual(len({each.uid for each in held}), len(held))
            for each in held:
                os.close(each.descriptor)


class WordsTests(SynchronousTestCase):
    """
    Tests for how QEMU is told.
    """

    def test_unconfined(self) -> None:
        """
        A guest without a user of its own has the strictest filter, and nothing else.
        """
        [option, value] = Confinement().words("/nonexistent")
        self.assertEqual(option, "-sandbox")
        self.assertIn("elevateprivileges=deny", value)

    def test_help(self) -> None:
        """
        Version 8's C{-run-with}, which cannot change the user, is not taken for version 9's.
        """
        self.assertFalse(has_run_with("-runas user\n-run-with [async-teardown=on|off][,chroot=dir]\n"))
        self.assertTrue(
            has_run_with("-run-with [async-teardown=on|off][,chroot=dir][user=username|uid:gid]\n")
        )
        self.assertFalse(has_run_with(""))

    def test_rules(self) -> None:
        """
        A user is named for the model C{user}, and for no other.
        """
        check("none", "")
        check("pool", "")
        check("user", "nobody")
        for model, domain in (("user", ""), ("none", "nobody"), ("pool", "nobody"), ("root", "")):
            self.assertRaises(FunctionError, check, model, domain)
