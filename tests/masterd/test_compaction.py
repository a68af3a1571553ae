"""
Tests for L{gnttwist.masterd.compaction}.
"""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.masterd.compaction import INTERVAL, KEPT, Compaction
from gnttwist.store.interface import Compacted, Put, Transaction
from gnttwist.testing.store import MemoryStore


class CompactionTests(SynchronousTestCase):
    """
    Tests for L{Compaction}.
    """

    def setUp(self) -> None:
        self.store = MemoryStore()
        self.clock = Clock()
        self.oldest: int | None = None
        self.compaction = Compaction(self.clock, self.store, lambda: self.oldest)
        self.compaction.startService()
        self.addCleanup(self.compaction.stopService)

    def write(self, times: int) -> None:
        """
        Make so many revisions.
        """
        for each in range(times):
            self.successResultOf(self.store.transact(Transaction([Put("/key", b"%d" % each)])))

    def readable(self, revision: int) -> bool:
        """
        Whether the store can still be read as of a revision.
        """
        try:
            self.successResultOf(self.store.range("/", revision=revision))
        except Compacted:
            return False
        return True

    def test_young_history_stays(self) -> None:
        """
        As long as there are few revisions, all are kept.
        """
        self.write(20)
        self.clock.advance(INTERVAL)
        self.assertTrue(self.readable(1))

    def test_old_history_goes(self) -> None:
        """
        Revisions that nobody needs are forgotten; the newest ones stay, whatever happens again and again.
        """
        self.write(KEPT + 10)
        for _ in range(3):
            self.clock.advance(INTERVAL)
        self.assertFalse(self.readable(9))
        self.assertTrue(self.readable(10))

    def test_jobs_keep_what_they_read(self) -> None:
        """
        What an unfinished job has read stays until the job has ended.
        """
        self.write(KEPT + 10)
        self.oldest = 5
        self.clock.advance(INTERVAL)
        self.assertTrue(self.readable(5))
        self.oldest = None
        self.clock.advance(INTERVAL)
        self.assertFalse(self.readable(5))
