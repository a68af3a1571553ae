"""
All jobs: whole while they go on, and on the shelf when they have ended.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

import msgspec
from attrs import define, field

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gnttwist.errors import JobLost
from gnttwist.jobs.live import JobView, LiveJob, OnFatal
from gnttwist.jobs.log import JobLog
from gnttwist.jobs.shelf import Ended, Kept, Shelf, ended
from gnttwist.model.job import Job, Status
from gnttwist.store.interface import Store

LINGER = 10.0
"""
Seconds that a job that has ended stays in memory whole: hundreds may wait for it, and read its last lines.
"""


@define(eq=False, repr=False)
class Roster:
    """
    The jobs of a queue, by number.

    @ivar _on_fatal: Called when the store fails.
    @ivar _changed: Called with each new durable state of a job.
    @ivar _fading: Jobs that have ended and are still whole, and until when.
    @ivar _archiving: Jobs whose archiving is not durable yet.
    """

    _clock: IReactorTime
    _store: Store
    _on_fatal: OnFatal
    _changed: Callable[[JobView], None]
    _jobs: dict[int, LiveJob] = field(factory=dict, init=False)
    _shelf: Shelf = field(init=False)
    _fading: deque[tuple[float, LiveJob]] = field(factory=deque, init=False)
    _shelving: IDelayedCall | None = field(default=None, init=False)
    _archiving: set[int] = field(factory=set, init=False)
    _stopped: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._shelf = Shelf(self._store)

    def stop(self) -> None:
        """
        Let go of the timer.
        """
        self._stopped = True
        if self._shelving is not None:
            self._shelving.cancel()
            self._shelving = None

    def restore(self, found: Mapping[int, Ended]) -> None:
        """
        Take up the jobs that had ended before the start.
        """
        for id, each in found.items():
            self._shelf.put(id, each)

    def add(self, job: Job, log: JobLog, revision: int, marks: Sequence[int] = ()) -> LiveJob:
        """
        Take up a job that is durable.

        @param revision: Of its last change.
        @param marks: Of each line of its log.
        """
        live = LiveJob(job, log, self._store, self._published, self._on_fatal)
        live.loaded(revision, marks)
        self._jobs[job.id] = live
        return live

    def live(self, id: int) -> LiveJob | None:
        """
        A job that is in memory whole.
        """
        return self._jobs.get(id)

    def view(self, id: int) -> JobView | None:
        """
        Its newest durable state, if it is in memory whole.
        """
        live = self._jobs.get(id)
        return None if live is None else live.view

    def unended(self, id: int) -> LiveJob | None:
        """
        A job that has not ended; C{None} if it has.

        @raise JobLost: There is no such job.
        """
        live = self._jobs.get(id)
        if live is None and self._shelf.get(id) is None:
            raise JobLost(f"Job {id} not found")
        return None if live is None or live.is_final else live

    def status_of(self, id: int) -> Status | None:
        """
        A job's state, also of an archived one; C{None} if there is none.
        """
        live = self._jobs.get(id)
        if live is not None:
            return live.job.status
        kept = self._shelf.get(id)
        return None if kept is None else kept.status

    def job(self, id: int) -> JobView | None:
        """
        A job's newest durable state; one that has ended may lack its log. C{None} if there is none or it is
        archived.
        """
        return self.view(id) or self._shelf.view(id)

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
        return self.view(id) or await self._shelf.load(id, log)

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

    def _published(self, live: LiveJob) -> None:
        view = live.view
        if view is None:
            return
        if view.job.archived:
            self._shelf.put(view.id, ended(view.job, view.revision))
        elif view.is_final:
            self._fading.append((self._clock.seconds() + LINGER, live))
            if self._shelving is None and not self._stopped:
                self._shelving = self._clock.callLater(LINGER, self._shelve)
        self._changed(view)

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
