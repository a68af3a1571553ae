"""
The cluster's own address comes up with gnt-masterd, which may have been started by a reboot that lost it.

A job asks for it, not this daemon: one that was interrupted while it gave the cluster another address goes on first,
with its locks, and is not undone; and administrators see what was asked, and how it ended.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from attrs import define, field

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import JobLost, OperationError, from_wire
from gnttwist.model.job import FINAL, Job
from gnttwist.model.opcode_cluster import OpClusterActivateMasterIp, OpClusterDeactivateMasterIp
from gnttwist.units.master_ip import is_own

SOURCE = "gnt:masterd"
"""
Who asks, in the job's reason trail.
"""

REASON = "gnt-masterd has started"
"""
Why.
"""

ADVICE = "to try again: gnt cluster activate-master-ip"

SAME = frozenset({OpClusterActivateMasterIp.op_id(), OpClusterDeactivateMasterIp.op_id()})
"""
The opcodes about nothing but the address. While a job of one of them has not ended, what it asks for holds.
"""

LOOK = 3600.0
"""
Seconds after which the job is looked at again, ended or not: it may wait as long as it has to.
"""


class View(Protocol):
    """
    A job that is in memory.
    """

    @property
    def job(self) -> Job:
        """
        The job.
        """


class Queue(Protocol):
    """
    What is asked of L{gnttwist.jobs.queue.Queue}.
    """

    def recent(self) -> Iterable[View]:
        """
        The jobs that have not ended, perhaps among others.
        """

    async def submit(
        self, ops: Sequence[Mapping[str, Any]], *, uid: int | None, even_if_drained: bool
    ) -> int:
        """
        Accept a job.
        """

    async def wait_for_change(
        self, id: int, compute: Callable[[Any], bool], previous: bool | None, timeout: float
    ) -> bool | None:
        """
        Wait until what C{compute} makes of a job differs from C{previous}.
        """


@define(eq=False, slots=False, repr=False)
class MasterAddress(Service):
    """
    Has a job bring the address up, once, where it is not simply the master's own.

    @ivar _queue: Recovered.
    @ivar _now: The wall clock, seconds since the epoch.
    """

    _log = Logger()
    _queue: Queue
    _config: Callable[[], Snapshot]
    _now: Callable[[], float]
    _asking: Deferred[None] | None = field(default=None, init=False)

    def startService(self) -> None:
        super().startService()
        self._asking = Deferred.fromCoroutine(self._ask())
        self._asking.addErrback(self._failed)

    def stopService(self) -> None:
        super().stopService()
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self) -> None:
        config = self._config()
        address = config.cluster.master_ip
        if is_own(config, address):
            return
        if any(each.input["OP_ID"] in SAME and each.status not in FINAL for each in self._ops()):
            self._log.info("a job about the cluster's address {address} is there already", address=address)
            return
        reason = [[SOURCE, REASON, int(self._now() * 1e9)]]
        wanted = {"OP_ID": OpClusterActivateMasterIp.op_id(), "reason": reason}
        # A queue that users may not fill is no reason for them not to find the cluster.
        id = await self._queue.submit([wanted], uid=None, even_if_drained=True)
        self._log.info("job {job} brings up the cluster's address {address}", job=id, address=address)
        await self._tell(id, address)

    def _ops(self) -> Iterable[Any]:
        return (op for view in self._queue.recent() for op in view.job.ops)

    async def _tell(self, id: int, address: str) -> None:
        """
        Log how the job ends, unless it succeeds.
        """
        ended: list[Job] = []

        def over(view: View) -> bool:
            if view.job.status in FINAL:
                ended.append(view.job)
            return bool(ended)

        while not ended:
            await self._queue.wait_for_change(id, over, False, LOOK)
        [op] = ended[0].ops
        if op.status != "success":
            self._log.error(
                "the cluster's address {address} is not up: job {job}: {reason}; {advice}",
                address=address,
                job=id,
                reason=from_wire(op.result) or op.status,
                advice=ADVICE,
            )

    def _failed(self, why: Failure) -> None:
        if why.check(JobLost):
            # It ended and was archived between two looks; its outcome is with it.
            return
        if why.check(OperationError):
            self._log.error(
                "the cluster's address is not brought up: {reason}; {advice}",
                reason=why.value,
                advice=ADVICE,
            )
        elif not why.check(CancelledError):
            self._log.failure("the cluster's address is not brought up", failure=why)
