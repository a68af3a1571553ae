"""
Taking jobs in: numbers, the drain flag, and what was submitted twice because its answer got lost.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from gnttwist.errors import JobQueueError, JobQueueFull, OperationError
from gnttwist.jobs import submission
from gnttwist.jobs.live import OnFatal, put_job
from gnttwist.jobs.opcodes import Opcodes
from gnttwist.jobs.recovery import DRAIN_KEY, SERIAL_KEY, Found
from gnttwist.jobs.unanswered import Submitted, Unanswered, digest
from gnttwist.jobs.vault import Secrets
from gnttwist.model.job import Job
from gnttwist.store.interface import (
    MAX_OPERATIONS,
    MAX_TRANSACTION_BYTES,
    Committed,
    Delete,
    Put,
    Store,
    StoreClosed,
    TooLarge,
    Transaction,
    Write,
)

JOBS_AT_ONCE = MAX_OPERATIONS - 28
"""
How many jobs one transaction accepts, room left for what goes with them.
"""

BYTES_AT_ONCE = MAX_TRANSACTION_BYTES - 100_000
"""
How many bytes of jobs one transaction accepts, the same room left.
"""

SEED_BYTES = 32
"""
As much randomness as a job's keyed hashes use.
"""

SETTLE = 0.002
"""
Seconds in which answered submissions are collected, so that noting them costs no sync for each. If the daemon is
killed within them, a client that repeats a request although it was answered gets the same job again.
"""

EXPIRY_INTERVAL = 60.0
"""
Seconds between two looks for submissions that nobody will ask for again.
"""


LOST = "gnt-masterd was ended before it had accepted this job; submit it again"


@frozen
class Accepted:
    """
    A job that is on its way into the store.
    """

    job: Job
    secrets: Secrets
    put: Put


@define(eq=False)
class Intake:
    """
    Accepts jobs.

    @ivar _entropy: Makes so many random bytes.
    @ivar _unfinished: How many jobs there are that have not ended.
    @ivar _limit: How many of them there may be, now.
    @ivar _keep: Keeps a job's secrets where they outlive the daemon, if anywhere.
    @ivar _accepted: Called with each job and the revision when it is durable, before anybody is told.
    """

    _clock: IReactorTime
    _now: Callable[[], float]
    _store: Store
    _opcodes: Opcodes
    _entropy: Callable[[int], bytes]
    _unfinished: Callable[[], int]
    _limit: Callable[[], int]
    _accepted: Callable[[Accepted, int], None]
    _on_fatal: OnFatal
    _keep: Callable[[int, Secrets], None]
    _serial: int = 0
    _drained: bool = False
    _unanswered: Unanswered = field(init=False)
    _timer: IDelayedCall | None = None
    _answered: list[int] = field(factory=list)
    _settling: IDelayedCall | None = None

    def __attrs_post_init__(self) -> None:
        self._unanswered = Unanswered(self._now)

    @property
    def drained(self) -> bool:
        """
        Whether no jobs are taken.
        """
        return self._drained

    @property
    def last_id(self) -> int:
        """
        The last number that was given to a job.
        """
        return self._serial

    def restore(self, found: Found) -> None:
        """
        Go on from what was found in the store.
        """
        self._serial = found.serial
        self._drained = found.drained
        self._write(self._unanswered.restore(found.unanswered, found.stopped))
        self._timer = self._clock.callLater(EXPIRY_INTERVAL, self._expire)

    def stop(self) -> None:
        """
        Let go of the timers.
        """
        if self._settling is not None and self._settling.active():
            self._settling.cancel()
            self._settle()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    async def set_drained(self, drained: bool) -> None:
        """
        Take no jobs from now on, or take them again; durable when this returns.
        """
        self._drained = drained
        await self._write([Put(DRAIN_KEY, b"1") if drained else Delete(DRAIN_KEY)])

    async def submit(
        self,
        ops: Sequence[Mapping[str, Any]],
        *,
        uid: int | None,
        raw: bytes | None,
        even_if_drained: bool,
    ) -> int:
        """
        Accept a job; it is durable when this returns.
        """
        name = None if raw is None else digest(uid, raw)
        known = None if name is None else self._unanswered.claim(name)
        if known is not None:
            return known.job
        self._check_open(1, even_if_drained)
        accepted = self._make(self._serial + 1, submission.parse(ops, self._opcodes), uid)
        self._check_size(accepted)
        notes = [] if name is None else [self._unanswered.accept(name, accepted.job.id)]
        await self._accept([accepted], accepted.job.id, notes)
        return accepted.job.id

    def submit_many(
        self, jobs: Sequence[Sequence[Mapping[str, Any]]], *, uid: int | None, raw: bytes | None
    ) -> Deferred[list[list[Any]]]:
        """
        Accept jobs with consecutive numbers; a job that is refused takes its number along.

        @return: Fires when all are durable: for each C{[True, job id]} or C{[False, message]}.
        """
        name = None if raw is None else digest(uid, raw)
        known = None if name is None else self._unanswered.claim(name)
        if known is not None:
            return succeed(self._answers_again(jobs, uid, known))
        self._check_open(len(jobs), False)
        first = self._serial + 1
        answers, accepted = self._make_all(jobs, uid, first)
        durable = []
        for part in _parts(accepted):
            last = part[-1].job.id
            notes = [] if name is None else [self._unanswered.accept(name, accepted[0].job.id, last)]
            durable.append(self._accept(part, last, notes))
        self._serial = max(self._serial, first + len(jobs) - 1)
        return DeferredList(durable).addCallback(lambda _: answers)

    def _answers_again(
        self, jobs: Sequence[Sequence[Mapping[str, Any]]], uid: int | None, known: Submitted
    ) -> list[list[Any]]:
        """
        What many jobs were answered by the process before. What was wrong with some is found again; those that were
        not durable when it ended never were accepted.
        """
        answers, accepted = self._make_all(jobs, uid, 1)
        if not accepted:
            return answers
        shift = known.job - accepted[0].job.id
        numbered = [[True, value + shift] if good else [False, value] for good, value in answers]
        return [[False, LOST] if good and value > known.last else [good, value] for good, value in numbered]

    def submit_for(
        self,
        jobs: Sequence[Sequence[dict[str, Any]]],
        *,
        parent: Job,
        op: int,
        record: Callable[[list[list[Any]]], Write],
    ) -> Deferred[list[list[Any]]]:
        """
        Accept jobs that a job submits, in one transaction with what it journals about them.

        @raise TooLarge: They do not fit in one transaction.
        """
        source = parent.ops[op].input
        wanted = [[submission.inherit(each, source) for each in ops] for ops in jobs]
        accepted: list[Accepted] = []
        try:
            self._check_open(len(jobs), False)
        except OperationError as error:
            answers: list[list[Any]] = [[False, str(error)] for _ in jobs]
        else:
            answers, accepted = self._make_all(wanted, parent.submitter, self._serial + 1)
        # Refused jobs take no numbers here: nobody has heard of any yet.
        last = accepted[-1].job.id if accepted else self._serial
        return self._accept(accepted, last, [record(answers)]).addCallback(lambda _: answers)

    def answered(self, job: int) -> None:
        """
        The answer to a submission was written to its client.
        """
        if not self._answered:
            self._settling = self._clock.callLater(SETTLE, self._settle)
        self._answered.append(job)

    def _settle(self) -> None:
        answered, self._answered = self._answered, []
        # Equal submissions share a key; its last write is what holds.
        writes = {each.key: each for job in answered for each in self._unanswered.answered(job)}
        self._write(list(writes.values()))

    def _check_open(self, count: int, even_if_drained: bool) -> None:
        if self._drained and not even_if_drained:
            raise OperationError("Queue drained")
        if self._unfinished() + count > self._limit():
            raise JobQueueFull

    def _make(self, id: int, parsed: submission.Parsed, uid: int | None) -> Accepted:
        job = parsed.job(id, self._entropy(SEED_BYTES).hex(), self._now(), uid)
        return Accepted(job, parsed.secrets, put_job(job))

    def _check_size(self, accepted: Accepted) -> None:
        if len(accepted.put.value) > BYTES_AT_ONCE:
            raise JobQueueError(f"A job holds {BYTES_AT_ONCE} bytes at most, not {len(accepted.put.value)}")

    def _make_all(
        self, jobs: Sequence[Sequence[Mapping[str, Any]]], uid: int | None, first: int
    ) -> tuple[list[list[Any]], list[Accepted]]:
        answers: list[list[Any]] = []
        made = []
        for id, ops in enumerate(jobs, first):
            try:
                accepted = self._make(id, submission.parse(ops, self._opcodes), uid)
                self._check_size(accepted)
            except OperationError as error:
                answers.append([False, str(error)])
            else:
                answers.append([True, id])
                made.append(accepted)
        return answers, made

    def _accept(self, accepted: Sequence[Accepted], serial: int, more: Sequence[Write]) -> Deferred[None]:
        for each in accepted:
            if any(each.secrets):
                # Before it is accepted: no accepted job is to lack them.
                self._keep(each.job.id, each.secrets)
        before, self._serial = self._serial, serial
        writes = [*(each.put for each in accepted), Put(SERIAL_KEY, b"%d" % serial), *more]
        try:
            durable = self._transact(writes)
        except TooLarge:
            self._serial = before
            raise
        return durable.addCallback(lambda committed: self._tell(accepted, committed.revision))

    def _tell(self, accepted: Sequence[Accepted], revision: int) -> None:
        for each in accepted:
            self._accepted(each, revision)

    def _write(self, writes: Sequence[Write]) -> Deferred[None]:
        durable: list[Deferred[Committed]] = []
        for first in range(0, len(writes), JOBS_AT_ONCE):
            durable.append(self._transact(writes[first : first + JOBS_AT_ONCE]))
        return DeferredList(durable).addCallback(lambda _: None)

    def _transact(self, writes: Sequence[Write]) -> Deferred[Committed]:
        """
        Commit; the Deferred never fires if the store fails, which ends the daemon.
        """
        result: Deferred[Committed] = Deferred()
        try:
            durable = self._store.transact(Transaction(writes))
        except StoreClosed:
            self._on_fatal(Failure())
        else:
            durable.addCallbacks(result.callback, self._on_fatal)
        return result

    def _expire(self) -> None:
        self._write(self._unanswered.expire())
        self._timer = self._clock.callLater(EXPIRY_INTERVAL, self._expire)


def _parts(accepted: Sequence[Accepted]) -> Iterator[list[Accepted]]:
    """
    Jobs in order, as many at a time as fit in a transaction.
    """
    part: list[Accepted] = []
    size = 0
    for each in accepted:
        if part and (len(part) == JOBS_AT_ONCE or size + len(each.put.value) > BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(each)
        size += len(each.put.value)
    if part:
        yield part
