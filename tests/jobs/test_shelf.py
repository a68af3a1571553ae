"""
Tests for L{gnttwist.jobs.shelf}, and for the queue's use of it.
"""

from typing import Any

from twisted.internet.defer import Deferred

from gnttwist.jobs.live import JobView
from gnttwist.jobs.roster import LINGER
from gnttwist.jobs.shelf import Kept
from tests.jobs.test_queue import NOTHING, QueueCase, making


class ShelfTests(QueueCase):
    """
    What becomes of jobs that have ended.
    """

    def make(self) -> int:
        """
        A job that has ended and has lines in its log.
        """
        job = self.master.submit(making("a"))
        self.master.finish()
        return job

    def put_away(self) -> None:
        """
        Let so much time pass that jobs that have ended are kept only in part.
        """
        self.world.clock.advance(LINGER)
        self.assertTrue(all(isinstance(each, Kept) for each in self.queue.jobs()))

    def test_whole(self) -> None:
        """
        A job that ended a while ago is as it was, its log read from the store; also after a restart, or archived.
        """
        job = self.make()
        before = self.master.view(job)
        self.assertNotEqual(list(before.log), [])
        self.put_away()
        for change in (lambda: None, self.restart, lambda: self.wait(self.queue.archive(job)), self.restart):
            change()
            after = self.master.view(job)
            self.assertEqual([op.result for op in after.job.ops], [op.result for op in before.job.ops])
            self.assertEqual(list(after.log), list(before.log))
            self.assertEqual(after.log_since(0), before.log_since(0))
            for mark in range(before.revision + 1):
                self.assertEqual(list(after.log_since(mark)), list(before.log_since(mark)))

    def test_waited_for(self) -> None:
        """
        Who waits for a job that ended a while ago is answered at once, with its lines.
        """
        job = self.make()
        lines = self.master.texts(job)
        self.put_away()

        def texts(view: JobView) -> list[Any]:
            return [each.payload for each in view.log]

        self.assertEqual(self.wait(self.queue.wait_for_change(job, texts, None, 60)), lines)

    def test_cursor(self) -> None:
        """
        Who asks for any changes with the last answer's revision gets each line once, whenever he asks.
        """
        whole: list[Any] = []
        since = 0
        job = self.master.submit(making("a"))
        while not self.master.is_idle():
            waiting = Deferred.fromCoroutine(self.queue.wait_for_any_change(None, since, 5, moment=0))
            self.master.run(0.3)
            if waiting.called:
                revision, views, _ = self.successResultOf(waiting)
                whole += [each.payload for view in views for each in view.log_since(since)]
                since = revision
            else:
                waiting.addErrback(lambda failure: None).cancel()
        self.put_away()
        _, views, _ = self.wait(self.queue.wait_for_any_change(None, since, 0, moment=0))
        whole += [each.payload for view in views for each in view.log_since(since)]
        self.assertEqual(whole, self.master.texts(job))

    def test_archived(self) -> None:
        """
        Archived jobs are not among the others, can be listed, and are what jobs that depend on them look at.
        """
        job = self.master.submit(NOTHING)
        self.master.finish()
        self.assertEqual(self.queue.over(None), [job])
        self.assertEqual(self.queue.over(0.0), [])
        self.wait(self.queue.archive(job))
        self.assertEqual((list(self.queue.jobs()), self.queue.over(None)), ([], []))
        self.assertIsNone(self.queue.job(job))

        async def archived() -> list[int]:
            return [each.id async for each in self.queue.archived()]

        self.assertEqual(self.wait(archived()), [job])
        later = self.master.submit({**NOTHING, "depends": [[job, ["success"]]]})
        self.master.finish()
        self.assertEqual(self.statuses(later), ["success"])

    def test_ended_already(self) -> None:
        """
        Jobs that ended a while ago can neither be cancelled nor made more urgent.
        """
        job = self.make()
        self.put_away()
        told = (False, f"Job {job} has already ended")
        self.assertEqual(self.wait(self.queue.cancel(job)), told)
        self.assertEqual(self.wait(self.queue.change_priority(job, 1)), told)
