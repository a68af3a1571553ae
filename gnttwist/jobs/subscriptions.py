"""
Waiting for jobs to change: subscribe, check, wait.

Waiters are told to look again, at most every 50 ms for each job, and at once when it ends. What they look at is
durable.
"""

from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from attrs import define, field

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gnttwist.errors import JobLost
from gnttwist.jobs.changes import Changes
from gnttwist.jobs.live import JobView

T = TypeVar("T")

COALESCE = 0.05
"""
Seconds in which changes of a job are collected.
"""

WOKEN_AT_ONCE = 200
"""
How many waiters look again in one turn of the reactor: some 6 ms of work, in which nobody else is served.
"""

ANY = 0
"""
The topic of those who wait for any job; there is no job of this number.
"""

TOLD_AT_ONCE = 1000
"""
How many changed jobs one answer tells of; more only if they changed in the same transaction.
"""

GONE = "Can't load job file"
"""
What clients are told about a job that is not there, or archived; Ganeti's words.
"""


@define(eq=False)
class _Topic:
    """
    One job that is waited for.

    @ivar waiters: Each is fired once.
    @ivar answers: What was computed from the newest view, for waiters that ask the same.
    """

    waiters: dict[Deferred[None], None] = field(factory=dict)
    timer: IDelayedCall | None = None
    users: int = 0
    answers: dict[Hashable, tuple[JobView, Any]] = field(factory=dict)


