"""
A job context in memory, for tests of units: nothing is journaled, nothing waits, and answers come from a function.

It can stop the unit at any step, as a cancel request does: before the step, or in the middle of it, when a call has
done its work and the answer is not waited for. Then it runs what the unit registered to undo.
"""

import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import JobCanceled, NodeError, OperationError
from gnttwist.jobs.calls import Feedback
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.jobs.locks import LockTable
from gnttwist.model.objects import Node
from gnttwist.wire.call_types import check_types
from gnttwist.wire.calls import FUNCTIONS

T = TypeVar("T")
Answer = Callable[[str, str, list[Any]], Any]
"""
What a node answers: from the node's name, the function's and the arguments, as decoded JSON. May raise L{NodeError}.
"""

FOREVER = 10_000
"""
More steps than any unit takes: later stops are never reached, endless loops are.
"""


class MemoryJobContext:
    """
    The world of one opcode.

    @ivar config_now: The configuration.
    @ivar steps: What was done, in order: C{(what, details...)}.
    @ivar lines: The job's log.
    @ivar submitted: Jobs that were submitted.
    @ivar tables: What can be queried: for each kind the one row, by field.
    @ivar locks: The lock table; other owners may be put in it beforehand.
    """

    job_id = 7
    op_index = 0

    def __init__(
        self,
        config: Snapshot,
        answer: Answer,
        *,
        now: float = 1_700_000_000.25,
        stop_at: int = FOREVER,
        midway: bool = False,
    ):
        """
        @param now: The wall clock; sleeping moves it.
        @param stop_at: The number of the step, from 0, at which the job is cancelled.
        @param midway: Whether that step is a call that still has its effect, if it is a call.
        """
        self.config_now = config
        self.clock = now
        self.steps: list[tuple[Any, ...]] = []
        self.lines: list[str] = []
        self.submitted: list[list[dict[str, Any]]] = []
        self.locks = LockTable()
        self.tables: dict[str, dict[str, Any]] = {}
        self._answer = answer
        self._stop_at = stop_at
        self._midway = midway
        self._undo: list[tuple[str, Callable[[JobContext], Awaitable[None]]]] = []
        self._undoing = False

    def run(self, unit: Callable[[JobContext, Any], Awaitable[T]], op: Any) -> T:
        """
        Carry out an opcode; if it fails, undo it and raise its error.
        """
        try:
            return drive(unit(self, op))
        except (OperationError, NodeError):
            self._undoing = True
            while self._undo:
                what, undo = self._undo.pop()
                try:
                    drive(undo(self))
                except (OperationError, NodeError) as reason:
                    self.lines.append(f"undo {what}: {reason}")
            raise

    def called(self, function: str) -> list[tuple[str, list[Any]]]:
        """
        The calls of a function: node's name and arguments.
        """
        return [(step[1], step[3]) for step in self.steps if step[0] == "call" and step[2] == function]

    def _step(self, *what: Any, midway: Callable[[], object] = lambda: None) -> None:
        if not self._undoing and len(self.steps) >= self._stop_at:
            if self._midway:
                midway()
            raise JobCanceled("Job canceled by request")
        assert len(self.steps) < 2 * FOREVER, "endless"
        self.steps.append(what)

    async def acquire(self, locks: Mapping[str, LockMode], *, opportunistic: bool = False) -> frozenset[str]:
        """
        Take locks; one that is not free fails the test, as nobody would ever release it.
        """
        self._step("acquire", dict(locks), opportunistic)
        if opportunistic:
            return frozenset(self.locks.take_free(self.job_id, locks).locks)
        assert self.locks.request(self.job_id, locks), f"waits for {self.locks.waits_for(self.job_id)}"
        return frozenset(locks)

    async def release(self, names: Sequence[str]) -> None:
        """
        Give locks back.
        """
        self._step("release", list(names))
        self.locks.release(self.job_id, names)

    async def downgrade(self, names: Sequence[str]) -> None:
        """
        Share locks.
        """
        self._step("downgrade", list(names))
        self.locks.downgrade(self.job_id, names)

    async def config(self) -> Snapshot:
        """
        Read the configuration.
        """
        self._step("config")
        return self.config_now

    async def query(self, kind: str, fields: Sequence[str], qfilter: object) -> dict[str, Any]:
        """
        Answer with what the test has put into C{tables}.
        """
        self._step("query", kind, list(fields), qfilter)
        table = self.tables[kind]
        return {
            "fields": [{"name": each, "kind": "text" if each in table else "unknown"} for each in fields],
            "data": [[[0, table[each]] if each in table else [1, None] for each in fields]],
        }

    async def query_fields(self, kind: str, names: Sequence[str] | None) -> dict[str, Any]:
        """
        Answer with the fields of C{tables}.
        """
        self._step("query_fields", kind, names)
        return {"fields": [{"name": each} for each in names or self.tables[kind]]}

    async def change(self, what: str, edit: Callable[[Draft], T]) -> T:
        """
        Change it; the result must survive JSON.
        """
        self._step("change", what)
        # What was drawn before must not be drawn again by the next job.
        drawn = f"{len(self.config_now.instances)} {len(self.config_now.disks)}"
        draft = Draft(self.config_now, self.clock, self.random(f"{what} {len(self.steps)} {drawn}"))
        result = edit(draft)
        assert msgspec.json.decode(msgspec.json.encode(result)) == result
        self.config_now = draft.config
        return result

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
        Ask the answering function; arguments and answer go through JSON as on the wire.
        """
        assert len(arguments) == len(FUNCTIONS[function].arguments), (
            f"{function} takes {', '.join(FUNCTIONS[function].arguments)}"
        )
        sent = msgspec.json.decode(msgspec.json.encode(list(arguments)))
        check_types(function, FUNCTIONS[function].arguments, sent)
        self._step("call", node.name, function, sent, midway=lambda: self._answer(node.name, function, sent))
        return msgspec.json.decode(msgspec.json.encode(self._answer(node.name, function, sent)))

    async def gather(self, *branches: Callable[[JobContext], Awaitable[T]]) -> list[T]:
        """
        Run branches one after the other.
        """
        results = []
        failures: list[OperationError | NodeError] = []
        for branch in branches:
            try:
                results.append(await branch(self))
            except (OperationError, NodeError) as reason:
                failures.append(reason)
        if failures:
            raise failures[0]
        return results

    async def now(self) -> float:
        """
        Read the clock.
        """
        self._step("now")
        return self.clock

    async def sleep(self, seconds: float) -> None:
        """
        Move the clock.
        """
        self._step("sleep", seconds)
        self.clock += seconds

    async def until(
        self, poll: Callable[[JobContext], Awaitable[T | None]], *, interval: float, timeout: float
    ) -> T | None:
        """
        Poll, moving the clock.
        """
        end = self.clock + timeout
        while (found := await poll(self)) is None and self.clock < end:
            self.clock += interval
        return found

    async def submit(self, jobs: Sequence[Sequence[dict[str, Any]]]) -> list[list[Any]]:
        """
        Accept jobs, numbered from 100.
        """
        self._step("submit", len(jobs))
        first = 100 + len(self.submitted)
        self.submitted.extend([list(each) for each in jobs])
        return [[True, first + index] for index in range(len(jobs))]

    def random(self, what: str) -> random.Random:
        """
        The same at every run.
        """
        return random.Random(what)

    def on_failure(self, what: str, undo: Callable[[JobContext], Awaitable[None]]) -> None:
        """
        Register an undo.
        """
        self._undo.append((what, undo))

    def undo_no_more(self, what: str) -> None:
        """
        Forget one; it must be there.
        """
        for index in reversed(range(len(self._undo))):
            if self._undo[index][0] == what:
                del self._undo[index]
                return
        assert self._undoing, f"{what} was not registered"

    def log(self, text: str) -> None:
        """
        Keep a line.
        """
        self.lines.append(text)

    def progress(self, what: str, done: float, total: float | None, unit: str = "") -> None:
        """
        Nobody looks.
        """


def drive(awaitable: Awaitable[T]) -> T:
    """
    Run a coroutine that never waits to its end.
    """
    assert isinstance(awaitable, Coroutine)
    try:
        awaitable.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waits for something")
