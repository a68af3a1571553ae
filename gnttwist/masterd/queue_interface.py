"""
What gnt-masterd's methods ask of the job queue.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from gnttwist.query.sources import Jobs, JobView

T = TypeVar("T")


class Queue(Jobs, Protocol):
    """
    What is asked of the queue: L{gnttwist.jobs.queue.Queue}.
    """

    @property
    def drained(self) -> bool:
        """
        Whether it takes no jobs.
        """

    def held(self, id: int) -> str | None:
        """
        How filters keep a queued job from starting.
        """

    def job(self, id: int) -> JobView | None:
        """
        One job that is not archived; it may lack its log.
        """

    def recent(self) -> Iterable[JobView]:
        """
        The jobs that have not ended, perhaps among others.
        """

    def over(self, before: float | None) -> list[int]:
        """
        The jobs that can be archived, of those that ended before a time.
        """

    async def submit(
        self,
        ops: Sequence[Mapping[str, Any]],
        *,
        uid: int | None,
        raw: bytes | None = None,
        even_if_drained: bool = False,
    ) -> int:
        """
        Accept a job.
        """

    async def submit_many(
        self, jobs: Sequence[Sequence[Mapping[str, Any]]], *, uid: int | None, raw: bytes | None = None
    ) -> list[list[Any]]:
        """
        Accept jobs.
        """

    def answered(self, id: int) -> None:
        """
        The client of a submission has its answer.
        """

    async def wait_for_change(
        self,
        id: int,
        compute: Callable[[Any], T],
        previous: T | None,
        timeout: float,
        *,
        shared: Hashable = None,
    ) -> T | None:
        """
        Wait until what C{compute} makes of a job differs from C{previous}, or the job has ended.
        """

    async def wait_for_any_change(
        self, jobs: Collection[int] | None, since: int, timeout: float, *, moment: int | None = None
    ) -> tuple[int, Sequence[Any], int]:
        """
        Wait until one of these jobs, or of all, has changed since a revision.

        @return: The revision to go on from, the changed jobs, and the moment to go on from.
        """

    async def cancel(self, id: int, kill: bool = False) -> tuple[bool, str]:
        """
        Ask a job to end.
        """

    async def archive(self, id: int) -> bool:
        """
        Put a finished job away.
        """

    async def change_priority(self, id: int, priority: int) -> tuple[bool, str]:
        """
        Change a job's priority.
        """

    async def set_drained(self, drained: bool) -> None:
        """
        Take jobs, or not.
        """
