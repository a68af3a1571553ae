"""
Waiting for jobs: thousands of clients, and one call to gnt-masterd that waits for all of them.

One follower asks which jobs change. When one does, those who wait for it look, and whoever waits for the same
looks together, so a change costs one call however many wait for it.
"""

from collections.abc import Sequence
from typing import Any

from attrs import define, field

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.client.luxi import NotReachable
from gnttwist.client.luxi_async import LuxiPool, TooManyCalls
from gnttwist.errors import GnttwistError

WAITERS_LIMIT = 10_000
"""
Most requests that wait for jobs: more than connections are taken, so that only those limit.
"""

FOLLOW_TIME = 60.0
"""
Seconds that one call of the follower waits at masterd.
"""

FINAL = ("success", "error", "canceled")
"""
States of jobs that nothing follows.
"""

TOLD_AT_ONCE = 100
"""
Waiting requests that go on in one turn of the reactor, so that others are served between.
"""

Key = tuple[Any, ...]


@define(eq=False, repr=False)
class JobWaits:
    """
    Those who wait for jobs.

    @ivar _pool: Its own: the follower always waits.
    @ivar _looks: Calls that are under way, and who shares each.
    """

    _log = Logger()
    _clock: IReactorTime
    _following: LuxiPool
    _pool: LuxiPool
    _waiting: dict[int, set[Deferred[None]]] = field(factory=dict, init=False)
    _count: int = field(default=0, init=False)
    _follower: Deferred[None] | None = field(default=None, init=False)
    _starting: list[Deferred[None]] = field(factory=list, init=False)
    _started: bool = field(default=False, init=False)
    _looks: dict[Key, list[Deferred[Any]]] = field(factory=dict, init=False)

    @property
    def count(self) -> int:
        """
        How many wait.
        """
        return self._count

    async def wait(
        self, job: int, fields: Sequence[str], previous: Any, serial: int | None, timeout: float
    ) -> list[Any] | None:
        """
        Wait until a job's fields differ from what the client saw last, or its log has grown.

        @param previous: The fields' values; C{None} answers at once.
        @param serial: Of the last line that the client saw.
        @return: The values and the new lines; C{None} if nothing changed in time.
        @raise JobLost: There is no such job.
        @raise NotReachable: gnt-masterd went away.
        """
        if self._count >= WAITERS_LIMIT:
            raise TooManyCalls(f"{WAITERS_LIMIT} requests wait for jobs, the most that may")
        end = self._clock.seconds() + timeout
        self._count += 1
        try:
            await self._follow()
            while True:
                # Told of from now on, so that nothing falls between looking and waiting.
                changed = self._subscribe(job)
                try:
                    answer: list[Any] = await self._look(job, fields, previous, serial)
                    if previous is None or answer[0] != previous or answer[1] or _is_over(fields, answer[0]):
                        return answer
                    left = end - self._clock.seconds()
                    if left <= 0:
                        return None
                    try:
                        await changed.addTimeout(left, self._clock)
                    except TimeoutError:
                        return None
                finally:
                    self._unsubscribe(job, changed)
        finally:
            self._count -= 1
            self._end_follower_if_unneeded()

    def stop(self) -> None:
        """
        Tell all who wait that it is over.
        """
        self._fail_all(Failure(NotReachable("gnt-rapi is stopping")))
        if self._follower is not None:
            self._follower.cancel()

    def _subscribe(self, job: int) -> Deferred[None]:
        changed: Deferred[None] = Deferred()
        self._waiting.setdefault(job, set()).add(changed)
        return changed

    def _unsubscribe(self, job: int, changed: Deferred[None]) -> None:
        waiters = self._waiting.get(job)
        if waiters is not None:
            waiters.discard(changed)
            if not waiters:
                del self._waiting[job]
        changed.addErrback(lambda _: None)

    async def _look(self, job: int, fields: Sequence[str], previous: Any, serial: int | None) -> Any:
        key = (job, tuple(fields), repr(previous), serial)
        sharing = self._looks.get(key)
        if sharing is not None:
            shared: Deferred[Any] = Deferred(sharing.remove)
            sharing.append(shared)
            return await shared
        sharing = self._looks[key] = []
        first: Deferred[Any] = Deferred(sharing.remove)
        sharing.append(first)
        # Of its own: when the client that asked first goes away, those who share the answer still get it.
        looking = Deferred.fromCoroutine(
            self._pool.call("WaitForJobChange", job, list(fields), previous, serial, 0)
        )
        looking.addBoth(self._looked, key, sharing)
        return await first

    def _looked(self, result: Any, key: Key, sharing: list[Deferred[Any]]) -> None:
        del self._looks[key]
        self._resume(sharing, result)

    async def _follow(self) -> None:
        """
        See to it that the follower runs, and knows from when on.
        """
        if self._follower is None:
            self._started = False
            self._follower = following = Deferred.fromCoroutine(self._run())
            following.addBoth(self._ended, following)
        if not self._started and self._follower is not None:
            starting: Deferred[None] = Deferred(lambda each: self._starting.remove(each))
            self._starting.append(starting)
            await starting

    async def _run(self) -> None:
        # A job that cannot be: only the revision and the moment are asked for.
        answer = await self._following.call("WaitForAnyJobChange", [0], ["status"], 0, 0, 0)
        revision, _, moment = answer
        self._started = True
        starting, self._starting = self._starting, []
        for each in starting:
            each.callback(None)
        while True:
            revision, jobs, moment = await self._following.call(
                "WaitForAnyJobChange", None, ["status"], revision, FOLLOW_TIME, moment
            )
            for job, *_ in jobs:
                self._tell(job)

    def _tell(self, job: int) -> None:
        self._resume(list(self._waiting.get(job, ())), None)

    def _resume(self, waiters: list[Deferred[Any]], result: Any) -> None:
        portion = waiters[:TOLD_AT_ONCE]
        del waiters[:TOLD_AT_ONCE]
        for each in portion:
            if not each.called:
                each.callback(result)
        if waiters:
            self._clock.callLater(0, self._resume, waiters, result)

    def _ended(self, result: Any, following: Deferred[None]) -> None:
        if self._follower is following:
            self._follower = None
        self._started = False
        if isinstance(result, Failure) and not result.check(CancelledError):
            if not result.check(GnttwistError):
                self._log.failure("following jobs", failure=result)
            self._fail_all(result)

    def _fail_all(self, why: Failure) -> None:
        starting, self._starting = self._starting, []
        for each in starting:
            each.errback(why)
        for waiters in list(self._waiting.values()):
            for each in list(waiters):
                if not each.called:
                    each.errback(why)

    def _end_follower_if_unneeded(self) -> None:
        if not self._count and self._follower is not None:
            self._follower.cancel()


def _is_over(fields: Sequence[str], values: Sequence[Any]) -> bool:
    return any(name == "status" and value in FINAL for name, value in zip(fields, values, strict=False))
