"""
The job queue: all jobs, which of them run, and what users may do to them.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.config.service import Configuration
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import JobLost, OpExecError, OpPrereqError, to_wire
from gnttwist.jobs.accepting import Accepted, Intake
from gnttwist.jobs.acknowledging import Acknowledgements
from gnttwist.jobs.calls import NodeCaller
from gnttwist.jobs.engine import PRECEDING, JobRun, Secrets, ended_from
from gnttwist.jobs.gate import Gate
from gnttwist.jobs.granting import Locks
from gnttwist.jobs.journal import Journal
from gnttwist.jobs.limits import max_queued
from gnttwist.jobs.live import JobView, LiveJob, OnFatal, with_op
from gnttwist.jobs.locks import LockRow
from gnttwist.jobs.log import JobLog
from gnttwist.jobs.opcodes import Opcodes
from gnttwist.jobs.recovery import Found, load
from gnttwist.jobs.schedule import Cancel, Doom, Fail, Refuse
from gnttwist.jobs.services import Services
from gnttwist.jobs.shelf import Kept, Shelf, ended
from gnttwist.jobs.starting import Starter
from gnttwist.jobs.subscriptions import Subscriptions
from gnttwist.model.job import FINAL, Job, Status, Timestamp, timestamp
from gnttwist.store.interface import Delete, Store, Transaction

T = TypeVar("T")

STALE_AT_ONCE = 100
"""
How many keys are removed in one transaction; it holds 128.
"""

LINGER = 10.0
"""
Seconds that a job that has ended stays in memory whole: hundreds may wait for it, and read its last lines.
"""

PRIORITIES = range(-20, 20)
"""
What a priority can be changed to.
"""


class Queue:
    """
    All jobs, in memory and in the store.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        clock: IReactorTime,
        now: Callable[[], float],
        store: Store,
        configuration: Configuration,
        caller: NodeCaller,
        opcodes: Opcodes,
        entropy: Callable[[int], bytes],
        on_fatal: OnFatal,
    ) -> None:
        """
        @param clock: For delays.
        @param now: The wall clock, seconds since the epoch.
        @param configuration: Loaded.
        @param caller: Calls functions on nodes.
        @param entropy: Makes so many random bytes.
        @param on_fatal: Called when the store has failed: the process must end.
        """
        self._clock = clock
        self._now = now
        self._store = store
        self._configuration = configuration
        self._caller = caller
        self._opcodes = opcodes
        self._entropy = entropy
        self._tell_fatal = on_fatal
        self._failed: Deferred[None] = Deferred()
        self._locks = Locks(self._time)
        self._acknowledgements = Acknowledgements(clock, store, caller, self._on_fatal)
        self._intake = Intake(
            clock,
            now,
            store,
            opcodes,
            entropy,
            lambda: len(self._starter),
            self._room,
            self._accepted,
            self._on_fatal,
        )
        self._jobs: dict[int, LiveJob] = {}
        self._secrets: dict[int, Secrets] = {}
        gate = Gate(lambda: configuration.snapshot.filters)
        self._shelf = Shelf(store)
        self._fading: deque[tuple[float, LiveJob]] = deque()
        self._shelving: IDelayedCall | None = None
        self._archiving: set[int] = set()
        self._stopping = False
        self._starter = Starter(
            clock, self._places, self._jobs.get, self._new_run, self._doom, gate, self._status_of
        )
        self._services: Services | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self.subscriptions = Subscriptions(clock, self._view, lambda id: self.load(id, True))

    async def start(self) -> None:
        """
        Take up what was left, and begin to run jobs. To be called once, before anything else.

        @raise gnttwist.jobs.recovery.NoEpoch: The store was not prepared.
        """
        found = await load(self._store)
        self._services = Services(
            clock=self._clock,
            now=self._now,
            store=self._store,
            configuration=self._configuration,
            caller=self._caller,
            locks=self._locks,
            acknowledgements=self._acknowledgements,
            epoch=found.epoch,
            submit=self._intake.submit_for,
            on_fatal=self._on_fatal,
            incident=lambda: self._entropy(6).hex(),
        )
        for id, journal in found.journals.items():
            self._locks.restore(id, journal.held(), _had_locks(found.jobs[id]))
        self._intake.restore(found)
        for first in range(0, len(found.stale), STALE_AT_ONCE):
            stale: list[Delete] = list(found.stale[first : first + STALE_AT_ONCE])
            self._store.transact(Transaction(stale)).addErrback(self._on_fatal)
        nodes = {each.uuid: each for each in self._configuration.snapshot.nodes}
        self._acknowledgements.restore(found.acknowledgements, nodes)
        self._unsubscribe = self._configuration.on_change(self._configured)
        self._resume(found)

    async def stop(self) -> None:
        """
        Leave everything for the next start; nothing is answered any more.
        """
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._stopping = True
        if self._shelving is not None:
            self._shelving.cancel()
            self._shelving = None
        self._starter.stop()
        self._intake.stop()
        self._acknowledgements.stop()
        written = [run.stop() for run in self._starter.runs.values()]
        durable: Deferred[Any] = DeferredList([each for each in written if each is not None])
        failed: Deferred[Any] = self._failed
        # A store that has failed writes nothing any more.
        await DeferredList([durable, failed], fireOnOneCallback=True)

    def job(self, id: int) -> JobView | None:
        """
        A job's newest durable state; one that has ended may lack its log. C{None} if there is none or it is
        archived.
        """
        return self._view(id) or self._shelf.view(id)

    def jobs(self) -> Iterator[JobView | Kept]:
        """
        All jobs but archived ones; those that have ended may lack their logs.
        """
        yield from self.recent()
        yield from self._shelf.visible()

    def recent(self) -> list[JobView]:
        """
        The jobs that have not ended, and some that have just ended.
        """
        return [each.view for each in self._jobs.values() if each.view is not None]

    async def load(self, id: int, log: bool) -> JobView | None:
        """
        A job's newest durable state, also of an archived one.

        @param log: Whether its log is wanted, too.
        """
        return self._view(id) or await self._shelf.load(id, log)

    def archived(self) -> AsyncIterator[JobView]:
        """
        All archived jobs, without their logs.
        """
        return self._shelf.archived()

    def over(self, before: float | None) -> list[int]:
        """
        The jobs that can be archived, in order.

        @param before: Only those that ended before this time, in seconds since the epoch; C{None} for all.
        """
        self._shelve_all()
        return self._shelf.over(before)

    def locks(self) -> list[LockRow]:
        """
        All locks that are held or waited for, in order.
        """
        return self._locks.view()

    @property
    def drained(self) -> bool:
        """
        Whether no jobs are taken.
        """
        return self._intake.drained

    async def set_drained(self, drained: bool) -> None:
        """
        Take no jobs from now on, or take them again; durable when this returns.
        """
        await self._intake.set_drained(drained)

    async def submit(
        self,
        ops: Sequence[Mapping[str, Any]],
        *,
        uid: int | None,
        raw: bytes | None = None,
        even_if_drained: bool = False,
    ) -> int:
        """
        Accept a job; it is durable when this returns. After that, L{answered} has to be called.

        @param uid: Whose connection it came by.
        @param raw: The whole request, if it may be repeated by a client that gets no answer: the first such
            request after a restart answers with the job that was accepted then.
        @return: Its number.
        @raise OperationError: It is not acceptable, or the queue is drained or full.
        """
        return await self._intake.submit(ops, uid=uid, raw=raw, even_if_drained=even_if_drained)

    async def submit_many(
        self, jobs: Sequence[Sequence[Mapping[str, Any]]], *, uid: int | None
    ) -> list[list[Any]]:
        """
        Accept jobs with consecutive numbers; durable when this returns.

        @return: For each C{[True, job id]} or C{[False, message]}.
        @raise OperationError: The queue is drained, or too full for all of them.
        """
        return await self._intake.submit_many(jobs, uid=uid)

    def answered(self, id: int) -> None:
        """
        The answer to a submission was written to its client.
        """
        self._intake.answered(id)

    async def wait_for_change(
        self,
        id: int,
        compute: Callable[[JobView], T],
        previous: T | None,
        timeout: float,
        *,
        shared: Hashable = None,
    ) -> T | None:
        """
        See L{Subscriptions.wait_for_change}.
        """
        return await self.subscriptions.wait_for_change(id, compute, previous, timeout, shared=shared)

    async def wait_for_any_change(
        self, jobs: Collection[int] | None, since: int, timeout: float, *, moment: int | None = None
    ) -> tuple[int, list[JobView], int]:
        """
        See L{Subscriptions.wait_for_any_change}.
        """
        return await self.subscriptions.wait_for_any_change(jobs, since, timeout, moment=moment)

    async def cancel(self, id: int, kill: bool = False) -> tuple[bool, str]:
        """
        Cancel a job that has not begun to do anything, or with C{kill} stop any job at its next step and undo
        what it did; the request is durable when this returns.

        @return: Whether the job ends or will end by this, and a sentence.
        @raise JobLost: There is no such job.
        """
        live = self._unended(id)
        if live is None:
            return False, f"Job {id} has already ended"
        run = self._starter.runs.get(id)
        if run is None:
            self._starter.remove(live)
            await self._end_unstarted(live, ended_from(live.job, 0, "canceled", None, self._time()))
            return True, f"Dequeued job {id}"
        if live.job.cancel:
            return True, f"Job {id} is being cancelled already"
        if live.job.status == "waiting":
            await run.cancel()
            return True, "Job successfully cancelled"
        if not kill:
            return False, f"Job {id} is no longer waiting; it can only be killed"
        await run.cancel()
        return True, f"Job {id} stops at its next step and undoes what it did"

    async def archive(self, id: int) -> bool:
        """
        Put a job that has ended out of sight; durable when this returns.

        @return: Whether it is there and has ended.
        """
        self._shelve_all()
        view = self._shelf.view(id)
        if view is None or id in self._archiving:
            return False
        self._archiving.add(id)
        try:
            job = msgspec.structs.replace(view.job, archived=True)
            live = LiveJob(job, JobLog(), self._store, self._published, self._on_fatal)
            await live.commit(job=job)
        finally:
            self._archiving.discard(id)
        return True

    async def change_priority(self, id: int, priority: int) -> tuple[bool, str]:
        """
        Make those opcodes of a job that have not ended more or less urgent; durable when this returns.

        @raise JobLost: There is no such job.
        @raise OpPrereqError: There is no such priority.
        """
        if priority not in PRIORITIES:
            raise OpPrereqError(
                f"Priority {priority} is not between {PRIORITIES[0]} and {PRIORITIES[-1]}", "wrong_input"
            )
        live = self._unended(id)
        if live is None:
            return False, f"Job {id} has already ended"
        job = live.job
        for index, op in enumerate(job.ops):
            if op.status not in FINAL:
                job = with_op(job, index, priority=priority)
        queued = id not in self._starter.runs
        durable = live.commit(job=job)
        if queued:
            self._starter.remove(live)
            self._starter.add(live)
        else:
            self._locks.reprioritize(id, priority)
        await durable
        return True, f"Priorities of pending opcodes for job {id} have been changed to {priority}"

    def held(self, id: int) -> str | None:
        """
        How a job filter, or a limit in its reason, keeps a queued job from starting; C{None} if none does.
        """
        live = self._jobs.get(id)
        return None if live is None or id in self._starter.runs else self._starter.held(live)

    @property
    def last_id(self) -> int:
        """
        The newest job's number.
        """
        return self._intake.last_id

    def oldest_read(self) -> int | None:
        """
        The oldest revision that an unfinished job may read again after a restart; C{None} if none does. History
        before it can be compacted.
        """
        reads = [each.oldest_read for each in self._starter.runs.values()]
        return min((each for each in reads if each is not None), default=None)

    def _on_fatal(self, failure: Failure) -> None:
        if not self._failed.called:
            self._failed.callback(None)
        self._tell_fatal(failure)

    def _unended(self, id: int) -> LiveJob | None:
        """
        A job that has not ended; C{None} if it has.
        """
        live = self._jobs.get(id)
        if live is None and self._shelf.get(id) is None:
            raise JobLost(f"Job {id} not found")
        return None if live is None or live.is_final else live

    def _view(self, id: int) -> JobView | None:
        live = self._jobs.get(id)
        return None if live is None else live.view

    def _status_of(self, id: int) -> Status | None:
        live = self._jobs.get(id)
        if live is not None:
            return live.job.status
        kept = self._shelf.get(id)
        return None if kept is None else kept.status

    def _time(self) -> tuple[int, int]:
        return timestamp(self._now())

    def _places(self) -> int:
        return self._configuration.snapshot.cluster.max_running_jobs

    def _room(self) -> int:
        return max_queued(self._configuration.snapshot.cluster)

    def _new_live(self, job: Job, log: JobLog, revision: int, marks: Sequence[int] = ()) -> LiveJob:
        live = LiveJob(job, log, self._store, self._published, self._on_fatal)
        live.loaded(revision, marks)
        self._jobs[job.id] = live
        return live

    def _published(self, live: LiveJob) -> None:
        view = live.view
        if view is None:
            return
        if view.job.archived:
            self._shelf.put(view.id, ended(view.job, view.revision))
        elif view.is_final:
            self._fading.append((self._clock.seconds() + LINGER, live))
            if self._shelving is None and not self._stopping:
                self._shelving = self._clock.callLater(LINGER, self._shelve)
        self.subscriptions.changed(view)

    def _shelve(self) -> None:
        self._shelving = None
        now = self._clock.seconds()
        while self._fading and self._fading[0][0] <= now:
            self._put_away(self._fading.popleft()[1])
        if self._fading:
            self._shelving = self._clock.callLater(self._fading[0][0] - now, self._shelve)

    def _shelve_all(self) -> None:
        while self._fading:
            self._put_away(self._fading.popleft()[1])

    def _put_away(self, live: LiveJob) -> None:
        # It may have been told of more than once.
        if live.view is not None and self._jobs.pop(live.id, None) is not None:
            self._shelf.put(live.id, ended(live.view.job, live.view.revision))

    def _accepted(self, accepted: Accepted, revision: int) -> None:
        live = self._new_live(accepted.job, JobLog(), revision)
        self._published(live)
        self._secrets[live.id] = accepted.secrets
        self._starter.add(live)

    def _resume(self, found: Found) -> None:
        self.subscriptions.restore(found.revisions)
        for id, each in found.ended.items():
            self._shelf.put(id, each)
        for job in found.jobs.values():
            log = JobLog(found.lines.get(job.id, ()))
            live = self._new_live(job, log, found.revisions[job.id], found.marks.get(job.id, ()))
            if job.status == "queued":
                self._starter.add(live)
            else:
                run = self._new_run(live, found.journals.get(job.id), replaying=True)
                self._starter.runs[job.id] = run
        # All are known before the first goes on: it could end at once, and others be started.
        for run in list(self._starter.runs.values()):
            run.start()

    def _new_run(self, live: LiveJob, journal: Journal | None = None, replaying: bool = False) -> JobRun:
        assert self._services is not None, "the queue was not started"
        secrets = self._secrets.pop(live.id, ())
        return JobRun(
            self._services,
            self._opcodes,
            live,
            journal or Journal(live.id),
            secrets,
            self._starter.ended,
            replaying,
        )

    async def _end_unstarted(self, live: LiveJob, job: Job) -> None:
        self._secrets.pop(live.id, None)
        await live.commit(job=job)

    def _configured(self, config: Snapshot) -> None:
        self._starter.look_soon()

    def _doom(self, live: LiveJob, why: Doom) -> None:
        now = self._time()
        match why:
            case Cancel(job):
                text = f"Job {job}, which this one depends on, was canceled"
                job_now = ended_from(live.job, 0, "canceled", text, now)
            case Refuse(rule):
                text = f"Job rejected by filter rule {rule}"
                job_now = ended_from(live.job, 0, "canceled", text, now)
            case Fail(message):
                failed = ended_from(live.job, 0, "error", PRECEDING, now)
                job_now = with_op(failed, 0, result=to_wire(OpExecError(message)))
        Deferred.fromCoroutine(self._end_unstarted(live, job_now)).addErrback(self._not_doomed, live)

    def _not_doomed(self, failure: Any, live: LiveJob) -> None:
        self._log.failure("ending job {job}", failure, job=live.id)


def _had_locks(job: Job) -> Timestamp | None:
    """
    When the opcode that a job is at had its locks, which the journal does not say.
    """
    op = next((each for each in job.ops if each.status not in FINAL), None)
    return None if op is None else op.exec_timestamp or op.start_timestamp
