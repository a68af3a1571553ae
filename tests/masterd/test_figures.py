"""
Tests for L{gnttwist.masterd.figures}.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from attrs import define, field

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.jobs.granting import LockWaits
from gnttwist.jobs.locks import LockRow
from gnttwist.masterd.figures import Counters, Figures
from gnttwist.model.job import Job, QueuedOp, Status
from gnttwist.query.sources import JobView
from tests.query.sources import View


@define
class FakeQueue:
    """
    A queue whose changes the test makes.
    """

    lock_waits: LockWaits = field(factory=lambda: LockWaits(4, 1, 2.5))
    unended: list[View] = field(factory=list)
    asked: list[tuple[Any, int]] = field(factory=list)
    waiting: Deferred[Any] | None = None

    def locks(self) -> Iterable[LockRow]:
        """
        None.
        """
        return []

    def recent(self) -> Iterable[JobView]:
        """
        What the test says.
        """
        return self.unended

    async def wait_for_any_change(
        self, jobs: Any, since: int, timeout: float, *, moment: int | None = None
    ) -> tuple[int, Any, int]:
        """
        Wait for the test; who asks for no job is told the revision at once.
        """
        self.asked.append((jobs, since))
        if jobs is not None:
            return 41, [], 0
        self.waiting = Deferred()
        found: tuple[int, Any, int] = await self.waiting
        return found

    def change(self, *jobs: Job) -> None:
        """
        These have changed.
        """
        assert self.waiting is not None
        self.waiting.callback((42, [View(each) for each in jobs], 0))


def job(status: Status, *times: int) -> Job:
    """
    A job of one opcode that began to wait, ran and ended at these seconds.
    """
    began, ran, ended = [(each, 0) for each in times]
    op = QueuedOp(
        input={"OP_ID": "OP_TEST_DELAY"},
        status=status,
        start_timestamp=began,
        exec_timestamp=ran,
        end_timestamp=ended,
    )
    return Job(
        id=7, ops=[op], seed="", received_timestamp=(100, 0), start_timestamp=began, end_timestamp=ended
    )


async def confd() -> dict[str, Any]:
    """
    What gnt-confd has counted.
    """
    return {"node1": {"answered": 3}}


class FiguresTests(SynchronousTestCase):
    """
    Tests for L{Figures}.
    """

    def setUp(self) -> None:
        self.queue, self.counters = FakeQueue(), Counters()
        self.figures = Figures(self.counters, lambda: 200.0, self.queue, lambda: {"server.pem": 5.0}, confd)
        self.figures.start()

    def test_from_the_start(self) -> None:
        """
        Opcodes are counted from the start, before anybody asks, and each once: archiving is no end.
        """
        ended = job("success", 103, 104, 110)
        self.queue.change(ended)
        self.queue.change(job("error", 101, 101, 102), msgspec.structs.replace(ended, archived=True))
        told = self.figures.counted()
        self.assertEqual(told["opcodes"], {"OP_TEST_DELAY": [2, 1, 7.0]})
        self.assertEqual(told["queued"], [2, 0, 4.0])
        self.assertEqual(self.queue.asked[:2], [({0}, 0), (None, 41)])

    def test_told(self) -> None:
        """
        What gnt-confd has counted is told with the rest.
        """
        told = self.successResultOf(Deferred.fromCoroutine(self.figures.tell()))
        self.assertEqual(told, {**self.figures.counted(), "confd": {"node1": {"answered": 3}}})

    def test_stopped(self) -> None:
        """
        A stop ends the wait for jobs without a word.
        """
        self.figures.stop()
        self.assertEqual(self.figures.counted()["opcodes"], {})

    def test_locks_and_certificates(self) -> None:
        """
        What waiting for locks has cost is told, and when certificates end.
        """
        told = self.figures.counted()
        self.assertEqual((told["lock_waits"], told["certificates"]), ([4, 1, 2.5], {"server.pem": 5.0}))

    def test_calls(self) -> None:
        """
        Calls are told while they are under way, and counted when they have ended.
        """
        for _ in range(2):
            self.counters.calling("node1")
        self.counters.called("node1", "version", 0.5, succeeded=True)
        told: dict[str, Any] = self.figures.counted()
        self.assertEqual((told["running"], told["calls"]), ({"node1": 1}, [["node1", "version", 1, 0, 0.5]]))
        self.counters.called("node1", "version", 0.5, succeeded=False)
        told = self.figures.counted()
        self.assertEqual((told["running"], told["calls"]), ({}, [["node1", "version", 2, 1, 1.0]]))

    def test_jobs(self) -> None:
        """
        Jobs that have not ended are counted by status, and the oldest queued one's age is told.
        """
        queued = QueuedOp(input={"OP_ID": "OP_TEST_DELAY"}, status="queued")
        ages: Sequence[int] = (150, 190)
        self.queue.unended = [
            View(Job(id=each, ops=[queued], seed="", received_timestamp=(each, 0))) for each in ages
        ]
        told = self.figures.counted()
        self.assertEqual((told["jobs"], told["oldest_queued"]), ({"queued": 2}, 50.0))
