"""
Tests for L{gnttwist.masterd.master_address}.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import define, field

from twisted.internet.defer import Deferred
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import JobQueueFull, OperationError, OpExecError, to_wire
from gnttwist.masterd.master_address import REASON, SOURCE, MasterAddress
from gnttwist.model.job import Job, QueuedOp, Status
from tests.query.sources import View
from tests.units.world import cluster_of

OWN, FLOATING = "192.0.2.1", "192.0.2.77"
UP, DOWN = "OP_CLUSTER_ACTIVATE_MASTER_IP", "OP_CLUSTER_DEACTIVATE_MASTER_IP"


def job(op_id: str, status: Status, result: Any = None) -> View:
    """
    A job of one opcode.
    """
    op = QueuedOp(input={"OP_ID": op_id}, status=status, result=result)
    return View(Job(id=4, ops=[op], seed="", received_timestamp=(1, 2)))


@define(eq=False)
class FakeQueue:
    """
    Takes jobs, which end when it is told to.

    @ivar full: Why it takes none.
    @ivar asked: What it took, and whether a drained queue would have done so.
    """

    views: list[View] = field(factory=list)
    full: OperationError | None = None
    asked: list[tuple[Sequence[Mapping[str, Any]], bool]] = field(factory=list)
    waiting: list[tuple[Callable[[Any], bool], Deferred[bool | None]]] = field(factory=list)

    def recent(self) -> list[View]:
        """
        The jobs that have not ended, and one that has.
        """
        return self.views

    async def submit(
        self, ops: Sequence[Mapping[str, Any]], *, uid: int | None, even_if_drained: bool
    ) -> int:
        if self.full is not None:
            raise self.full
        self.asked.append((ops, even_if_drained))
        return 5

    async def wait_for_change(
        self, id: int, compute: Callable[[Any], bool], previous: bool | None, timeout: float
    ) -> bool | None:
        answer: Deferred[bool | None] = Deferred()
        self.waiting.append((compute, answer))
        return await answer

    def look(self, view: View | None) -> None:
        """
        The waiter looks at a job, or has waited long enough.
        """
        compute, answer = self.waiting.pop()
        answer.callback(None if view is None else compute(view))


class MasterAddressTests(SynchronousTestCase):
    """
    Tests for L{MasterAddress}.
    """

    def setUp(self) -> None:
        self.queue = FakeQueue()
        self.logged = EventLoggingObserver()
        globalLogPublisher.addObserver(self.logged)
        self.addCleanup(globalLogPublisher.removeObserver, self.logged)

    def started(self, address: str = FLOATING) -> MasterAddress:
        """
        What a daemon starts, once its queue is recovered.
        """
        config = cluster_of(2, master_ip=address)
        service = MasterAddress(self.queue, lambda: config, lambda: 12.5)
        service.startService()
        return service

    def lines(self) -> str:
        """
        What was logged.
        """
        return "\n".join(formatEvent(each) for each in self.logged)

    def test_asked_for(self) -> None:
        """
        One job is submitted, though the queue be drained, and its reason trail says who asked and when.
        """
        self.started()
        wanted = {"OP_ID": UP, "reason": [[SOURCE, REASON, 12_500_000_000]]}
        self.assertEqual(self.queue.asked, [([wanted], True)])

    def test_own(self) -> None:
        """
        An address that is the master's own needs no job.
        """
        self.started(OWN)
        self.assertEqual((self.queue.asked, self.queue.waiting), ([], []))

    def test_not_twice(self) -> None:
        """
        While a job about the address is queued or running none is added; ended ones and others do not count.
        """
        cases: list[tuple[str, Status, int]] = [
            (UP, "queued", 0),
            (UP, "running", 0),
            (DOWN, "waiting", 0),
            (UP, "success", 1),
            (UP, "error", 1),
            ("OP_CLUSTER_RENAME", "running", 1),
        ]
        for op_id, status, added in cases:
            self.queue.views = [job(op_id, status)]
            self.started()
            self.assertEqual(len(self.queue.asked), added, (op_id, status))
            self.queue.asked.clear()

    def test_succeeds(self) -> None:
        """
        A job that succeeds is no error, however long it takes.
        """
        self.started()
        self.queue.look(job(UP, "running"))
        self.queue.look(None)
        self.queue.look(job(UP, "success"))
        self.assertEqual(self.queue.waiting, [])
        self.assertNotIn("not up", self.lines())

    def test_fails(self) -> None:
        """
        How a job fails is logged, with what to do about it.
        """
        self.started()
        self.queue.look(job(UP, "error", to_wire(OpExecError("Another machine has it"))))
        self.assertIn("job 5: Another machine has it; to try again: gnt cluster activate", self.lines())
        self.started()
        self.queue.look(job(UP, "canceled"))
        self.assertIn("job 5: canceled", self.lines())

    def test_not_taken(self) -> None:
        """
        So is that a queue takes no job; it is no failure of the daemon.
        """
        self.queue.full = JobQueueFull()
        self.started()
        self.assertIn("gnt cluster activate-master-ip", self.lines())
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_stops(self) -> None:
        """
        A daemon that stops waits for no job, and logs nothing of it.
        """
        self.started().stopService()
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertNotIn("not", self.lines())
