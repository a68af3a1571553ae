"""
Tests for L{gnttwist.jobs.granting}: since when locks are held.
"""

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.jobs.context import LockMode
from gnttwist.jobs.granting import Locks
from gnttwist.model.job import Timestamp

A, B = "node/a", "node/b"


class SinceTests(SynchronousTestCase):
    """
    Tests for L{Locks.view}.
    """

    def setUp(self) -> None:
        self.now = (100, 0)
        self.locks = Locks(lambda: self.now)

    def since(self) -> dict[str, dict[int, Timestamp | None]]:
        """
        By lock, who holds it since when.
        """
        return {row.name: dict(zip(row.owners, row.since, strict=True)) for row in self.locks.view()}

    def test_granted(self) -> None:
        """
        A lock is held from the moment at which it was granted, not asked for.
        """
        self.locks.acquire(1, {A: LockMode.EXCLUSIVE}, 0, lambda locks: None)
        self.now = (101, 5)
        self.locks.acquire(2, {A: LockMode.SHARED}, 0, lambda locks: None)
        self.locks.take_free(3, {B: LockMode.SHARED}, 0)
        self.assertEqual(self.since(), {A: {1: (100, 0)}, B: {3: (101, 5)}})
        self.now = (102, 0)
        self.locks.release(1)
        self.assertEqual(self.since(), {A: {2: (102, 0)}, B: {3: (101, 5)}})

    def test_given_back_at_once(self) -> None:
        """
        Who gives locks back while he is told that he has them leaves nothing behind.
        """
        self.locks.acquire(1, {A: LockMode.EXCLUSIVE}, 0, lambda locks: self.locks.release(1))
        self.assertEqual(self.since(), {})

    def test_waits(self) -> None:
        """
        How long jobs waited is counted, also of those that gave up, and once each.
        """
        self.locks.acquire(1, {A: LockMode.EXCLUSIVE}, 0, lambda locks: None)
        for job in (2, 3):
            self.locks.acquire(job, {A: LockMode.EXCLUSIVE}, 0, lambda locks: None)
        self.now = (101, 500_000)
        self.locks.release(1)
        self.now = (102, 0)
        self.locks.give_up(3)
        self.locks.give_up(3)
        waits = self.locks.waits
        self.assertEqual((waits.count, waits.given_up, waits.seconds), (3, 1, 3.5))

    def test_clock_put_back(self) -> None:
        """
        No wait takes less than no time.
        """
        self.locks.acquire(1, {A: LockMode.EXCLUSIVE}, 0, lambda locks: None)
        self.locks.acquire(2, {A: LockMode.EXCLUSIVE}, 0, lambda locks: None)
        self.now = (10, 0)
        self.locks.release(1)
        self.assertEqual(self.locks.waits.seconds, 0)

    def test_restored(self) -> None:
        """
        After a restart it is as nearly known as the job says.
        """
        self.locks.restore(1, {A: LockMode.SHARED}, (7, 0))
        self.locks.restore(2, {A: LockMode.SHARED}, None)
        self.assertEqual(self.since(), {A: {1: (7, 0), 2: None}})
