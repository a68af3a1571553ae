"""
Tests for L{gnttwist.jobs.subscriptions}.
"""

from typing import Any

import msgspec

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import JobLost
from gnttwist.jobs.live import JobView, Progress
from gnttwist.jobs.subscriptions import COALESCE, Subscriptions
from gnttwist.model.job import Job, QueuedOp, Status

JOB = Job(id=1, ops=[QueuedOp(input={})], seed="00", received_timestamp=(1, 0))


def status(view: JobView) -> str:
    """
    What the waiters of these tests look at.
    """
    return view.job.status


class SubscriptionTests(SynchronousTestCase):
    """
    Tests for L{Subscriptions}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.views: dict[int, JobView] = {1: JobView(JOB)}
        self.subscriptions = Subscriptions(self.clock, self.views.get, self.load)

    async def load(self, id: int) -> JobView | None:
        """
        Nothing is anywhere else.
        """
        return None

    def wait(self, previous: Any = "queued", timeout: float = 10.0, **arguments: Any) -> Deferred[Any]:
        """
        A waiter.
        """
        return Deferred.fromCoroutine(
            self.subscriptions.wait_for_change(1, status, previous, timeout, **arguments)
        )

    def become(self, status: Status, archived: bool = False) -> None:
        """
        Change the job.
        """
        op = msgspec.structs.replace(JOB.ops[0], status=status)
        self.views[1] = JobView(msgspec.structs.replace(JOB, ops=[op], archived=archived))
        self.subscriptions.changed(self.views[1])

    def test_different_already(self) -> None:
        """
        Who has seen nothing, or something else, is answered at once.
        """
        self.assertEqual(self.successResultOf(self.wait(None)), "queued")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_ended_already(self) -> None:
        """
        A job that has ended answers at once, whatever was seen.
        """
        self.become("success")
        self.assertEqual(self.successResultOf(self.wait("success")), "success")

    def test_coalesced(self) -> None:
        """
        A burst of changes is one answer, of the newest state.
        """
        waiter = self.wait()
        self.become("waiting")
        self.become("running")
        self.assertNoResult(waiter)
        self.clock.advance(COALESCE)
        self.assertEqual(self.successResultOf(waiter), "running")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_final_at_once(self) -> None:
        """
        The end of a job is told without delay, to all.
        """
        waiters = [self.wait() for _ in range(3)]
        self.become("running")
        self.become("error")
        self.assertEqual([self.successResultOf(each) for each in waiters], ["error"] * 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nothing_new(self) -> None:
        """
        A change of something else does not answer; the time that is left goes on.
        """
        waiter = self.wait(timeout=1.0)
        self.views[1] = JobView(JOB, progress={"x": Progress(1)})
        self.subscriptions.changed(self.views[1])
        self.clock.advance(0.6)
        self.assertNoResult(waiter)
        self.clock.advance(0.5)
        self.assertIsNone(self.successResultOf(waiter))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_lost(self) -> None:
        """
        A job that is not there, or archived, is lost.
        """
        del self.views[1]
        self.failureResultOf(self.wait(), JobLost)
        self.become("success", archived=True)
        self.failureResultOf(self.wait(), JobLost)

    def test_client_gone(self) -> None:
        """
        A waiter that is cancelled leaves nothing behind, and does not disturb the others.
        """
        first, second = self.wait(), self.wait()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.become("success")
        self.assertEqual(self.successResultOf(second), "success")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_shared(self) -> None:
        """
        Waiters that ask the same share one answer.
        """
        computed = []

        def compute(view: JobView) -> list[str]:
            computed.append(view)
            return [view.job.status]

        waiters = [
            Deferred.fromCoroutine(
                self.subscriptions.wait_for_change(1, compute, ["queued"], 10.0, shared="status")
            )
            for _ in range(5)
        ]
        self.become("success")
        answers = [self.successResultOf(each) for each in waiters]
        self.assertEqual(answers, [["success"]] * 5)
        self.assertEqual(len({id(each) for each in answers}), 1)
        self.assertEqual(len(computed), 2)
