"""
Tests for L{gnttwist.rapi.waiting}.
"""

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.client.luxi import NotReachable
from gnttwist.client.luxi_async import LuxiPool
from gnttwist.errors import JobLost
from gnttwist.rapi.waiting import TOLD_AT_ONCE, JobWaits


class FakePool:
    """
    Keeps the calls, and answers when the test says so.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.pending: list[Deferred[Any]] = []
        self.cancelled = 0

    async def call(self, *call: Any) -> Any:
        """
        Wait for the test.
        """
        self.calls.append(call)

        def cancel(each: Any) -> None:
            self.cancelled += 1
            self.pending.remove(each)

        self.pending.append(Deferred(cancel))
        return await self.pending[-1]

    def answer(self, result: Any) -> None:
        """
        Answer the oldest call.
        """
        self.pending.pop(0).callback(result)


class JobWaitsTests(SynchronousTestCase):
    """
    Tests for L{JobWaits}.
    """

    def setUp(self) -> None:
        """
        Nobody waits.
        """
        self.clock = Clock()
        self.following, self.pool = FakePool(), FakePool()
        self.waits = JobWaits(self.clock, cast(LuxiPool, self.following), cast(LuxiPool, self.pool))

    def wait(self, job: int = 5, previous: Any = None, timeout: float = 10.0) -> Deferred[Any]:
        """
        Wait for a job.
        """
        known = ["running"] if previous is None else previous
        waiting = Deferred.fromCoroutine(self.waits.wait(job, ["status"], known, None, timeout))
        # Left alone, its coroutine would be ended some time during another test.
        self.addCleanup(self.leave, waiting)
        return waiting

    def leave(self, waiting: Deferred[Any]) -> None:
        """
        Wait no longer.
        """
        if not waiting.called:
            waiting.addErrback(lambda _: None)
            waiting.cancel()

    def started(self, count: int = 1) -> list[Deferred[Any]]:
        """
        Clients that have looked, and wait.
        """
        waiting = [self.wait() for _ in range(count)]
        self.following.answer([100, [], 1])
        self.pool.answer([["running"], []])
        self.clock.pump([0] * (count // TOLD_AT_ONCE + 1))
        return waiting

    def test_many_cost_one_call(self) -> None:
        """
        However many wait for the same, one call follows, and one looks; all are told of the change.
        """
        count = 3 * TOLD_AT_ONCE
        waiting = self.started(count)
        self.assertEqual((len(self.following.calls), len(self.pool.calls)), (2, 1))
        self.following.answer([101, [[5, ["success"]]], 2])
        self.clock.pump([0] * 10)
        while self.pool.pending:
            self.pool.answer([["success"], []])
            self.clock.pump([0] * 10)
        self.assertLessEqual(len(self.pool.calls), 1 + count // TOLD_AT_ONCE)
        for each in waiting:
            self.assertEqual(self.successResultOf(each), [["success"], []])
        self.assertEqual(self.waits.count, 0)

    def test_other_jobs(self) -> None:
        """
        Changes of other jobs wake nobody.
        """
        (waiting,) = self.started()
        self.following.answer([101, [[6, ["success"]]], 2])
        self.assertNoResult(waiting)
        self.assertEqual(len(self.pool.calls), 1)

    def test_nothing_in_time(self) -> None:
        """
        When nothing changes in time the answer is that, and nobody follows jobs any more.
        """
        (waiting,) = self.started()
        self.clock.advance(10)
        self.assertIsNone(self.successResultOf(waiting))
        self.assertEqual(self.following.cancelled, 1)

    def test_ended_job(self) -> None:
        """
        A job that has ended is not waited for.
        """
        waiting = self.wait(previous=["success"])
        self.following.answer([100, [], 1])
        self.pool.answer([["success"], []])
        self.assertEqual(self.successResultOf(waiting), [["success"], []])

    def test_client_gone(self) -> None:
        """
        A client that goes away takes nothing from those who share its question.
        """
        first, second = self.wait(), self.wait()
        self.following.answer([100, [], 1])
        first.cancel()
        self.failureResultOf(first)
        self.pool.answer([["waiting"], []])
        self.assertEqual(self.successResultOf(second), [["waiting"], []])
        self.assertEqual(self.waits.count, 0)

    def test_lost_and_gone(self) -> None:
        """
        A job that is not there is told, and so is a master that goes away; the next client starts anew.
        """
        waiting = self.wait()
        self.following.answer([100, [], 1])
        self.pool.pending.pop(0).errback(JobLost("no"))
        self.failureResultOf(waiting, JobLost)
        (waiting,) = self.started()
        self.following.pending.pop(0).errback(NotReachable("gone"))
        self.failureResultOf(waiting, NotReachable)
        self.assertEqual(self.waits.count, 0)
        self.started()
