"""
What each LUXI method does: to the queue, to queries, to the configuration.

One function a method.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import msgspec
from attrs import define, field

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, JobLost, OperationError, OpPrereqError
from gnttwist.masterd.config_changes import ConfigChanges
from gnttwist.masterd.encoded import Encoded
from gnttwist.masterd.figures import Figures
from gnttwist.masterd.filter_rules import FilterRules
from gnttwist.masterd.job_changes import Change, change_of, check_fields, lines_since, values_of
from gnttwist.masterd.luxi import Answer
from gnttwist.masterd.peer import Peer
from gnttwist.masterd.queue_interface import Queue
from gnttwist.masterd.queue_limits import QueueLimits
from gnttwist.masterd.submissions import SubmissionLog
from gnttwist.masterd.watcher import WatcherPause
from gnttwist.masterd.why import explain
from gnttwist.query.kept import KeptRows
from gnttwist.query.run import query, query_fields, query_values
from gnttwist.query.sources import Sources
from gnttwist.units.cluster_info import cluster_info, config_value
from gnttwist.wire import luxi
from gnttwist.wire.luxi import job_id

ARCHIVED_AT_ONCE = 100
"""
Jobs that are archived together: some milliseconds of work, in which nobody else is served.
"""

Carry = Callable[[Any, Peer, bytes], Awaitable[Any]]


@define(eq=False)
class Methods:
    """
    The L{gnttwist.masterd.luxi.Callee} of a master.

    @ivar _clock: For how long a call takes.
    @ivar _now: The wall clock, seconds since the epoch.
    @ivar _config: The newest configuration.
    @ivar _sources: What queries read, as of now.
    """

    _log = Logger()
    _queue: Queue
    _clock: IReactorTime
    _now: Callable[[], float]
    _config: Callable[[], Snapshot]
    _sources: Callable[[], Sources]
    _rules: FilterRules
    _watcher: WatcherPause
    _limits: QueueLimits
    _config_changes: ConfigChanges
    _figures: Figures
    _submissions: SubmissionLog = field(init=False)
    _kept: KeptRows = field(factory=KeptRows, init=False)
    _info: Encoded[Snapshot] = field(factory=lambda: Encoded(cluster_info), init=False)
    _changes: Encoded[Change] = field(factory=lambda: Encoded(list), init=False)
    _table: Mapping[type[luxi.Call], Carry] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._submissions = SubmissionLog(self._clock)
        self._table = {
            luxi.SubmitJob: self._submit,
            luxi.SubmitJobToDrainedQueue: self._submit_to_drained,
            luxi.SubmitManyJobs: self._submit_many,
            luxi.PickupJob: self._pickup,
            luxi.WaitForJobChange: self._wait_for_change,
            luxi.WaitForAnyJobChange: self._wait_for_any_change,
            luxi.WaitForConfigChange: self._wait_for_config,
            luxi.CancelJob: self._cancel,
            luxi.ArchiveJob: self._archive,
            luxi.AutoArchiveJobs: self._auto_archive,
            luxi.ChangeJobPriority: self._change_priority,
            luxi.SetDrainFlag: self._set_drained,
            luxi.SetQueueLimits: self._set_queue_limits,
            luxi.SetWatcherPause: self._set_watcher_pause,
            luxi.ReplaceFilter: self._replace_filter,
            luxi.DeleteFilter: self._delete_filter,
            luxi.Query: self._query,
            luxi.QueryFields: self._query_fields,
            luxi.QueryJobs: self._query_jobs,
            luxi.QueryInstances: self._classic("instance"),
            luxi.QueryNodes: self._classic("node"),
            luxi.QueryGroups: self._classic("group"),
            luxi.QueryNetworks: self._classic("network"),
            luxi.QueryExports: self._query_exports,
            luxi.QueryFilters: self._query_filters,
            luxi.QueryJobBlockers: self._query_job_blockers,
            luxi.QueryTags: self._tags,
            luxi.QueryConfigValues: self._config_values,
            luxi.QueryClusterInfo: self._cluster_info,
            luxi.QueryMetrics: self._metrics,
        }

    @property
    def known(self) -> Collection[type[luxi.Call]]:
        """
        What can be called.
        """
        return self._table.keys()

    def answer(self, call: luxi.Call, peer: Peer, message: bytes) -> Deferred[Answer]:
        """
        See L{gnttwist.masterd.luxi.Callee.answer}.
        """
        return Deferred.fromCoroutine(self._answer(call, peer, message))

    async def _answer(self, call: luxi.Call, peer: Peer, message: bytes) -> Answer:
        carry = self._table[type(call)]
        began, succeeded = self._clock.seconds(), False
        try:
            result = await carry(call, peer, message)
            succeeded = True
        finally:
            seconds = self._clock.seconds() - began
            self._figures.counters.requested(type(call).__name__, seconds, succeeded=succeeded)
        return result if isinstance(result, Answer) else Answer(result)

    # Jobs

    async def _submit(self, call: luxi.SubmitJob, peer: Peer, message: bytes) -> Answer:
        return self._accepted(await self._queue.submit(call.ops, uid=peer.uid, raw=message), peer)

    async def _submit_to_drained(
        self, call: luxi.SubmitJobToDrainedQueue, peer: Peer, message: bytes
    ) -> Answer:
        job = await self._queue.submit(call.ops, uid=peer.uid, raw=message, even_if_drained=True)
        return self._accepted(job, peer)

    def _accepted(self, job: int, peer: Peer) -> Answer:
        self._submissions.add(peer, [job])
        return Answer(job, lambda: self._queue.answered(job))

    async def _submit_many(self, call: luxi.SubmitManyJobs, peer: Peer, message: bytes) -> Answer:
        outcomes = await self._queue.submit_many(call.jobs, uid=peer.uid, raw=message)
        jobs = [value for accepted, value in outcomes if accepted]
        self._submissions.add(peer, jobs)
        return Answer(outcomes, (lambda: self._queue.answered(jobs[0])) if jobs else None)

    async def _pickup(self, call: luxi.PickupJob, peer: Peer, message: bytes) -> None:
        raise OperationError("Luxi call 'PickupJob' is for internal use only")

    async def _wait_for_change(self, call: luxi.WaitForJobChange, peer: Peer, message: bytes) -> Any:
        check_fields(call.fields)
        timeout = min(max(call.timeout, 0.0), luxi.WAIT_LIMIT)
        change: Change | None = await self._queue.wait_for_change(
            job_id(call.job_id),
            lambda view: change_of(view, call.fields, call.log_serial),
            None if call.previous is None else (call.previous, []),
            timeout,
            shared=(tuple(call.fields), call.log_serial),
        )
        # Nothing new in time: what Ganeti's daemon answers then is what the client has, and no lines.
        return [call.previous, []] if change is None else self._changes.of(change)

    async def _wait_for_any_change(
        self, call: luxi.WaitForAnyJobChange, peer: Peer, message: bytes
    ) -> list[Any]:
        check_fields(call.fields)
        jobs = {job_id(each) for each in call.job_ids} if call.job_ids else None
        timeout = min(max(call.timeout, 0.0), luxi.WAIT_LIMIT)
        revision, views, moment = await self._queue.wait_for_any_change(
            jobs, call.revision, timeout, moment=call.moment
        )
        if call.moment is None:
            return [revision, [[view.id, values_of(view, call.fields)] for view in views]]
        told = [[view.id, values_of(view, call.fields), lines_since(view, call.revision)] for view in views]
        return [revision, told, moment]

    async def _wait_for_config(self, call: luxi.WaitForConfigChange, peer: Peer, message: bytes) -> list[Any]:
        timeout = min(max(call.timeout, 0.0), luxi.WAIT_LIMIT)
        revision, changes = await self._config_changes.wait(call.revision, timeout)
        return [revision, None if changes is None else [each.to_wire() for each in changes]]

    async def _cancel(self, call: luxi.CancelJob, peer: Peer, message: bytes) -> list[Any]:
        job = job_id(call.job_id)
        try:
            return list(await self._queue.cancel(job, kill=call.kill))
        except JobLost:
            return [False, f"Job {job} not found in queue"]

    async def _archive(self, call: luxi.ArchiveJob, peer: Peer, message: bytes) -> bool:
        return await self._queue.archive(job_id(call.job_id))

    async def _auto_archive(self, call: luxi.AutoArchiveJobs, peer: Peer, message: bytes) -> list[int]:
        end = self._clock.seconds() + min(call.timeout, luxi.WAIT_LIMIT)
        before = None if call.age < 0 else self._now() - call.age
        ended = self._queue.over(before)
        archived = 0
        while ended and self._clock.seconds() < end:
            # Together, as many as are made durable in one commit.
            portion, ended = ended[:ARCHIVED_AT_ONCE], ended[ARCHIVED_AT_ONCE:]
            moved = [Deferred.fromCoroutine(self._queue.archive(each)) for each in portion]
            archived += sum(await gatherResults(moved, consumeErrors=True))
        return [archived, len(ended)]

    async def _change_priority(self, call: luxi.ChangeJobPriority, peer: Peer, message: bytes) -> list[Any]:
        job = job_id(call.job_id)
        try:
            return list(await self._queue.change_priority(job, call.priority))
        except JobLost:
            return [False, f"Job {job} not found in queue"]

    async def _set_drained(self, call: luxi.SetDrainFlag, peer: Peer, message: bytes) -> bool:
        await self._queue.set_drained(call.drained)
        self._log.info("{peer} set the queue's drain flag to {drained}", peer=peer, drained=call.drained)
        return True

    async def _set_queue_limits(self, call: luxi.SetQueueLimits, peer: Peer, message: bytes) -> None:
        await self._limits.set(call)

    async def _set_watcher_pause(
        self, call: luxi.SetWatcherPause, peer: Peer, message: bytes
    ) -> float | None:
        await self._watcher.set(call.until)
        return call.until

    async def _replace_filter(self, call: luxi.ReplaceFilter, peer: Peer, message: bytes) -> str:
        name = await self._rules.replace(call)
        self._log.info("{peer} set the job filter {filter}", peer=peer, filter=name)
        return name

    async def _delete_filter(self, call: luxi.DeleteFilter, peer: Peer, message: bytes) -> None:
        await self._rules.delete(call)
        self._log.info("{peer} removed the job filter {filter}", peer=peer, filter=call.uuid)

    # Queries

    async def _query(self, call: luxi.Query, peer: Peer, message: bytes) -> dict[str, Any]:
        return await query(call.what, call.fields, call.filter, self._sources(), self._kept)

    async def _query_fields(self, call: luxi.QueryFields, peer: Peer, message: bytes) -> dict[str, Any]:
        return query_fields(call.what, call.fields)

    async def _query_jobs(self, call: luxi.QueryJobs, peer: Peer, message: bytes) -> list[list[Any]]:
        ids = [job_id(each) for each in call.ids or ()]
        return await query_values("job", ids, call.fields, self._sources())

    def _classic(self, kind: str) -> Carry:
        async def carry(
            call: luxi.QueryInstances | luxi.QueryNodes | luxi.QueryGroups | luxi.QueryNetworks,
            peer: Peer,
            message: bytes,
        ) -> list[Any]:
            _check_not_locking(call.locking)
            return await query_values(kind, call.names or (), call.fields, self._sources(), self._kept)

        return carry

    async def _query_exports(self, call: luxi.QueryExports, peer: Peer, message: bytes) -> list[list[Any]]:
        _check_not_locking(call.locking)
        return await query_values("export", call.nodes or (), ["node", "export"], self._sources())

    async def _query_filters(self, call: luxi.QueryFilters, peer: Peer, message: bytes) -> list[list[Any]]:
        return await query_values("filter", call.uuids or (), call.fields, self._sources())

    async def _query_job_blockers(
        self, call: luxi.QueryJobBlockers, peer: Peer, message: bytes
    ) -> dict[str, Any]:
        places = self._config().cluster.max_running_jobs
        return explain(job_id(call.job_id), self._queue, self._sources().locks(), places)

    async def _tags(self, call: luxi.QueryTags, peer: Peer, message: bytes) -> list[str]:
        config = self._config()
        match call.kind:
            case "cluster":
                return sorted(config.cluster.tags)
            case "node":
                return sorted(config.nodes.find(call.name).tags)
            case "nodegroup":
                return sorted(config.groups.find(call.name).tags)
            case "instance":
                return sorted(config.instances.find(call.name).tags)
            case "network":
                return sorted(config.networks.find(call.name).tags)
            case _:
                raise OpPrereqError(f"Unknown tag kind '{call.kind}'", ECode.INVAL)

    async def _config_values(self, call: luxi.QueryConfigValues, peer: Peer, message: bytes) -> list[Any]:
        config = self._config()
        drained, paused = self._queue.drained, self._watcher.until
        return [config_value(config, drained, paused, name) for name in call.fields]

    async def _cluster_info(self, call: luxi.QueryClusterInfo, peer: Peer, message: bytes) -> msgspec.Raw:
        return self._info.of(self._config())

    async def _metrics(self, call: luxi.QueryMetrics, peer: Peer, message: bytes) -> dict[str, Any]:
        return await self._figures.tell()


def _check_not_locking(locking: bool) -> None:
    if locking:
        raise OpPrereqError("Sync queries are not allowed", ECode.INVAL)
