"""
Figures for monitoring: counted as things happen, put together when they are asked for.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from attrs import define, field

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.jobs.granting import LockWaits
from gnttwist.jobs.locks import LockRow
from gnttwist.model.job import FINAL, Job
from gnttwist.query.sources import JobView

SERIES_LIMIT = 20_000
"""
Most pairs of node and function that are told apart, each for 300 bytes; what comes later is counted as C{other}.
"""

FOLLOW_TIME = 60.0
"""
Seconds that one wait for jobs takes.
"""


class Jobs(Protocol):
    """
    The queue.
    """

    @property
    def lock_waits(self) -> LockWaits:
        """
        What waiting for locks has cost so far.
        """

    def locks(self) -> Iterable[LockRow]:
        """
        All locks that are held or waited for.
        """

    def recent(self) -> Iterable[JobView]:
        """
        The jobs that have not ended, perhaps among others.
        """

    async def wait_for_any_change(
        self, jobs: Any, since: int, timeout: float, *, moment: int | None = None
    ) -> tuple[int, Any, int]:
        """
        Wait until one of these jobs, or of all, has changed since a revision.
        """


@define
class Series:
    """
    What happened of one kind.
    """

    count: int = 0
    failures: int = 0
    seconds: float = 0.0

    def add(self, seconds: float, *, succeeded: bool) -> None:
        """
        Once more.
        """
        self.count += 1
        self.failures += not succeeded
        self.seconds += seconds

    def told(self) -> list[Any]:
        """
        As JSON values.
        """
        return [self.count, self.failures, self.seconds]


@define(eq=False, repr=False)
class Counters:
    """
    What is counted as it happens.

    @ivar requests: LUXI calls by method.
    @ivar calls: Calls to nodes, by node and function.
    @ivar running: Calls that are under way, by node.
    """

    requests: dict[str, Series] = field(factory=dict)
    calls: dict[tuple[str, str], Series] = field(factory=dict)
    running: Counter[str] = field(factory=Counter)

    def requested(self, method: str, seconds: float, *, succeeded: bool) -> None:
        """
        A LUXI call was answered. Methods are few.
        """
        self.requests.setdefault(method, Series()).add(seconds, succeeded=succeeded)

    def calling(self, node: str) -> None:
        """
        A call to a node begins.
        """
        self.running[node] += 1

    def called(self, node: str, function: str, seconds: float, *, succeeded: bool) -> None:
        """
        A call to a node ended.
        """
        self.running[node] -= 1
        if not self.running[node]:
            del self.running[node]
        key = (node, function)
        if key not in self.calls and len(self.calls) >= SERIES_LIMIT:
            key = ("other", "other")
        self.calls.setdefault(key, Series()).add(seconds, succeeded=succeeded)


@define(eq=False, repr=False)
class Figures:
    """
    Answers QueryMetrics.

    @ivar counters: What is counted as it happens.
    @ivar _confd: Asks the candidates' gnt-confd what they have counted, by node.
    @ivar _certificates: By file, when its certificate ends, in seconds since the epoch.
    @ivar _opcodes: Ended opcodes by OP_ID.
    @ivar _queued: How long jobs were queued.
    """

    _log = Logger()
    counters: Counters
    _now: Callable[[], float]
    _jobs: Jobs
    _certificates: Callable[[], Mapping[str, float]]
    _confd: Callable[[], Awaitable[Mapping[str, Any]]]
    _opcodes: dict[str, Series] = field(factory=dict, init=False)
    _queued: Series = field(factory=Series, init=False)
    _following: Deferred[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """
        Count jobs that end from now on.
        """
        self._following = following = Deferred.fromCoroutine(self._follow())
        following.addBoth(self._ended)

    async def tell(self) -> dict[str, Any]:
        """
        The figures as of now, as JSON values.
        """
        return {**self.counted(), "confd": await self._confd()}

    def counted(self) -> dict[str, Any]:
        """
        Those that this process has counted itself.
        """
        unended = [each.job for each in self._jobs.recent() if each.job.status not in FINAL]
        received = [_float(each.received_timestamp) for each in unended if each.status == "queued"]
        rows = list(self._jobs.locks())
        waits = self._jobs.lock_waits
        return {
            "jobs": Counter(each.status for each in unended),
            "oldest_queued": max(0.0, self._now() - min(received)) if received else 0.0,
            "locks": {
                "held": sum(1 for each in rows if each.owners),
                "waiting": sum(len(each.pending) for each in rows),
            },
            "lock_waits": [waits.count, waits.given_up, waits.seconds],
            "certificates": dict(self._certificates()),
            "running": dict(self.counters.running),
            "requests": {name: each.told() for name, each in self.counters.requests.items()},
            "calls": [[*key, *each.told()] for key, each in self.counters.calls.items()],
            "opcodes": {name: each.told() for name, each in self._opcodes.items()},
            "queued": self._queued.told(),
        }

    def stop(self) -> None:
        """
        Count no further jobs.
        """
        if self._following is not None:
            self._following.cancel()

    async def _follow(self) -> None:
        # No job has the number 0: only the revision to begin with is told.
        revision, _, _ = await self._jobs.wait_for_any_change({0}, 0, 0)
        while True:
            revision, views, _ = await self._jobs.wait_for_any_change(None, revision, FOLLOW_TIME)
            for each in views:
                # An ended job changes once more, when it is archived.
                if each.job.status in FINAL and not each.job.archived:
                    self._count(each.job)

    def _count(self, job: Job) -> None:
        if job.start_timestamp is not None:
            queued = _float(job.start_timestamp) - _float(job.received_timestamp)
            self._queued.add(max(0.0, queued), succeeded=True)
        for op in job.ops:
            if op.exec_timestamp is None or op.end_timestamp is None:
                continue
            taken = max(0.0, _float(op.end_timestamp) - _float(op.exec_timestamp))
            series = self._opcodes.setdefault(str(op.input["OP_ID"]), Series())
            series.add(taken, succeeded=op.status == "success")

    def _ended(self, result: Any) -> None:
        self._following = None
        if isinstance(result, Failure) and not result.check(CancelledError):
            self._log.failure("counting ended jobs", failure=result)


def _float(timestamp: tuple[int, int]) -> float:
    return timestamp[0] + timestamp[1] / 1e6
