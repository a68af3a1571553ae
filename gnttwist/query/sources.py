"""
What queries read: everything comes in by argument, so that a query is a function of it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from attrs import field, frozen

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError
from gnttwist.jobs.locks import LockRow
from gnttwist.model.job import Job, LogEntry
from gnttwist.model.objects import Node


class JobView(Protocol):
    """
    A job and its log, as of one moment.
    """

    @property
    def id(self) -> int:
        """
        Its number.
        """

    @property
    def job(self) -> Job:
        """
        The job.
        """

    @property
    def log(self) -> Sequence[LogEntry]:
        """
        Its log, in order.
        """


class Jobs(Protocol):
    """
    The queue, as queries see it.
    """

    def jobs(self) -> Iterable[JobView]:
        """
        All jobs but archived ones; those that have ended may lack their logs.
        """

    def archived(self) -> AsyncIterator[JobView]:
        """
        All archived jobs, without their logs.
        """

    async def load(self, id: int, log: bool) -> JobView | None:
        """
        One job, archived or not; with its log, if that is wanted.
        """


@frozen
class LiveCall:
    """
    A question to a node: a function that changes nothing.
    """

    node: Node
    function: str
    arguments: Sequence[Any]


Live = Callable[[Sequence[LiveCall]], Awaitable[Sequence[Any | NodeError]]]
"""
Asks all nodes at once. Gives payloads, or why there is none, in the order of the calls; raises no L{NodeError}.
A node that does not answer must not hold up the others' answers for longer than a user waits for a list.
"""


@frozen
class Sources:
    """
    What queries read.

    @ivar locks: All locks that are held or waited for.
    @ivar seconds: Monotonic time.
    @ivar pause: Lets others use the reactor for a moment; long answers are made in portions.
    @ivar cluster: What queries of the cluster itself tell, by field.
    @ivar loaded_jobs: Those that were read from the store for this query, by number.
    """

    config: Snapshot
    live: Live
    jobs: Jobs
    locks: Callable[[], Iterable[LockRow]]
    pause: Callable[[], Awaitable[object]]
    seconds: Callable[[], float]
    cluster: Callable[[], Mapping[str, Any]] = dict
    loaded_jobs: Mapping[int, JobView] = field(factory=dict)