@define(eq=False)
class Subscriptions:
    """
    Who waits for which job.

    @ivar _find: A job's newest durable state; C{None} where it is not in memory.
    @ivar _load: Reads a job that has ended, with its log.
    @ivar _shown: By moments, which are counted here, of which jobs another progress was shown.
    """

    _clock: IReactorTime
    _find: Callable[[int], JobView | None]
    _load: Callable[[int], Awaitable[JobView | None]]
    _topics: dict[int, _Topic] = field(factory=dict)
    _changes: Changes = field(factory=Changes, init=False)
    _shown: Changes = field(factory=Changes, init=False)

    def restore(self, revisions: Mapping[int, int]) -> None:
        """
        Take up of which revisions the jobs are that were found at start.
        """
        for job, revision in sorted(revisions.items(), key=lambda each: each[1]):
            self._changes.note(job, revision)

    async def wait_for_change(
        self,
        job: int,
        compute: Callable[[JobView], T],
        previous: T | None,
        timeout: float,
        *,
        shared: Hashable = None,
    ) -> T | None:
        """
        Wait until what C{compute} makes of a job differs from C{previous}, or the job has ended.

        @param timeout: In seconds.
        @param shared: Equal for waiters whose C{compute} gives the same; it is then called once for all of them.
        @return: What C{compute} gave; C{None} if nothing changed in time.
        @raise JobLost: There is no such job, or it is archived.
        """
        topic = self._topics.setdefault(job, _Topic())
        topic.users += 1
        try:
            end = self._clock.seconds() + timeout
            while True:
                view = self._find(job) or await self._load(job)
                if view is None or view.job.archived:
                    raise JobLost(GONE)
                value: T = self._answer(topic, view, compute, shared)
                if view.is_final or value != previous:
                    return value
                left = end - self._clock.seconds()
                if left <= 0 or not await self._changed(topic, left):
                    return None
        finally:
            topic.users -= 1
            if not topic.users:
                self._drop(job, topic)

    async def wait_for_any_change(
        self, jobs: Collection[int] | None, since: int, timeout: float, *, moment: int | None = None
    ) -> tuple[int, list[JobView], int]:
        """
        Wait until at least one of several jobs has changed since a revision.

        Where more have changed than L{TOLD_AT_ONCE}, those that changed first are told, and the revision is theirs:
        who asks again with it misses nothing. No told job is of a later revision than the one that is given, so its
        lines since C{since} are what the asker has not seen, each of them once.

        @param jobs: Their numbers; C{None} for all jobs, also those to come.
        @param since: What an earlier answer gave; 0 for all that there is.
        @param timeout: In seconds.
        @param moment: What an earlier answer gave, to be told of progress since then, too; it is not stored, so a
            moment of another process counts as 0.
        @return: The revision to go on from, the changed jobs as they are now, none if nothing changed in time, and
            the moment to go on from.
        """
        topic = self._topics.setdefault(ANY, _Topic())
        topic.users += 1
        try:
            end = self._clock.seconds() + timeout
            while True:
                # What was looked at once is not looked at again, nor does the client need to see it again.
                told = jobs, since, moment
                since, found = await self._changed_since(jobs, since)
                if moment is not None:
                    moment, going_on = self._going_on(jobs, moment, found)
                    found += going_on
                if found:
                    return since, found, moment or 0
                if told != (jobs, since, moment) and self._is_news(since, moment):
                    # Something happened while the store was read.
                    continue
                left = end - self._clock.seconds()
                if left <= 0 or not await self._changed(topic, left):
                    return since, [], moment or 0
        finally:
            topic.users -= 1
            if not topic.users:
                self._drop(ANY, topic)

    async def _changed_since(self, jobs: Collection[int] | None, since: int) -> tuple[int, list[JobView]]:
        changed: list[int] = []
        last = since
        for job, revision in self._changes.since(since):
            if len(changed) >= TOLD_AT_ONCE and revision != last:
                break
            if jobs is None or job in jobs:
                changed.append(job)
            last = revision
        # Those in memory first: what happens while the store is read is later than the revision that is told.
        in_memory = {job: view for job in changed if (view := self._find(job)) is not None}
        found = []
        for job in changed:
            view = in_memory.get(job) or await self._load(job)
            if view is not None:
                found.append(view)
        return last, found

    def _going_on(
        self, jobs: Collection[int] | None, moment: int, told: Sequence[JobView]
    ) -> tuple[int, list[JobView]]:
        """
        The jobs, beside those that are told of anyway, whose progress has changed.
        """
        known = {view.id for view in told}
        shown = [job for job, _ in self._shown.since(moment) if jobs is None or job in jobs]
        views = [view for job in shown if job not in known and (view := self._find(job)) is not None]
        return self._shown.newest, views

    def _is_news(self, since: int, moment: int | None) -> bool:
        return self._changes.newest > since or (moment is not None and self._shown.newest > moment)

    def changed(self, view: JobView) -> None:
        """
        A job's durable state has changed, or its progress.
        """
        news = self._changes.note(view.job.id, view.revision)
        if not news:
            self._shown.note(view.id, self._shown.newest + 1)
        elif view.is_final:
            self._shown.forget(view.id)
        self._tell_soon(self._topics.get(ANY), view)
        self._tell_soon(self._topics.get(view.job.id), view)

    def _tell_soon(self, topic: _Topic | None, view: JobView) -> None:
        if topic is None:
            return
        if view.is_final or view.job.archived:
            self._wake(topic)
        elif topic.timer is None:
            topic.timer = self._clock.callLater(COALESCE, self._wake, topic)

    def _answer(self, topic: _Topic, view: JobView, compute: Callable[[JobView], T], shared: Hashable) -> T:
        if shared is None:
            return compute(view)
        kept = topic.answers.get(shared)
        if kept is not None and kept[0] is view:
            found: T = kept[1]
            return found
        topic.answers = {key: each for key, each in topic.answers.items() if each[0] is view}
        value = compute(view)
        topic.answers[shared] = (view, value)
        return value

    async def _changed(self, topic: _Topic, seconds: float) -> bool:
        told: Deferred[None] = Deferred()
        topic.waiters[told] = None
        timer = self._clock.callLater(seconds, told.cancel)
        timed_out = False
        try:
            await told
        except CancelledError:
            timed_out = not timer.active()
            if not timed_out:
                raise
        finally:
            topic.waiters.pop(told, None)
            if timer.active():
                timer.cancel()
        return not timed_out

    def _wake(self, topic: _Topic) -> None:
        if topic.timer is not None and topic.timer.active():
            topic.timer.cancel()
        topic.timer = None
        waiters, topic.waiters = list(topic.waiters), {}
        self._tell(waiters)

    def _tell(self, waiters: list[Deferred[None]]) -> None:
        now, later = waiters[:WOKEN_AT_ONCE], waiters[WOKEN_AT_ONCE:]
        if later:
            self._clock.callLater(0, self._tell, later)
        for each in now:
            if not each.called:
                each.callback(None)

    def _drop(self, job: int, topic: _Topic) -> None:
        if topic.timer is not None and topic.timer.active():
            topic.timer.cancel()
        if self._topics.get(job) is topic:
            del self._topics[job]
