"""
Tests for L{gnttwist.jobs.subscriptions}: waiting for any of several jobs.
"""

from collections.abc import Collection

from attrs import evolve

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.jobs.live import JobView, Progress
from gnttwist.jobs.subscriptions import COALESCE, TOLD_AT_ONCE, Subscriptions
from gnttwist.model.job import Job, QueuedOp, Status

Told = tuple[int, list[int]]


class AnyChangeTests(SynchronousTestCase):
    """
    Tests for L{Subscriptions.wait_for_any_change}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.views: dict[int, JobView] = {}
        self.subscriptions = Subscriptions(self.clock, self.views.get, self.load)
        self.stored: dict[int, JobView] = {}
        self.revision = 0

    async def load(self, id: int) -> JobView | None:
        """
        A job that is not in memory.
        """
        return self.stored.get(id)

    def become(self, *jobs: int, status: Status = "running") -> None:
        """
        Change jobs, in one transaction.
        """
        self.revision += 1
        for id in jobs:
            job = Job(id=id, ops=[QueuedOp(input={}, status=status)], seed="00", received_timestamp=(1, 0))
            self.views[id] = JobView(job, revision=self.revision)
            self.subscriptions.changed(self.views[id])

    def wait(self, since: int, jobs: Collection[int] | None = None, timeout: float = 10.0) -> Deferred[Told]:
        """
        A waiter: the revision that he is told, and the jobs' numbers.
        """
        waiting = Deferred.fromCoroutine(self.subscriptions.wait_for_any_change(jobs, since, timeout))
        return waiting.addCallback(lambda told: (told[0], [view.job.id for view in told[1]]))

    def test_all(self) -> None:
        """
        Who knows nothing is told of all jobs at once, who knows something of what changed since.
        """
        self.become(1)
        self.become(2)
        self.assertEqual(self.successResultOf(self.wait(0)), (2, [1, 2]))
        self.become(1)
        self.assertEqual(self.successResultOf(self.wait(2)), (3, [1]))

    def test_waits(self) -> None:
        """
        Changes of a moment come together, also of jobs that were not there before.
        """
        self.become(1)
        waiting = self.wait(1)
        self.become(2)
        self.become(1)
        self.assertNoResult(waiting)
        self.clock.advance(COALESCE)
        self.assertEqual(self.successResultOf(waiting), (3, [2, 1]))

    def test_end(self) -> None:
        """
        The end of a job is told at once.
        """
        waiting = self.wait(0)
        self.become(1, status="success")
        self.assertEqual(self.successResultOf(waiting), (1, [1]))

    def test_some(self) -> None:
        """
        Other jobs than those that were asked for wake nobody, and need not be looked at again.
        """
        waiting = self.wait(0, {2})
        self.become(1, status="success")
        self.assertNoResult(waiting)
        self.clock.advance(10)
        self.assertEqual(self.successResultOf(waiting), (1, []))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_progress(self) -> None:
        """
        Progress, which is not durable, is no change.
        """
        self.become(1)
        waiting = self.wait(1)
        job = self.views[1].job
        self.subscriptions.changed(JobView(job, progress={"x": Progress(1)}, revision=1))
        self.clock.advance(1)
        self.assertNoResult(waiting)

    def test_progress_asked_for(self) -> None:
        """
        Who asks for progress is told of it, once, and of the jobs that have changed beside.
        """

        def ask(since: int, moment: int) -> Deferred[tuple[int, list[JobView], int]]:
            return Deferred.fromCoroutine(
                self.subscriptions.wait_for_any_change(None, since, 10.0, moment=moment)
            )

        self.become(1, 2)
        revision, found, moment = self.successResultOf(ask(0, 0))
        self.assertEqual((revision, [each.id for each in found], moment), (1, [1, 2], 0))
        waiting = ask(1, 0)
        self.views[1] = evolve(self.views[1], progress={"x": Progress(1)})
        self.subscriptions.changed(self.views[1])
        self.clock.advance(COALESCE)
        self.assertEqual(self.successResultOf(waiting), (1, [self.views[1]], 1))
        self.assertNoResult(ask(1, 1))
        self.become(2)
        self.assertEqual(self.successResultOf(ask(1, 0)), (2, [self.views[2], self.views[1]], 1))
        self.become(1, status="success")
        self.assertEqual(self.successResultOf(ask(2, 1)), (3, [self.views[1]], 1))

    def test_stored(self) -> None:
        """
        Jobs that are not in memory any more are read from the store.
        """
        self.become(1, 2, status="success")
        self.stored[1] = self.views.pop(1)
        self.assertEqual(self.successResultOf(self.wait(0)), (1, [1, 2]))

    def test_many(self) -> None:
        """
        Very many changes are told in portions that lose none, though one transaction's stay together.
        """
        for id in range(1, TOLD_AT_ONCE):
            self.become(id)
        self.become(*range(TOLD_AT_ONCE, TOLD_AT_ONCE + 5))
        self.become(TOLD_AT_ONCE + 5)
        revision, jobs = self.successResultOf(self.wait(0))
        self.assertEqual(jobs, list(range(1, TOLD_AT_ONCE + 5)))
        self.assertEqual(self.successResultOf(self.wait(revision))[1], [TOLD_AT_ONCE + 5])

    def test_restart(self) -> None:
        """
        A revision is good after a restart, too; one that lies ahead belongs to another store, and all are told.
        """
        self.become(2)
        self.become(1)
        later = Subscriptions(self.clock, self.views.get, self.load)
        later.restore({1: 2, 2: 1})
        self.subscriptions = later
        self.assertEqual(self.successResultOf(self.wait(1)), (2, [1]))
        self.assertEqual(self.successResultOf(self.wait(99)), (2, [2, 1]))
