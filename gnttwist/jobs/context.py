"""
The job context: all that a logical unit may touch the world with.

Every method that is awaited is a B{step}. Its outcome, value or error, is in the job's journal before the unit sees
it. When a daemon that was killed comes back, the unit runs again from the top and finished steps answer from the
journal, so a unit must take the same steps in the same order for the same answers: it has no other source of
facts, time or randomness.
"""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol, TypeVar

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.jobs.calls import Feedback
from gnttwist.model.objects import Node

T = TypeVar("T")


class LockMode(Enum):
    """
    How a lock is held. The values are what queries show.
    """

    SHARED = "shared"
    EXCLUSIVE = "exclusive"


class JobContext(Protocol):
    """
    The world of a running opcode.
    """

    @property
    def job_id(self) -> int:
        """
        The job's number.
        """

    @property
    def op_index(self) -> int:
        """
        Which of the job's opcodes this is, from 0.
        """

    async def acquire(self, locks: Mapping[str, LockMode], *, opportunistic: bool = False) -> frozenset[str]:
        """
        Take locks, all together; the opcode is C{waiting} until they are granted and C{running} from the first
        grant on.

        Names are Ganeti's: C{cluster/BGL}, C{instance/NAME}, C{nodegroup/UUID}, C{node/UUID}, C{node-res/UUID},
        C{network/UUID}. A later acquisition may only name locks that come after all held ones in level order.
        All locks are released when the opcode ends.

        @param opportunistic: Take those that are free now, and do not wait.
        @return: The names that were granted.
        @raise LockError: Asked for out of order.
        """

    async def release(self, names: Sequence[str]) -> None:
        """
        Give locks back early.
        """

    async def downgrade(self, names: Sequence[str]) -> None:
        """
        Turn exclusive locks into shared ones.
        """

    async def config(self) -> Snapshot:
        """
        Read the configuration. A replay reads it at the same revision.
        """

    async def query(self, kind: str, fields: Sequence[str], qfilter: object) -> dict[str, Any]:
        """
        Put a query as clients do. A replay gets the same answer.

        @raise OperationError: It is wrong, or the answer is too long for a job.
        """

    async def query_fields(self, kind: str, names: Sequence[str] | None) -> dict[str, Any]:
        """
        Ask which fields can be queried.

        @raise OperationError: There is no such kind.
        """

    async def change(self, what: str, edit: Callable[[Draft], T]) -> T:
        """
        Change the configuration: one transaction that also journals this step.

        @param what: Names the change in the journal.
        @param edit: A pure function; its result must be plain JSON data. An L{OperationError} that it raises is this
            step's outcome, and nothing is written.
        """

    async def call(
        self,
        node: Node,
        function: str,
        arguments: Sequence[Any],
        *,
        limit: float | None = None,
        on_feedback: Callable[[Feedback], None] | None = None,
    ) -> Any:
        """
        Run a function on a node, once, however often this daemon or the node's is killed.

        @param limit: Seconds until it is aborted; by default the function's own.
        @param on_feedback: Decides what to make of feedback, by calling L{log} and L{progress}. By default
            messages are logged, one line a second at most, and progress is shown.
        @raise FunctionFailed: The function said so.
        @raise FunctionDied: It ended without a result.
        @raise NotAnswering: The node is silent.
        """

    async def gather(self, *branches: Callable[["JobContext"], Awaitable[T]]) -> list[T]:
        """
        Run branches side by side, each with a context of its own; steps in one do not disturb the names in
        another. Waits for all; then raises the first failure in the branches' order, if any.
        """

    async def now(self) -> float:
        """
        The wall clock, seconds since the epoch.
        """

    async def sleep(self, seconds: float) -> None:
        """
        Wait; the journaled deadline is absolute.
        """

    async def until(
        self, poll: Callable[["JobContext"], Awaitable[T | None]], *, interval: float, timeout: float
    ) -> T | None:
        """
        Call C{poll} every C{interval} seconds until it returns something other than C{None}, or C{timeout} is
        over (then C{None}). One step: only its outcome is kept, so C{poll} may make read-only calls only.
        """

    async def submit(self, jobs: Sequence[Sequence[dict[str, Any]]]) -> list[list[Any]]:
        """
        Submit further jobs, each a list of opcodes, once.

        @return: For each C{[True, job id]} or C{[False, message]}.
        """

    def random(self, what: str) -> random.Random:
        """
        Randomness that a replay draws again in the same way; C{what} tells sources apart.
        """

    def on_failure(self, what: str, undo: Callable[["JobContext"], Awaitable[None]]) -> None:
        """
        Register what to undo if the opcode fails or is cancelled from here on. Undo steps run last first, are
        journaled, and cannot be cancelled. A failing undo is logged and the others still run.
        """

    def undo_no_more(self, what: str) -> None:
        """
        Forget an undo registered as C{what}.
        """

    def log(self, text: str) -> None:
        """
        Add a line to the job's log. Nobody waits for it.
        """

    def progress(self, what: str, done: float, total: float | None, unit: str = "") -> None:
        """
        Show how far something is: not journaled, coalesced. Clients that know only log lines get one every few
        seconds.
        """
