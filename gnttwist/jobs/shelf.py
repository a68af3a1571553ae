"""
Jobs that have ended: what of them is kept in memory, and how the rest is read from the store.

Of a job that has ended its encoded bytes are kept, without its log; of an archived one only how it ended. A queue
with months of jobs in it so costs little.
"""

from collections.abc import AsyncIterator, Iterator, Sequence

import msgspec
from attrs import define, field, frozen

from gnttwist.jobs.live import JOB_PREFIX, JobView, job_key
from gnttwist.jobs.log import log_prefix
from gnttwist.model.job import Job, LogEntry, Status, Timestamp
from gnttwist.model.stored import decode, encode
from gnttwist.store.interface import Entry, Store

PAGE = 200
"""
How many entries of the store are read at a time: some milliseconds of the reactor's time.
"""


@frozen
class Ended:
    """
    What is kept of a job that has ended.

    @ivar end: When that was; C{None} for jobs that ended before anybody noted it.
    @ivar revision: The store's, when the job last changed.
    @ivar data: The job, encoded; C{None} if it is archived.
    """

    status: Status
    end: Timestamp | None
    revision: int
    data: bytes | None = field(repr=False)


def ended(job: Job, revision: int) -> Ended:
    """
    What to keep of a job.
    """
    return Ended(job.status, job.end_timestamp, revision, None if job.archived else encode(job))


@define(eq=False, repr=False)
class Kept:
    """
    A job that has ended, as lists of jobs have it: it is decoded when it is looked at, and its log is not there.
    """

    id: int
    _data: bytes
    _job: Job | None = None

    @property
    def job(self) -> Job:
        """
        The job.
        """
        if self._job is None:
            self._job = decode(Job, self._data)
        return self._job

    @property
    def log(self) -> Sequence[LogEntry]:
        """
        Nothing: L{Shelf.load} reads it.
        """
        return ()


@define(eq=False, repr=False)
class Shelf:
    """
    The jobs that have ended.
    """

    _store: Store
    _ended: dict[int, Ended] = field(factory=dict, init=False)

    def put(self, id: int, kept: Ended) -> None:
        """
        Keep a job, or another state of it.
        """
        self._ended[id] = kept

    def get(self, id: int) -> Ended | None:
        """
        What is kept of a job; C{None} if it is not here.
        """
        return self._ended.get(id)

    def visible(self) -> Iterator["Kept"]:
        """
        The jobs that are not archived.
        """
        return (Kept(id, each.data) for id, each in self._ended.items() if each.data is not None)

    def view(self, id: int) -> JobView | None:
        """
        A job that is not archived, without its log.
        """
        kept = self._ended.get(id)
        if kept is None or kept.data is None:
            return None
        return JobView(decode(Job, kept.data), revision=kept.revision)

    async def load(self, id: int, log: bool) -> JobView | None:
        """
        A job, archived or not.

        @param log: Whether its log is wanted, too.
        """
        kept = self._ended.get(id)
        if kept is None:
            return None
        lines: list[LogEntry] = []
        marks: list[int] = []
        if log:
            decode_line = msgspec.json.Decoder(LogEntry).decode
            async for each in _entries(self._store, log_prefix(id)):
                lines.append(decode_line(each.value))
                marks.append(each.modified)
        data = kept.data or await self._stored(id)
        return JobView(decode(Job, data), lines, len(lines), {}, kept.revision, marks)

    async def _stored(self, id: int) -> bytes:
        found = await self._store.range(job_key(id), limit=1)
        return found.entries[0].value

    async def archived(self) -> AsyncIterator[JobView]:
        """
        All archived jobs, in order, without their logs.
        """
        if all(each.data is not None for each in self._ended.values()):
            return
        async for each in _entries(self._store, JOB_PREFIX):
            job = decode(Job, each.value)
            if job.archived and job.id in self._ended:
                yield JobView(job, revision=self._ended[job.id].revision)

    def over(self, before: float | None) -> list[int]:
        """
        The jobs that can be archived, in order.

        @param before: Only those that ended before this time, in seconds since the epoch; C{None} for all.
        """
        return sorted(
            id
            for id, each in self._ended.items()
            if each.data is not None and (before is None or (each.end is not None and each.end[0] <= before))
        )


async def _entries(store: Store, prefix: str) -> AsyncIterator[Entry]:
    after, more = "", True
    while more:
        page = await store.range(prefix, limit=PAGE, after=after)
        for each in page.entries:
            yield each
        more = page.more
        after = page.entries[-1].key if page.entries else after
