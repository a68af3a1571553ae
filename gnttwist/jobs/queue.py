"""
The job queue: all jobs, which of them run, and what users may do to them.
"""

from collections.abc import AsyncIterator, Callable, Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.config.service import Configuration
from gnttwist.config.snapshot import Snapshot
from gnttwist.jobs.accepting import Accepted, Intake
from gnttwist.jobs.acknowledging import Acknowledgements
from gnttwist.jobs.calls import NodeCaller
from gnttwist.jobs.engine import JobRun
from gnttwist.jobs.gate import Gate
from gnttwist.jobs.granting import Locks, LockWaits
from gnttwist.jobs.intervening import Interventions, Unstarted
from gnttwist.jobs.journal import Journal
from gnttwist.jobs.limits import max_queued
from gnttwist.jobs.live import JobView, LiveJob, OnFatal
from gnttwist.jobs.locks import LockRow
from gnttwist.jobs.log import JobLog
from gnttwist.jobs.opcodes import Opcodes
from gnttwist.jobs.recovery import Found, load
from gnttwist.jobs.roster import Roster
from gnttwist.jobs.services import NoQueries, Queries, Services
from gnttwist.jobs.shelf import Kept
from gnttwist.jobs.starting import Starter
from gnttwist.jobs.subscriptions import Subscriptions
from gnttwist.jobs.vault import HeldSecrets, NoVault, Vault
from gnttwist.model.job import FINAL, Job, Timestamp, timestamp
from gnttwist.store.interface import Delete, Store, Transaction

T = TypeVar("T")

STALE_AT_ONCE = 100
"""
How many keys are removed in one transaction; it holds 128.
"""

NO_VAULT = NoVault()
NO_QUERIES = NoQueries()


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
        vault: Vault = NO_VAULT,
        queries: Queries = NO_QUERIES,
    ) -> None:
        """
        @param clock: For delays.
        @param now: The wall clock, seconds since the epoch.
        @param configuration: Loaded.
        @param caller: Calls functions on nodes.
        @param entropy: Makes so many random bytes.
        @param on_fatal: Called when the store has failed: the process must end.
        @param queries: Answers the queries of jobs.
        @param vault: Where jobs' secrets outlive this process.
        """
        self._clock = clock
        self._now = now
        self._store = store
        self._configuration = configuration
        self._caller = caller
        self._queries = queries
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
            vault.keep,
        )
        self.roster = Roster(clock, store, self._on_fatal, self._changed)
        self._secrets = HeldSecrets(vault)
        gate = Gate(lambda: configuration.snapshot.filters)
        roster = self.roster
        unstarted = Unstarted(self._secrets, self._time)
        self._starter = Starter(
            clock, self._places, roster.live, self._new_run, unstarted.doom, gate, roster.status_of
        )
        self._interventions = Interventions(roster, self._starter, unstarted, self._locks)
        self._services: Services | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self.subscriptions = Subscriptions(clock, roster.view, lambda id: roster.load(id, True))

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
            queries=self._queries,
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
        self.roster.stop()
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
        See L{Roster.job}.
        """
        return self.roster.job(id)

    def jobs(self) -> Iterator[JobView | Kept]:
        """
        See L{Roster.jobs}.
        """
        return self.roster.jobs()

    def recent(self) -> list[JobView]:
        """
        See L{Roster.recent}.
        """
        return self.roster.recent()

    async def load(self, id: int, log: bool) -> JobView | None:
        """
        See L{Roster.load}.
        """
        return await self.roster.load(id, log)

    def archived(self) -> AsyncIterator[JobView]:
        """
        See L{Roster.archived}.
        """
        return self.roster.archived()

    def over(self, before: float | None) -> list[int]:
        """
        See L{Roster.over}.
        """
        return self.roster.over(before)

    def locks(self) -> list[LockRow]:
        """
        All locks that are held or waited for, in order.
        """
        return self._locks.view()

    @property
    def lock_waits(self) -> LockWaits:
        """
        What waiting for locks has cost so far.
        """
        return self._locks.waits

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
        self, jobs: Sequence[Sequence[Mapping[str, Any]]], *, uid: int | None, raw: bytes | None = None
    ) -> list[list[Any]]:
        """
        Accept jobs with consecutive numbers; durable when this returns. After that, L{answered} has to be called
        with the first that was accepted.

        @param raw: As for L{submit}. Large ones take several transactions: those jobs that were not durable at the
            restart are refused then.
        @return: For each C{[True, job id]} or C{[False, message]}.
        @raise OperationError: The queue is drained, or too full for all of them.
        """
        return await self._intake.submit_many(jobs, uid=uid, raw=raw)

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
        See L{Interventions.cancel}.
        """
        return await self._interventions.cancel(id, kill)

    async def archive(self, id: int) -> bool:
        """
        Put a job that has ended out of sight; durable when this returns.

        @return: Whether it is there and has ended.
        """
        return await self.roster.archive(id)

    async def change_priority(self, id: int, priority: int) -> tuple[bool, str]:
        """
        See L{Interventions.change_priority}.
        """
        return await self._interventions.change_priority(id, priority)

    def held(self, id: int) -> str | None:
        """
        How a job filter, or a limit in its reason, keeps a queued job from starting; C{None} if none does.
        """
        live = self.roster.live(id)
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

    def _changed(self, view: JobView) -> None:
        self.subscriptions.changed(view)

    def _time(self) -> tuple[int, int]:
        return timestamp(self._now())

    def _places(self) -> int:
        return self._configuration.snapshot.cluster.max_running_jobs

    def _room(self) -> int:
        return max_queued(self._configuration.snapshot.cluster)

    def _accepted(self, accepted: Accepted, revision: int) -> None:
        live = self.roster.add(accepted.job, JobLog(), revision)
        if live.view is not None:
            self._changed(live.view)
        self._secrets.add(live.id, accepted.secrets)
        self._starter.add(live)

    def _resume(self, found: Found) -> None:
        self.subscriptions.restore(found.revisions)
        self.roster.restore(found.ended)
        self._secrets.restore(found.jobs)
        for job in found.jobs.values():
            log = JobLog(found.lines.get(job.id, ()))
            live = self.roster.add(job, log, found.revisions[job.id], found.marks.get(job.id, ()))
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
        secrets = self._secrets.of(live.id)
        return JobRun(
            self._services,
            self._opcodes,
            live,
            journal or Journal(live.id),
            secrets,
            self._over,
            replaying,
        )

    def _over(self, run: JobRun) -> None:
        self._secrets.forget(run.live.id)
        self._starter.ended(run)

    def _configured(self, config: Snapshot) -> None:
        self._starter.look_soon()


def _had_locks(job: Job) -> Timestamp | None:
    """
    When the opcode that a job is at had its locks, which the journal does not say.
    """
    op = next((each for each in job.ops if each.status not in FINAL), None)
    return None if op is None else op.exec_timestamp or op.start_timestamp
