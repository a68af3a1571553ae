"""
The job context whose every step is journaled; the rules are in L{gnttwist.jobs.context}.
"""

import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from attrs import define

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.config.draft import Draft
from gnttwist.config.service import SecondWriter
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import JobCanceled, LockError, NodeError, OperationError, OpExecError
from gnttwist.jobs.calling import NodeCall
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.jobs.execution import CANCELED, Execution, Wait
from gnttwist.jobs.feedback import OnFeedback
from gnttwist.jobs.journal import READ, Record, plain, words
from gnttwist.jobs.live import Progress
from gnttwist.jobs.polling import PollContext
from gnttwist.jobs.steps import Scope, source
from gnttwist.jobs.undoing import Registered, Undo, Undos
from gnttwist.model.objects import Node
from gnttwist.store.interface import StoreClosed, TooLarge

T = TypeVar("T")
Question = Callable[[], Coroutine[Any, Any, dict[str, Any]]]

MAX_ANSWER = 256 * 1024
"""
Bytes of a query's answer, which the journal and the job's result have to hold beside others.
"""

SUBMITTED_AT_ONCE = 50
"""
How many jobs a step submits in one transaction, which holds 128 writes.
"""


@define(eq=False)
class JournaledContext:
    """
    One scope of an opcode: the opcode itself, a branch, or an undo.

    @ivar _shielded: Whether nothing may cut it short: undo steps.
    """

    _log = Logger()
    _execution: Execution
    _scope: Scope
    _undos: Undos
    _shielded: bool = False

    # Docstrings are the interface's: L{JobContext}.

    @property
    def job_id(self) -> int:
        return self._execution.live.id

    @property
    def op_index(self) -> int:
        return self._execution.op

    async def acquire(self, locks: Mapping[str, LockMode], *, opportunistic: bool = False) -> frozenset[str]:
        path, done = await self._begin("acquire", "free" if opportunistic else "", words(locks))
        if done is not None:
            return frozenset(done.answer())
        execution, table = self._execution, self._execution.services.locks
        granted: Deferred[int] = Deferred()
        names: set[str] = set()
        waiting = True

        def on_grant(got: Mapping[str, LockMode]) -> None:
            # The grant is submitted here and now: whoever gets locks after this has to be journaled after this.
            nonlocal waiting
            waiting = False
            names.update(got)
            record = Record(
                op=self.op_index, path=path, value=sorted(got), held=words(table.held(self.job_id))
            )
            execution.submit(record, job=execution.running()).chainDeferred(granted)

        def interrupt() -> None:
            if waiting:
                table.give_up(self.job_id)
                granted.errback(JobCanceled(CANCELED))

        wait = execution.wait(Wait(interrupt, lambda: None), self._shielded)
        try:
            priority = execution.live.job.ops[self.op_index].priority
            if opportunistic or not locks:
                on_grant(table.take_free(self.job_id, locks, priority))
            else:
                table.acquire(self.job_id, locks, priority, on_grant)
            await granted
        except (LockError, JobCanceled) as error:
            await execution.fail(path, error)
            raise
        finally:
            execution.over(wait)
        return frozenset(names)

    async def release(self, names: Sequence[str]) -> None:
        path, done = await self._begin("release", "", sorted(names))
        if done is not None:
            done.answer()
            return
        held = await self._holding(path, names)
        table = self._execution.services.locks
        after = {name: mode for name, mode in held.items() if name not in set(names)}
        durable = self._execution.submit(Record(op=self.op_index, path=path, held=words(after)))
        table.release(self.job_id, names)
        await durable

    async def downgrade(self, names: Sequence[str]) -> None:
        path, done = await self._begin("downgrade", "", sorted(names))
        if done is not None:
            done.answer()
            return
        held = await self._holding(path, names)
        after = {**held, **dict.fromkeys(names, LockMode.SHARED)}
        durable = self._execution.submit(Record(op=self.op_index, path=path, held=words(after)))
        self._execution.services.locks.downgrade(self.job_id, names)
        await durable

    async def _holding(self, path: str, names: Sequence[str]) -> dict[str, LockMode]:
        """
        What the job holds, C{names} among it.
        """
        held = self._execution.services.locks.held(self.job_id)
        missing = sorted(set(names) - set(held))
        if missing:
            error = LockError(f"Job {self.job_id} does not hold {', '.join(missing)}")
            await self._execution.fail(path, error)
            raise error
        return held

    async def config(self) -> Snapshot:
        path, done = await self._begin(READ, "")
        execution = self._execution
        configuration = execution.services.configuration
        if done is not None:
            read = Deferred.fromCoroutine(configuration.at(done.answer()))
            return await execution.relay(read)
        snapshot = configuration.snapshot
        await execution.succeed(path, snapshot.revision)
        return snapshot

    async def query(self, kind: str, fields: Sequence[str], qfilter: object) -> dict[str, Any]:
        path, done = await self._begin("query", kind, [list(fields), qfilter])
        if done is None:
            queries = self._execution.services.queries
            return await self._answered(path, lambda: queries.query(kind, fields, qfilter))
        kept: dict[str, Any] = done.answer()
        return kept

    async def query_fields(self, kind: str, names: Sequence[str] | None) -> dict[str, Any]:
        path, done = await self._begin("fields", kind, [names])
        if done is None:
            queries = self._execution.services.queries

            async def ask() -> dict[str, Any]:
                return queries.query_fields(kind, names)

            return await self._answered(path, ask)
        kept: dict[str, Any] = done.answer()
        return kept

    async def _answered(self, path: str, question: Question) -> dict[str, Any]:
        """
        The answer of a question that changes nothing, journaled.
        """
        execution = self._execution
        await execution.ensure_running()
        try:
            answer = await execution.relay(Deferred.fromCoroutine(question()))
            size = len(msgspec.json.encode(answer))
            if size > MAX_ANSWER:
                raise OpExecError(
                    f"The answer has {size} bytes, and a job can have {MAX_ANSWER}: ask for less, or without a job"
                )
        except OperationError as error:
            await execution.fail(path, error)
            raise
        result: dict[str, Any] = await execution.succeed(path, answer)
        return result

    async def change(self, what: str, edit: Callable[[Draft], T]) -> T:
        path, done = await self._begin("change", what)
        if done is not None:
            result: T = done.answer()
            return result
        execution = self._execution
        await execution.ensure_running()
        services = execution.services
        try:
            result, _ = await execution.relay(
                services.configuration.edit(
                    what,
                    edit,
                    extra=lambda outcome: [
                        execution.journal.add(Record(op=self.op_index, path=path, value=plain(outcome)))
                    ],
                    now=services.now(),
                    source=source(execution.live.job.seed, path),
                )
            )
        except OperationError as error:
            await execution.fail(path, error)
            raise
        except TooLarge as reason:
            too_large = OpExecError(f"This is more than the configuration can change at once: {reason}")
            await execution.fail(path, too_large)
            raise too_large from reason
        except (StoreClosed, SecondWriter):
            services.on_fatal(Failure())
            await Deferred()  # nothing that this job did from here on could be kept
            raise
        await execution.progressed()
        plain_result: T = plain(result)
        return plain_result

    async def call(
        self,
        node: Node,
        function: str,
        arguments: Sequence[Any],
        *,
        limit: float | None = None,
        on_feedback: OnFeedback | None = None,
    ) -> Any:
        execution = self._execution
        path = self._scope.name("call", function, [node.uuid, list(arguments)])
        done = execution.journal.outcome(path)
        if done is not None:
            return done.answer()
        call = NodeCall(execution, path, node, function, arguments, self._shielded)
        refusal = None if self._shielded else execution.refusal
        if refusal is not None and not execution.journal.note(path, "flying"):
            # Where the opcode has to end, the journal does not know whether the call was made.
            if isinstance(refusal, JobCanceled):
                await execution.fail(path, refusal)
            else:
                await call.give_up(refusal)
            raise refusal
        await execution.ensure_running()
        return await call.run(limit, on_feedback)

    async def gather(self, *branches: Callable[[JobContext], Awaitable[T]]) -> list[T]:
        path = self._scope.name("gather", "", [len(branches)])
        taken = [
            Deferred.fromCoroutine(_take(each, self._inner(f"{path}/{index}", self._undos.branch())))
            for index, each in enumerate(branches)
        ]
        outcomes = await self._execution.relay(DeferredList(taken, consumeErrors=True))
        failures = [outcome for _, outcome in outcomes if isinstance(outcome, Failure)]
        for each in failures[1:]:
            if not each.check(OperationError, NodeError):
                self._log.failure("one more branch of job {job} failed", each, job=self.job_id)
        if failures:
            failures[0].raiseException()
        return [outcome for _, outcome in outcomes]

    async def now(self) -> float:
        path, done = await self._begin("now", "")
        if done is not None:
            return float(done.answer())
        return float(await self._execution.succeed(path, self._execution.services.now()))

    async def sleep(self, seconds: float) -> None:
        path, done = await self._begin("sleep", "", [seconds])
        if done is not None:
            done.answer()
            return
        execution = self._execution
        await execution.ensure_running()
        deadline = await execution.deadline(path, seconds)
        try:
            await execution.pause(deadline - execution.services.now(), shielded=self._shielded)
        except JobCanceled as error:
            await execution.fail(path, error)
            raise
        await execution.succeed(path, None)

    async def until(
        self, poll: Callable[[JobContext], Awaitable[T | None]], *, interval: float, timeout: float
    ) -> T | None:
        path, done = await self._begin("until", "", [interval, timeout])
        if done is not None:
            kept: T | None = done.answer()
            return kept
        execution = self._execution
        await execution.ensure_running()
        deadline = await execution.deadline(path, timeout)
        context = PollContext(execution, self._shielded)
        try:
            found = await poll(context)
            while found is None and (left := deadline - execution.services.now()) > 0:
                await execution.pause(min(interval, left), shielded=self._shielded)
                found = await poll(context)
        except (OperationError, NodeError) as error:
            await execution.fail(path, error)
            raise
        result: T | None = await execution.succeed(path, found)
        return result

    async def submit(self, jobs: Sequence[Sequence[dict[str, Any]]]) -> list[list[Any]]:
        wanted = plain([list(each) for each in jobs])
        path, done = await self._begin("submit", "", wanted)
        if done is not None:
            kept: list[list[Any]] = done.answer()
            return kept
        execution = self._execution
        await execution.ensure_running()
        answers: list[list[Any]] = []
        for first in range(0, len(wanted), SUBMITTED_AT_ONCE):
            part = f"{path}/{first}"
            record = execution.journal.outcome(part)
            if record is None:
                answers += await self._submit_part(part, wanted[first : first + SUBMITTED_AT_ONCE])
            else:
                answers += record.answer()
        result: list[list[Any]] = await execution.succeed(path, answers)
        return result

    async def _submit_part(self, path: str, jobs: list[list[dict[str, Any]]]) -> list[list[Any]]:
        execution = self._execution
        return await execution.relay(
            execution.services.submit(
                jobs,
                parent=execution.live.job,
                op=self.op_index,
                record=lambda answer: execution.journal.add(
                    Record(op=self.op_index, path=path, value=answer)
                ),
            )
        )

    def random(self, what: str) -> random.Random:
        return source(self._execution.live.job.seed, self._scope.name("random", what))

    def on_failure(self, what: str, undo: Undo) -> None:
        self._undos.add(Registered(what, self._scope.name("undo", what), undo))

    def undo_no_more(self, what: str) -> None:
        self._undos.forget(what)

    def log(self, text: str) -> None:
        self._execution.line(lambda: self._scope.name("log", "", [text]), text)

    def progress(self, what: str, done: float, total: float | None, unit: str = "") -> None:
        self._execution.progress(what, Progress(done, total, unit))

    async def undo(self) -> None:
        """
        Undo all that is registered, last first.
        """
        for each in list(self._undos.last_first()):
            context = JournaledContext(self._execution, self._scope.inner(each.path), Undos(), True)
            try:
                await each.run(context)
            except (OperationError, NodeError) as error:
                context.log(f"Could not undo {each.what}: {error}")
            except Exception:  # noqa: BLE001  # an undo may fail in any way, and the others still have to run
                incident = self._execution.services.incident()
                self._log.failure(
                    "incident {incident}: undoing {what} of job {job}",
                    incident=incident,
                    what=each.what,
                    job=self.job_id,
                )
                context.log(f"Could not undo {each.what}; the daemon's log has it as incident {incident}")

    def _inner(self, path: str, undos: Undos) -> "JournaledContext":
        return JournaledContext(self._execution, self._scope.inner(path), undos, self._shielded)

    async def _begin(self, kind: str, what: str, arguments: Any = ()) -> tuple[str, Record | None]:
        """
        Take a step: its name, and its outcome if it was taken before.

        @raise OperationError: The job was cancelled, or has to end: that is the step's outcome.
        """
        path = self._scope.name(kind, what, arguments)
        record = self._execution.journal.outcome(path)
        refusal = None if self._shielded or record is not None else self._execution.refusal
        if refusal is not None:
            await self._execution.fail(path, refusal)
            raise refusal
        return path, record


async def _take(branch: Callable[[JobContext], Awaitable[T]], context: JobContext) -> T:
    return await branch(context)
