"""
A job on its way: its opcodes one after the other, each by its unit, to an outcome that is durable.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from attrs import define, field, frozen

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.errors import JobCanceled, NodeError, OpCodeUnknown, OperationError, OpExecError, to_wire
from gnttwist.jobs.execution import CANCELED, Ending, Execution
from gnttwist.jobs.journal import Journal, Record, plain
from gnttwist.jobs.journaled import JournaledContext
from gnttwist.jobs.live import LiveJob, with_op
from gnttwist.jobs.opcodes import Opcodes, Unit
from gnttwist.jobs.services import Services
from gnttwist.jobs.steps import Scope
from gnttwist.jobs.undoing import Undos
from gnttwist.jobs.vault import Secrets
from gnttwist.model.job import FINAL, Job, QueuedOp, Status, Timestamp, timestamp
from gnttwist.model.opcode import Opcode
from gnttwist.store.interface import Delete, TooLarge

MAX_REPLAYS = 3
"""
How many replays in a row may end the daemon before the job is to end. One more may end it while the job undoes.
"""

REPLAY_SURVIVED = 60.0
"""
Seconds after which a replay is not what ends the daemon: what does so by itself, does so soon.
"""

STEPS_TOLD = 100
"""
How many done steps an error lists at most.
"""

DELETES_AT_ONCE = 100
"""
How many journal records one transaction removes; it holds 128 writes.
"""

PRECEDING = ["OpExecError", ["Preceding opcode failed"]]
"""
The result of opcodes after one that failed; Ganeti's.
"""


@frozen
class Outcome:
    """
    How an opcode ended.
    """

    status: Status
    result: Any

    @classmethod
    def of_error(cls, error: OperationError | NodeError) -> "Outcome":
        """
        An error as clients get it.
        """
        return cls("error", to_wire(error) if isinstance(error, OperationError) else to_wire(_failed(error)))


def _failed(error: Exception) -> OpExecError:
    return OpExecError(str(error))


@define(eq=False)
class JobRun:
    """
    One started job.

    @ivar _journal: What was done of the opcode that it is at.
    @ivar _ended: Called when its last state has been submitted.
    @ivar _replaying: Whether it was begun by an earlier process.
    """

    _log = Logger()
    _services: Services
    _opcodes: Opcodes
    live: LiveJob
    _journal: Journal
    _secrets: Secrets
    _ended: Callable[["JobRun"], None]
    _replaying: bool = False
    _execution: Execution | None = None
    _timers: list[Any] = field(factory=list)
    _stopped: bool = False

    def start(self) -> None:
        """
        Begin, or go on after a restart.
        """
        index = self._at()
        if self._replaying:
            replays = self.live.job.replays + 1
            began = self.live.commit(job=msgspec.structs.replace(self.live.job, replays=replays))
            self._timers.append(self._services.clock.callLater(REPLAY_SURVIVED, self._survived))
        else:
            began = self.live.commit([self._begin(index)], job=self._waiting(self.live.job, index))
        Deferred.fromCoroutine(self._run(began)).addErrback(self._broken)

    def cancel(self) -> Deferred[int]:
        """
        Accept a cancel request; fires when it is durable, and steps that wait are then interrupted.
        """
        job = msgspec.structs.replace(self.live.job, cancel=True)
        if job.ops[self._at()].status in ("waiting", "running"):
            job = with_op(job, self._at(), status="canceling")
        execution = self._execution
        flying = [] if execution is None else execution.flying()
        durable = self.live.commit([self._journal.add(each) for each in flying], job=job)
        return durable if execution is None else durable.addCallback(_interrupted, execution)

    @property
    def oldest_read(self) -> int | None:
        """
        The oldest revision of the configuration that a replay reads again.
        """
        return self._journal.oldest_read

    def stop(self) -> Deferred[int] | None:
        """
        The daemon stops, in order: leave everything for its next start, which is then no sign of a job that ends
        daemons.

        @return: Fires when that is durable; C{None} where there is nothing to write.
        """
        self._stopped = True
        self._cancel_timers()
        if self._execution is not None:
            self._execution.stop()
        if self.live.job.replays:
            return self.live.commit(job=msgspec.structs.replace(self.live.job, replays=0))
        return None

    def _at(self) -> int:
        return next(index for index, op in enumerate(self.live.job.ops) if op.status not in FINAL)

    def _survived(self) -> None:
        if self.live.job.replays:
            self.live.commit(job=msgspec.structs.replace(self.live.job, replays=0))

    def _cancel_timers(self) -> None:
        for each in self._timers:
            if each.active():
                each.cancel()

    def _broken(self, failure: Failure) -> None:
        # A bug in what runs jobs, not in a unit. The job keeps its locks, so nothing trips over what is half done.
        self._log.failure("job {job} cannot go on; the next start will try again", failure, job=self.live.id)

    def _begin(self, index: int) -> Any:
        unit = self._opcodes.units.get(str(self.live.job.ops[index].input.get("OP_ID")))
        version = None if unit is None else unit.version
        return self._journal.add(Record(op=index, path=str(index), kind="begin", value=version))

    def _waiting(self, job: Job, index: int) -> Job:
        now = timestamp(self._services.now())
        job = with_op(job, index, status="waiting", start_timestamp=now)
        return msgspec.structs.replace(job, start_timestamp=job.start_timestamp or now)

    async def _run(self, began: Deferred[int]) -> None:
        await began
        poisonous = self._replaying and self.live.job.replays > MAX_REPLAYS + 1
        ending = self._poison() if self.live.job.replays > MAX_REPLAYS else None
        while not self._stopped and not self.live.is_final:
            index = self._at()
            if poisonous:
                assert ending is not None
                outcome = Outcome.of_error(ending)
            else:
                outcome = await self._carry_out(index, ending)
            await self._finish(index, outcome)
            ending, poisonous = None, False
        self._cancel_timers()

    def _poison(self) -> OpExecError:
        return OpExecError(
            f"Each of the last {self.live.job.replays - 1} tries to go on with this job ended the master daemon,"
            f" so it was given up. {self._done_steps()}"
        )

    def _done_steps(self) -> str:
        steps = [_short(each) for each in self._journal.steps()]
        if not steps:
            return "No step had been done."
        more = f" and {len(steps) - STEPS_TOLD} more" if len(steps) > STEPS_TOLD else ""
        return f"Steps done: {', '.join(steps[:STEPS_TOLD])}{more}."

    async def _carry_out(self, index: int, ending: OpExecError | None) -> Outcome:
        stored = self.live.job.ops[index].input
        unit = self._opcodes.units.get(str(stored.get("OP_ID")))
        if unit is None:
            return Outcome.of_error(OpCodeUnknown(f"Opcode {stored.get('OP_ID')} is not supported any more"))
        began = self._journal.note(str(index), "begin")
        if ending is None and began != unit.version:
            ending = OpExecError(
                "The master daemon was replaced by one that carries this opcode out in another way"
                f" (version {unit.version}, not {began}), so the job could not go on. {self._done_steps()}"
            )
        secrets = self._secrets[index] if index < len(self._secrets) else {}
        try:
            op = self._opcodes.from_input(stored, secrets)
        except OperationError as error:
            try:
                # Good enough for finding out what is to be undone: no step that needs a secret is taken.
                op = self._opcodes.parse(stored)
            except OperationError:
                return Outcome.of_error(error)
            ending = ending or OpExecError(f"{error}. {self._done_steps()}")
        self._execution = Execution(
            self._services, self.live, self._journal, index, None if ending is None else Ending(ending)
        )
        return await self._by_unit(self._execution, unit, op)

    async def _by_unit(self, execution: Execution, unit: Unit, op: Opcode) -> Outcome:
        context = JournaledContext(execution, Scope(str(execution.op), execution.live.job.seed), Undos())
        outcome: Outcome
        try:
            outcome = Outcome("success", plain(await unit.run(context, op)))
        except JobCanceled as error:
            canceled = self.live.job.cancel
            outcome = Outcome("canceled", CANCELED) if canceled else Outcome.of_error(error)
        except (OperationError, NodeError) as error:
            outcome = Outcome.of_error(error)
        except Exception:  # noqa: BLE001  # a unit's bug is its job's failure; nobody cancels units by Deferreds
            outcome = self._unexpected(execution.op)
        if outcome.status != "success":
            await context.undo()
        return outcome

    def _unexpected(self, index: int) -> Outcome:
        incident = self._services.incident()
        op_id = self.live.job.ops[index].input.get("OP_ID")
        self._log.failure(
            "incident {incident}: {op} of job {job} failed unexpectedly",
            incident=incident,
            op=op_id,
            job=self.live.id,
        )
        return Outcome.of_error(
            OpExecError(f"Internal error in {op_id}; the master daemon's log has it as incident {incident}")
        )

    async def _finish(self, index: int, outcome: Outcome) -> None:
        """
        Make an opcode's end durable, and begin the next one in the same transaction.
        """
        if self._stopped:
            return
        self._execution = None
        self.live.add_line(self.live.log.own_up(timestamp(self._services.now()), index))
        for what in dict(self.live.view.progress if self.live.view else {}):
            self.live.show(what, None)
        gone = self._journal.clear()
        job = self._ended_op(index, outcome)
        begin = []
        if job.status not in FINAL:
            job = self._waiting(job, index + 1)
            begin = [self._begin(index + 1)]
        try:
            durable = self.live.commit(begin, job=job)
        except TooLarge:
            error = OpExecError("The opcode has ended, but its result is too large to be kept")
            job = self._ended_op(index, Outcome.of_error(error))
            durable = self.live.commit(job=job)
        # Only now: who gets these locks is journaled after this.
        self._services.locks.release(self.live.id)
        for first in range(0, len(gone), DELETES_AT_ONCE):
            self._forget(gone[first : first + DELETES_AT_ONCE])
        if job.status in FINAL:
            self.live.log.close()
            self._ended(self)
        await durable

    def _forget(self, gone: Sequence[Delete]) -> None:
        self.live.commit(gone)

    def _ended_op(self, index: int, outcome: Outcome) -> Job:
        now = timestamp(self._services.now())
        job = with_op(self.live.job, index, status=outcome.status, result=outcome.result, end_timestamp=now)
        if outcome.status == "error":
            return ended_from(job, index + 1, "error", PRECEDING, now)
        if job.cancel:
            return ended_from(job, index + 1, "canceled", CANCELED, now)
        return ended_from(job, len(job.ops), "success", None, now) if index + 1 == len(job.ops) else job


def ended_from(job: Job, first: int, status: Status, result: Any, now: Timestamp) -> Job:
    """
    A job that ends now, its opcodes from C{first} on in one way.
    """
    ops: list[QueuedOp] = [
        op if index < first else msgspec.structs.replace(op, status=status, result=result, end_timestamp=now)
        for index, op in enumerate(job.ops)
    ]
    return msgspec.structs.replace(job, ops=ops, end_timestamp=now)


def _interrupted(revision: int, execution: Execution) -> int:
    if not execution.stopped:
        execution.interrupt()
    return revision


def _short(path: str) -> str:
    """
    A step's name for people: without digests.
    """
    return path.rpartition("/")[2].rpartition(":")[0].strip(":")
