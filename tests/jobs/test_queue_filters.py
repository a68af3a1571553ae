"""
Tests for how job filters and changed limits act on the queue.
"""

import random
from collections.abc import Callable
from typing import Any

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.errors import JobQueueFull
from gnttwist.jobs.limits import with_limits
from gnttwist.model.objects import JobFilter
from tests.jobs.test_queue import NOTHING, QueueCase, making


class FilterTests(QueueCase):
    """
    A queue with job filters in its configuration.
    """

    def edit(self, change: Callable[[Draft], Any]) -> None:
        """
        Change the configuration.
        """
        self.master.wait(
            self.master.configuration.edit("test", change, now=self.world.now(), source=random.Random(1))
        )

    def put(self, action: Any, *predicates: Any) -> JobFilter:
        """
        Set the only filter.
        """
        rule = JobFilter(uuid="rule", watermark=0, priority=0, predicates=list(predicates), action=action)
        self.edit(lambda draft: draft.put_filter(rule))
        return rule

    def test_paused(self) -> None:
        """
        A paused job stays queued, says why, and starts when the filter is gone; others go on meanwhile.
        """
        rule = self.put("PAUSE", ["opcode", ["==", "name", "a"]])
        held, free = self.master.submit(making("a")), self.master.submit(making("b"))
        self.master.run(10.0)
        self.assertEqual((self.statuses(held), self.statuses(free)), (["queued"], ["success"]))
        self.assertEqual(self.queue.held(held), "job filter rule pauses it")
        self.edit(lambda draft: draft.delete(rule))
        self.assertIsNone(self.queue.held(held))
        self.master.finish()
        self.assertEqual(self.statuses(held), ["success"])

    def test_paused_after_restart(self) -> None:
        """
        A job is still held by the next life of the daemon.
        """
        self.put("PAUSE")
        held = self.master.submit(NOTHING)
        self.restart()
        self.master.run(1.0)
        self.assertEqual(self.statuses(held), ["queued"])

    def test_rejected(self) -> None:
        """
        A new filter cancels the queued jobs that it rejects, and new ones as they come; running ones go on.
        """
        running = self.master.submit(making("a"))
        self.master.run(1.0)
        queued = self.master.submit({**NOTHING, "depends": [[running, []]]}, NOTHING)
        self.put("REJECT")
        later = self.master.submit(NOTHING)
        self.master.run(0.1)
        for each in (queued, later):
            self.assertEqual(set(self.statuses(each)), {"canceled"})
            self.assertEqual(self.results(each)[0], "Job rejected by filter rule rule")
        self.master.finish()
        self.assertEqual(self.statuses(running), ["success"])

    def test_rate_limited(self) -> None:
        """
        Jobs of a limited kind run one after the other, and all of them run.
        """
        self.put(["RATE_LIMIT", 1])
        jobs = [self.master.submit(making(name)) for name in "abc"]
        self.master.run(0.5)
        self.assertEqual([self.statuses(each) for each in jobs[1:]], [["queued"], ["queued"]])
        self.master.finish()
        self.assertEqual([self.statuses(each) for each in jobs], [["success"]] * 3)

    def test_more_places(self) -> None:
        """
        A raised limit of running jobs starts more of them at once.
        """
        cluster = self.master.configuration.snapshot.cluster
        self.edit(lambda draft: draft.put(msgspec.structs.replace(cluster, max_running_jobs=1)))
        first, second = self.master.submit(making("a")), self.master.submit(making("b"))
        self.master.run(0.5)
        self.assertEqual((self.statuses(first), self.statuses(second)), (["running"], ["queued"]))
        self.edit(lambda draft: draft.put(msgspec.structs.replace(cluster, max_running_jobs=2)))
        self.master.run(0.1)
        self.assertEqual(self.statuses(second), ["running"])
        self.master.finish()

    def test_queue_limit(self) -> None:
        """
        A lowered limit of queued jobs refuses new ones at once, and those that are there go on.
        """
        cluster = self.master.configuration.snapshot.cluster
        jobs = [self.master.submit(NOTHING) for _ in range(3)]
        self.edit(lambda draft: draft.put(with_limits(cluster, None, 2)))
        self.assertRaises(JobQueueFull, self.master.submit, NOTHING)
        self.master.finish()
        self.assertEqual([self.statuses(each) for each in jobs], [["success"]] * 3)
        self.master.submit(NOTHING)
