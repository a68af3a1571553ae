"""
What jobs run on: everything comes in by argument.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import frozen

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from gnttwist.config.service import Configuration
from gnttwist.errors import OperationError
from gnttwist.jobs.acknowledging import Acknowledgements
from gnttwist.jobs.calls import NodeCaller
from gnttwist.jobs.granting import Locks
from gnttwist.jobs.live import OnFatal
from gnttwist.model.job import Job
from gnttwist.store.interface import Store, Write


class Submit(Protocol):
    """
    Submits jobs for a job.
    """

    def __call__(
        self,
        jobs: Sequence[Sequence[dict[str, Any]]],
        *,
        parent: Job,
        op: int,
        record: Callable[[list[list[Any]]], Write],
    ) -> Deferred[list[list[Any]]]:
        """
        Accept jobs in one transaction with the record of the answer: for each C{[True, job id]} or
        C{[False, message]}.
        """


class Queries(Protocol):
    """
    Answers the queries of jobs; what there is to be queried lies above jobs.
    """

    async def query(self, kind: str, fields: Sequence[str], qfilter: object) -> dict[str, Any]:
        """
        Answer one, as of now.

        @raise OperationError: It is wrong.
        """

    def query_fields(self, kind: str, names: Sequence[str] | None) -> dict[str, Any]:
        """
        Tell which fields there are.

        @raise OperationError: There is no such kind.
        """


class NoQueries:
    """
    There is nothing to be queried.
    """

    async def query(self, kind: str, fields: Sequence[str], qfilter: object) -> dict[str, Any]:
        """
        Refuse.
        """
        raise OperationError(f"Query '{kind}' not supported")

    def query_fields(self, kind: str, names: Sequence[str] | None) -> dict[str, Any]:
        """
        Refuse.
        """
        raise OperationError(f"QueryFields '{kind}' not supported")


@frozen
class Services:
    """
    What an opcode's steps use.

    @ivar clock: For delays.
    @ivar now: The wall clock, seconds since the epoch.
    @ivar epoch: The store's UUID.
    @ivar submit: Submits further jobs.
    @ivar on_fatal: Called when the store has failed: the process must end.
    @ivar incident: Makes a short name by which a line of the daemon's log can be found.
    @ivar queries: Answers queries.
    """

    clock: IReactorTime
    now: Callable[[], float]
    store: Store
    configuration: Configuration
    caller: NodeCaller
    locks: Locks
    acknowledgements: Acknowledgements
    epoch: str
    submit: Submit
    on_fatal: OnFatal
    incident: Callable[[], str]
    queries: Queries
