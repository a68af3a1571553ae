"""
The context of a poll: it may only look, and nothing of what it sees is journaled but the outcome.
"""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Never, TypeVar

from attrs import define

from twisted.internet.defer import CancelledError

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import CallAborted, JobCanceled, ProgrammerError
from gnttwist.jobs.calling import is_changing
from gnttwist.jobs.calls import Call, Feedback
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.jobs.execution import CANCELED, Execution, Wait
from gnttwist.jobs.feedback import OnFeedback
from gnttwist.jobs.live import Progress
from gnttwist.jobs.undoing import Undo
from gnttwist.model.objects import Node

T = TypeVar("T")


def _unheard(feedback: Feedback) -> None:
    pass


def _refuse(what: str) -> Never:
    raise ProgrammerError(f"a poll only looks: it cannot {what}")


@define(eq=False)
class PollContext:
    """
    What C{until} gives its poll.
    """

    _execution: Execution
    _shielded: bool

    @property
    def job_id(self) -> int:
        return self._execution.live.id

    @property
    def op_index(self) -> int:
        return self._execution.op

    async def config(self) -> Snapshot:
        return self._execution.services.configuration.snapshot

    async def now(self) -> float:
        return self._execution.services.now()

    async def call(
        self,
        node: Node,
        function: str,
        arguments: Sequence[Any],
        *,
        limit: float | None = None,
        on_feedback: OnFeedback | None = None,
    ) -> Any:
        if is_changing(function):
            _refuse(f"call {function}, which changes its node")
        execution = self._execution
        services = execution.services
        deadline = None if limit is None else services.now() + limit
        answer = services.caller.call(
            node, Call(function, arguments, deadline=deadline), on_feedback or _unheard
        )
        if limit is not None:
            answer.addTimeout(limit, services.clock, onTimeoutCancel=_too_long)
        canceled = False

        def interrupt() -> None:
            nonlocal canceled
            canceled = True
            answer.cancel()

        wait = execution.wait(Wait(interrupt, answer.cancel), self._shielded)
        try:
            return await execution.relay(answer)
        except CancelledError as error:
            if canceled:
                raise JobCanceled(CANCELED) from error
            raise
        finally:
            execution.over(wait)

    def progress(self, what: str, done: float, total: float | None, unit: str = "") -> None:
        self._execution.progress(what, Progress(done, total, unit))

    async def acquire(self, locks: Mapping[str, LockMode], *, opportunistic: bool = False) -> frozenset[str]:
        _refuse("take locks")

    async def release(self, names: Sequence[str]) -> None:
        _refuse("release locks")

    async def downgrade(self, names: Sequence[str]) -> None:
        _refuse("downgrade locks")

    async def query(self, kind: str, fields: Sequence[str], qfilter: object) -> dict[str, Any]:
        _refuse("query")

    async def query_fields(self, kind: str, names: Sequence[str] | None) -> dict[str, Any]:
        _refuse("query")

    async def change(self, what: str, edit: Callable[[Draft], T]) -> T:
        _refuse("change the configuration")

    async def gather(self, *branches: Callable[[JobContext], Awaitable[T]]) -> list[T]:
        _refuse("gather")

    async def sleep(self, seconds: float) -> None:
        _refuse("sleep")

    async def until(
        self, poll: Callable[[JobContext], Awaitable[T | None]], *, interval: float, timeout: float
    ) -> T | None:
        _refuse("poll")

    async def submit(self, jobs: Sequence[Sequence[dict[str, Any]]]) -> list[list[Any]]:
        _refuse("submit jobs")

    def random(self, what: str) -> random.Random:
        _refuse("draw random numbers")

    def on_failure(self, what: str, undo: Undo) -> None:
        _refuse("register an undo")

    def undo_no_more(self, what: str) -> None:
        _refuse("forget an undo")

    def log(self, text: str) -> None:
        _refuse("write to the log")


def _too_long(result: Any, limit: float) -> Any:
    raise CallAborted(f"a poll's call took longer than {limit:g} s")
