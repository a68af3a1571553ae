"""
One opcode being carried out: what all its scopes share.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from attrs import define, field, frozen

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gnttwist.errors import JobCanceled, NodeError, OperationError
from gnttwist.jobs.journal import Journal, Record, encode_error, plain
from gnttwist.jobs.live import LiveJob, Progress, with_op
from gnttwist.jobs.services import Services
from gnttwist.model.job import Job, timestamp
from gnttwist.store.interface import Write

T = TypeVar("T")

CANCELED = "Job canceled by request"
"""
The result of an opcode that was cancelled, and the text of its error; Ganeti's.
"""

PROGRESS_LINE = 3.0
"""
Seconds between the log lines that tell progress to clients that know nothing but lines.
"""

MAX_PROGRESS = 64
"""
How many things an opcode shows the progress of at once: more than fit on a screen.
"""


@define(eq=False)
class Wait:
    """
    Something that an opcode waits for.

    @ivar interrupt: Called when the job is cancelled.
    @ivar abandon: Called when the daemon stops: lets go of timers and connections.
    @ivar call: The step's name, if it is a call that the node may have begun.
    """

    interrupt: Callable[[], None]
    abandon: Callable[[], None]
    call: str | None = None


@define(eq=False)
class Origin:
    """
    The feedback that is being forwarded while a unit's callback runs.

    @ivar step: The call's step.
    @ivar key: The call's key, if it has one.
    @ivar serial: The feedback's.
    @ivar lines: How many lines it has made so far.
    """

    step: str
    key: str | None
    serial: int
    lines: int = 0


@frozen
class Ending:
    """
    Why an opcode may take no new steps but its undo.

    @ivar error: What each new step gives.
    """

    error: OperationError


@define(eq=False)
class Execution:
    """
    One opcode on its way.

    @ivar op: Its index.
    @ivar ending: Set if it must end.
    @ivar stopped: Whether the daemon stops. Then no step answers any more, as if the process were gone.
    """

    services: Services
    live: LiveJob
    journal: Journal
    op: int
    ending: Ending | None = None
    stopped: bool = False
    _origin: Origin | None = None
    _waits: dict[Wait, None] = field(factory=dict)
    _last_line: float | None = None

    @property
    def refusal(self) -> OperationError | None:
        """
        What a new step gives instead of its outcome.
        """
        if self.live.job.cancel:
            return JobCanceled(CANCELED)
        return self.ending.error if self.ending else None

    def relay(self, inner: Deferred[T]) -> Deferred[T]:
        """
        A Deferred that fires like C{inner}, but not after the daemon stops.
        """
        outer: Deferred[T] = Deferred()

        def pass_on(result: T | Failure) -> None:
            if self.stopped:
                return
            if isinstance(result, Failure):
                outer.errback(result)
            else:
                outer.callback(result)

        inner.addBoth(pass_on)
        return outer

    def submit(self, record: Record, writes: Sequence[Write] = (), job: Job | None = None) -> Deferred[int]:
        """
        Journal a record; the transaction is submitted before this returns.

        @param writes: What else belongs to the same transaction.
        @param job: The job's new state, where it changes.
        """
        changed = job or self.live.job
        if changed.replays and record.kind == "outcome":
            job = msgspec.structs.replace(changed, replays=0)
        return self.relay(self.live.commit([self.journal.add(record), *writes], job=job))

    async def succeed(self, path: str, value: Any, writes: Sequence[Write] = ()) -> Any:
        """
        Journal a step's value.

        @return: The value as a replay will see it.
        """
        value = plain(value)
        await self.submit(Record(op=self.op, path=path, value=value), writes)
        return value

    async def fail(self, path: str, error: OperationError | NodeError, writes: Sequence[Write] = ()) -> None:
        """
        Journal a step's failure.
        """
        await self.submit(Record(op=self.op, path=path, error=encode_error(error)), writes)

    async def deadline(self, path: str, seconds: float) -> float:
        """
        When a step's time is over, in seconds since the epoch: C{seconds} after it first began.
        """
        found = self.journal.note(path, "deadline")
        if found is None:
            found = self.services.now() + seconds
            await self.submit(Record(op=self.op, path=path, kind="deadline", value=found))
        return float(found)

    async def progressed(self) -> None:
        """
        Note that a durable step was taken by other means than L{submit}.
        """
        if self.live.job.replays:
            await self.relay(self.live.commit(job=msgspec.structs.replace(self.live.job, replays=0)))

    def running(self) -> Job | None:
        """
        The job with this opcode C{running}, unless it is already, or being cancelled.
        """
        if self.live.job.ops[self.op].status != "waiting":
            return None
        now = timestamp(self.services.now())
        return with_op(self.live.job, self.op, status="running", exec_timestamp=now)

    async def ensure_running(self) -> None:
        """
        Make the opcode C{running}, before its first step that does something.
        """
        job = self.running()
        if job is not None:
            await self.relay(self.live.commit(job=job))

    async def pause(self, seconds: float, *, shielded: bool) -> None:
        """
        Wait; or until the job is cancelled.

        @param shielded: Whether cancelling does not concern it.
        @raise JobCanceled: The job was cancelled.
        """
        over: Deferred[None] = Deferred()
        timer = self.services.clock.callLater(max(0.0, seconds), over.callback, None)

        def interrupt() -> None:
            timer.cancel()
            over.errback(JobCanceled(CANCELED))

        wait = self.wait(Wait(interrupt, timer.cancel), shielded)
        try:
            await over
        finally:
            self.over(wait)

    def wait(self, wait: Wait, shielded: bool) -> Wait:
        """
        Note that something is waited for.
        """
        if shielded:
            wait = Wait(lambda: None, wait.abandon)
        self._waits[wait] = None
        return wait

    def over(self, wait: Wait) -> None:
        """
        Note that it is no longer waited for.
        """
        self._waits.pop(wait, None)

    def flying(self) -> list[Record]:
        """
        Records of the calls that are being made now and that a cancel request concerns.
        """
        return [
            Record(op=self.op, path=each.call, kind="flying", value=True)
            for each in self._waits
            if each.call is not None
        ]

    def interrupt(self) -> None:
        """
        The job has been cancelled: wait for nothing that can be done without.
        """
        for each in list(self._waits):
            if each in self._waits:
                each.interrupt()

    def stop(self) -> None:
        """
        Let go of everything; no step answers any more.
        """
        self.stopped = True
        waits, self._waits = list(self._waits), {}
        for each in waits:
            each.abandon()

    def forwarding(self, origin: Origin, callback: Callable[[], None]) -> None:
        """
        Run a unit's callback: the lines that it writes are C{origin}'s.
        """
        before, self._origin = self._origin, origin
        try:
            callback()
        finally:
            self._origin = before

    def line(self, name: Callable[[], str], payload: Any, type: str = "message") -> None:
        """
        Write a line of the log.

        @param name: Names the step. Not called for lines that feedback makes, which are named after that: it comes at
            any time, and must not change what other steps are called.
        """
        origin = self._origin
        call = None
        if origin is None:
            step = name()
        else:
            step = f"{origin.step}!{origin.serial}.{origin.lines}"
            origin.lines += 1
            call = None if origin.key is None else (origin.key, origin.serial)
        now = timestamp(self.services.now())
        self.live.add_line(self.live.log.add(now, payload, op=self.op, type=type, step=step, call=call))

    def progress(self, what: str, progress: Progress) -> None:
        """
        Show progress, and now and then write a line about it.
        """
        shown = self.live.view.progress if self.live.view else {}
        if what not in shown and len(shown) >= MAX_PROGRESS:
            return
        self.live.show(what, progress)
        seconds = self.services.clock.seconds()
        if self._last_line is None:
            # What is over within seconds needs no line.
            self._last_line = seconds
        elif seconds - self._last_line >= PROGRESS_LINE:
            self._last_line = seconds
            now = timestamp(self.services.now())
            self.live.add_line(self.live.log.add(now, _describe(what, progress), op=self.op))


def _describe(what: str, progress: Progress) -> str:
    unit = f" {progress.unit}" if progress.unit else ""
    if not progress.total:
        return f"{what}: {progress.done:g}{unit}"
    share = 100 * progress.done / progress.total
    return f"{what}: {progress.done:g} of {progress.total:g}{unit} ({share:.0f}%)"
