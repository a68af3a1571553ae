"""
What a process finds in the store when it comes to life.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import msgspec
from attrs import field, frozen

from gnttwist.errors import LocalError
from gnttwist.jobs import acknowledging, journal, log, unanswered
from gnttwist.jobs.journal import Journal, Record
from gnttwist.jobs.live import JOB_PREFIX
from gnttwist.jobs.shelf import Ended, ended
from gnttwist.model.job import FINAL, Job, LogEntry, Timestamp
from gnttwist.model.stored import decode
from gnttwist.store.interface import Delete, Entry, Store

EPOCH_KEY = "/meta/epoch"
SERIAL_KEY = "/jobs/serial"
DRAIN_KEY = "/jobs/drain"

PAGE = 500
"""
How many entries are read at a time: some milliseconds of the reactor's time.
"""


class NoEpoch(LocalError):
    """
    The store was not prepared: keys of calls would not be unique.
    """


@frozen
class Found:
    """
    The queue as it was left.

    @ivar epoch: The store's UUID.
    @ivar serial: The last job number given.
    @ivar stopped: When the process before was last seen at work, in seconds since the epoch.
    @ivar jobs: Those that have not ended; C{ended} are the others.
    @ivar revisions: Of each job's last change.
    @ivar marks: The revision of each of C{lines}.
    @ivar journals: Of jobs that were started and have not ended.
    @ivar stale: Journal records that nobody needs.
    """

    epoch: str
    serial: int
    drained: bool
    stopped: float
    jobs: dict[int, Job] = field(factory=dict)
    ended: dict[int, Ended] = field(factory=dict)
    revisions: dict[int, int] = field(factory=dict)
    lines: dict[int, list[LogEntry]] = field(factory=dict)
    marks: dict[int, list[int]] = field(factory=dict)
    journals: dict[int, Journal] = field(factory=dict)
    stale: Sequence[Delete] = ()
    acknowledgements: Sequence[Entry] = ()
    unanswered: Sequence[Entry] = ()


async def load(store: Store) -> Found:
    """
    Read everything about jobs.

    @raise NoEpoch: The store has none.
    @raise gnttwist.model.stored.Undecodable: A job is damaged.
    """
    epoch = [each async for each in _entries(store, EPOCH_KEY)]
    if not epoch:
        raise NoEpoch(f"the store has no {EPOCH_KEY}: make the cluster first")
    jobs: dict[int, Job] = {}
    revisions: dict[int, int] = {}
    kept: dict[int, Ended] = {}
    seen: Timestamp = (0, 0)
    async for each in _entries(store, JOB_PREFIX):
        job = decode(Job, each.value)
        revisions[job.id] = each.modified
        seen = max(seen, _last_seen(job))
        if job.status in FINAL:
            kept[job.id] = ended(job, each.modified)
        else:
            jobs[job.id] = job
    lines: defaultdict[int, list[LogEntry]] = defaultdict(list)
    marks: defaultdict[int, list[int]] = defaultdict(list)
    decode_line = msgspec.json.Decoder(LogEntry).decode
    async for each in _entries(store, log.PREFIX):
        owner = _owner(each.key, log.PREFIX)
        revisions[owner] = max(each.modified, revisions.get(owner, 0))
        if owner in jobs:
            lines[owner].append(decode_line(each.value))
            marks[owner].append(each.modified)
            seen = max(seen, lines[owner][-1].time)
    serial = [int(each.value) async for each in _entries(store, SERIAL_KEY)]
    journals, stale = await _journals(store, jobs)
    return Found(
        epoch=epoch[0].value.decode(),
        serial=serial[0] if serial else 0,
        drained=bool([each async for each in _entries(store, DRAIN_KEY)]),
        stopped=seen[0] + seen[1] / 1_000_000,
        jobs=jobs,
        ended=kept,
        revisions=revisions,
        lines=dict(lines),
        marks=dict(marks),
        journals=journals,
        stale=stale,
        acknowledgements=[each async for each in _entries(store, acknowledging.PREFIX)],
        unanswered=[each async for each in _entries(store, unanswered.PREFIX)],
    )


async def _journals(store: Store, jobs: dict[int, Job]) -> tuple[dict[int, Journal], list[Delete]]:
    """
    The journals of the opcodes that jobs are at; records of others were left by a process that was killed while it
    removed them.
    """
    found: defaultdict[int, list[tuple[int, Record]]] = defaultdict(list)
    stale = []
    at = {id: _at(job) for id, job in jobs.items()}
    decode_record = msgspec.json.Decoder(Record).decode
    async for each in _entries(store, journal.PREFIX):
        job = _owner(each.key, journal.PREFIX)
        record = decode_record(each.value)
        if record.op == at.get(job):
            found[job].append((int(each.key.rpartition("/")[2]), record))
        else:
            stale.append(Delete(each.key))
    return {id: Journal(id, records) for id, records in found.items()}, stale


def _at(job: Job) -> int | None:
    return next((index for index, op in enumerate(job.ops) if op.status not in FINAL), None)


async def _entries(store: Store, prefix: str) -> AsyncIterator[Entry]:
    after = ""
    more = True
    while more:
        page = await store.range(prefix, limit=PAGE, after=after)
        for each in page.entries:
            yield each
        more = page.more
        after = page.entries[-1].key if page.entries else after


def _owner(key: str, prefix: str) -> int:
    return int(key.removeprefix(prefix).partition("/")[0])


def _last_seen(job: Job) -> Timestamp:
    """
    The newest time that a job has.
    """
    times = [job.received_timestamp, job.start_timestamp, job.end_timestamp]
    times += [time for op in job.ops for time in (op.start_timestamp, op.end_timestamp)]
    return max(each for each in times if each is not None)
