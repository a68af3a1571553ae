"""
What gnt-masterd's methods ask of the job queue.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from gnttwist.query.sources import Jobs

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
        self, jobs: Sequence[Sequence[Mapping[str, Any]]], *, uid: int | None
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
        self, jobs: Collection[int] | None, since: int, timeout: float
    ) -> tuple[int, Sequence[Any]]:
        """
        Wait until one of these jobs, or of all, has changed since a revision.

        @return: The revision to go on from, and the changed jobs.
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
