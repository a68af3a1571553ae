"""
A job in memory: its newest state, which the job's own code goes on from, and its newest durable one, which is
all that others may see.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from attrs import define, evolve, field, frozen

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gnttwist.errors import LocalError
from gnttwist.jobs.log import JobLog, log_key
from gnttwist.model.job import FINAL, Job, LogEntry, QueuedOp
from gnttwist.model.stored import encode
from gnttwist.store.interface import (
    Committed,
    Put,
    Store,
    StoreClosed,
    Transaction,
    Write,
)

JOB_PREFIX = "/jobs/job/"

LINES_AT_ONCE = 24
"""
How many lines of a log go into one transaction: as many as fit if each is as long as a line may be, and every
character of it takes six bytes.
"""

OnFatal = Callable[[Failure], None]


def job_key(job: int) -> str:
    """
    The store key of a job.
    """
    return f"{JOB_PREFIX}{job:020d}"


def put_job(job: Job) -> Put:
    """
    The write that stores a job.
    """
    return Put(job_key(job.id), encode(job))


def with_op(job: Job, index: int, **changes: Any) -> Job:
    """
    A job with one opcode changed.
    """
    ops: list[QueuedOp] = list(job.ops)
    ops[index] = msgspec.structs.replace(ops[index], **changes)
    return msgspec.structs.replace(job, ops=ops)


@frozen
class Progress:
    """
    How far something is; not stored.

    @ivar total: C{None} where it is unknown.
    @ivar unit: What is counted: C{MiB}.
    """

    done: float
    total: float | None = None
    unit: str = ""


@frozen
class JobView:
    """
    A job as of one moment, everything in it durable but the progress.

    The lines are shared with later views, which only append.

    @ivar progress: What is going on, by what it is.
    @ivar revision: The store's, when the job or its log last changed.
    @ivar _marks: The revision of each line.
    """

    job: Job
    _lines: Sequence[LogEntry] = ()
    _count: int = 0
    progress: Mapping[str, Progress] = field(factory=dict)
    revision: int = 0
    _marks: Sequence[int] = ()

    @property
    def id(self) -> int:
        """
        The job's number.
        """
        return self.job.id

    @property
    def log(self) -> Sequence[LogEntry]:
        """
        The log, in order.
        """
        return self._lines[: self._count]

    def log_after(self, serial: int) -> Sequence[LogEntry]:
        """
        The lines that came after one; 0 for all.
        """
        return self._lines[max(0, serial) : self._count]

    def log_since(self, revision: int) -> Sequence[LogEntry]:
        """
        The lines that were stored after a revision; 0 for all.
        """
        first = bisect_right(self._marks, revision, 0, min(self._count, len(self._marks)))
        return self._lines[first : self._count]

    @property
    def lines(self) -> int:
        """
        How many lines the log has.
        """
        return self._count

    @property
    def is_final(self) -> bool:
        """
        Whether the job has ended.
        """
        return self.job.status in FINAL


@define(eq=False)
class LiveJob:
    """
    One job's state and the transactions that change it.

    @ivar job: The newest state, submitted to the store.
    @ivar view: The newest durable state; C{None} until the job has been accepted.
    @ivar log: Its lines.
    @ivar _published: Called when C{view} has changed, which it does not when only the journal has.
    @ivar _on_fatal: Called when the store fails: nothing can go on.
    """

    job: Job
    log: JobLog
    _store: Store
    _published: Callable[["LiveJob"], None]
    _on_fatal: OnFatal
    view: JobView | None = None
    _waiting_lines: list[LogEntry] = field(factory=list)
    _marks: list[int] = field(factory=list)
    _lines_in_flight: bool = False

    @property
    def id(self) -> int:
        """
        The job's number.
        """
        return self.job.id

    @property
    def is_final(self) -> bool:
        """
        Whether the job has ended, durably or not yet.
        """
        return self.job.status in FINAL

    def loaded(self, revision: int, marks: Sequence[int] = ()) -> None:
        """
        Take the state for durable: it was read from the store, or has just been accepted.

        @param revision: Of its last change.
        @param marks: Of each line.
        """
        self._marks = list(marks)
        self.view = self._view_of(self.job, len(self.log.lines), {}, revision)

    def commit(self, writes: Sequence[Write] = (), *, job: Job | None = None) -> Deferred[int]:
        """
        Store a change, after the lines that wait.

        @param job: The new state, where that changes.
        @return: Fires with the revision when it is durable; never if the store fails.
        @raise TooLarge: It does not fit in a transaction, and has not happened.
        """
        while self._waiting_lines:
            self._commit_lines()
        puts = [put_job(job)] if job else []
        return self._transact(Transaction([*writes, *puts]), job or self.job)

    def add_line(self, line: LogEntry | None) -> None:
        """
        Store a line, now or together with others; C{None} is no line.
        """
        if line is None:
            return
        self._waiting_lines.append(line)
        if not self._lines_in_flight:
            self._send_lines()

    def show(self, what: str, progress: Progress | None) -> None:
        """
        Show how far something is, or no longer.
        """
        if self.view is None:
            return
        shown = {name: value for name, value in self.view.progress.items() if name != what}
        if progress is not None:
            shown[what] = progress
        self.view = evolve(self.view, progress=shown)
        self._published(self)

    def _transact(self, transaction: Transaction, job: Job) -> Deferred[int]:
        result: Deferred[int] = Deferred()
        # Before the call, because a store may tell of other transactions within it, and jobs then go on.
        before, self.job = self.job, job
        lines = len(self.log.lines) - len(self._waiting_lines)
        try:
            committed = self._store.transact(transaction)
        except StoreClosed:
            self._on_fatal(Failure())
            return result
        except LocalError:
            self.job = before
            raise

        def durable(outcome: Committed) -> None:
            self._marks += [outcome.revision] * (lines - len(self._marks))
            view = self._next_view(job, lines, outcome.revision)
            if view is not self.view:
                self.view = view
                self._published(self)
            result.callback(outcome.revision)

        committed.addCallbacks(durable, self._on_fatal)
        return result

    def _next_view(self, job: Job, lines: int, revision: int) -> JobView:
        before = self.view
        if before is None:
            return self._view_of(job, lines, {}, revision)
        if before.job is job and before.lines == lines:
            # Only the journal has changed.
            return before
        return self._view_of(job, lines, before.progress, revision)

    def _view_of(self, job: Job, lines: int, progress: Mapping[str, Progress], revision: int) -> JobView:
        return JobView(job, self.log.lines, lines, progress, revision, self._marks)

    def _commit_lines(self) -> Deferred[int]:
        lines, self._waiting_lines = (
            self._waiting_lines[:LINES_AT_ONCE],
            self._waiting_lines[LINES_AT_ONCE:],
        )
        puts = [Put(log_key(self.job.id, each.serial), msgspec.json.encode(each)) for each in lines]
        return self._transact(Transaction(puts), self.job)

    def _send_lines(self) -> None:
        # One transaction of lines at a time: those that come meanwhile share the next one.
        if self._waiting_lines:
            self._lines_in_flight = True
            self._commit_lines().addCallback(lambda _: self._lines_sent())

    def _lines_sent(self) -> None:
        self._lines_in_flight = False
        self._send_lines()
