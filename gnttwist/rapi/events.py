"""
Events to many subscribers from two calls to gnt-masterd: one follows the jobs, one the configuration.

What happened lately is kept, encoded once; each subscriber is at some place in it and gets what follows as fast as it
reads. One that falls behind what is kept is cut off. It can come back with the id of the last event that it has read,
for what it missed is asked for again.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from attrs import define, field

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.client.luxi import NotReachable
from gnttwist.client.luxi_async import LuxiPool, TooManyCalls
from gnttwist.errors import GnttwistError
from gnttwist.rapi.event_stream import BEGINNING, Event, Wanted
from gnttwist.rapi.replay_buffer import ReplayBuffer
from gnttwist.rapi.subscriber import May, Subscriber
from gnttwist.rapi.users import User
from gnttwist.wire.events import JOB_FIELDS, Cursor, job_events, object_events

FOLLOW_TIME = 60.0
"""
Seconds that one call waits at gnt-masterd.
"""

RETRY = 1.0
"""
Seconds until gnt-masterd is asked again after it went away.
"""

HEARTBEAT_EVERY = 15.0
"""
Seconds of silence after which a subscriber is shown that the connection stands: less than proxies allow.
"""

SERVED_AT_ONCE = 100
"""
Subscribers that are written to in one turn of the reactor, so that others are served between.
"""

MAX_SUBSCRIBERS = 10_000

WHOLE_ANSWER = 1000
"""
Jobs in an answer of gnt-masterd, at most: behind a full one there is more.
"""


@define(eq=False, repr=False)
class EventHub:
    """
    Follows, keeps and sends.

    @ivar _jobs: The connection for following jobs, which always waits; C{_config} likewise; C{_calls} for the rest.
    @ivar _users: Gives the users that there are now, by name.
    """

    _log = Logger()
    _clock: IReactorTime
    _jobs: LuxiPool
    _config: LuxiPool
    _calls: LuxiPool
    _users: Callable[[], Mapping[str, User]]
    _buffer: ReplayBuffer = field(factory=ReplayBuffer, init=False)
    _now: Cursor = field(default=BEGINNING, init=False)
    _subscribers: dict[Subscriber, None] = field(factory=dict, init=False)
    _following: list[Deferred[None]] = field(factory=list, init=False)
    _started: Deferred[None] | None = field(default=None, init=False)
    _ready: dict[Subscriber, None] = field(factory=dict, init=False)
    _turn: IDelayedCall | None = field(default=None, init=False)
    _beat: IDelayedCall | None = field(default=None, init=False)

    @property
    def count(self) -> int:
        """
        How many subscribers there are.
        """
        return len(self._subscribers)

    async def subscribe(self, request: Any, wanted: Wanted, after: Cursor | None, may: May) -> None:
        """
        Send events to a client from now on, until it goes away.

        @param request: Its headers are not written yet.
        @param after: The last event that it has read; C{None} to begin now.
        @param may: Whether its user may still read.
        @raise NotReachable: gnt-masterd is not there.
        @raise TooManyCalls: There are too many subscribers.
        """
        if len(self._subscribers) >= MAX_SUBSCRIBERS:
            raise TooManyCalls(f"{MAX_SUBSCRIBERS} clients hear of events, the most that may")
        await self._follow()
        subscriber = Subscriber(request, wanted, may, self._wake, self._buffer.next, self._now)
        # Before anything is asked: what happens meanwhile is kept for it.
        first = [Event(self._now, "begin", text="events follow; load what you show now")]
        if after is not None:
            first = await self._missed(after)
            subscriber.told = first[-1].after
            subscriber.heard = {each["id"]: each for event in first for each in event.jobs}
        self._subscribers[subscriber] = None
        request.notifyFinish().addBoth(lambda _: self._gone(subscriber))
        for name, value in (
            (b"Content-Type", b"text/event-stream"),
            (b"Cache-Control", b"no-store"),
            (b"X-Accel-Buffering", b"no"),
        ):
            request.setHeader(name, value)
        request.registerProducer(subscriber, True)
        told = [each for event in first if (each := event.of(wanted)) is not None]
        request.write(b"retry: 2000\n\n" + b"".join(each.encode() for each in told))
        subscriber.last = self._clock.seconds()
        self._wake(subscriber)

    def stop(self) -> None:
        """
        End the calls and the connections.
        """
        for each in list(self._following):
            each.cancel()
        for call in (self._turn, self._beat):
            if call is not None and call.active():
                call.cancel()
        for subscriber in list(self._subscribers):
            self._cut_off(subscriber)

    async def _missed(self, after: Cursor) -> list[Event]:
        """
        What has happened since an event.
        """
        events = []
        revision, changes = await self._calls.call("WaitForConfigChange", after.config, 0)
        if changes is None and after.config != revision:
            events.append(
                Event(
                    Cursor(after.jobs, revision),
                    "snapshot",
                    text="what changed since then is not known: load all",
                )
            )
        elif changes:
            objects = object_events(changes)
            events.append(Event(Cursor(after.jobs, revision), "objects", objects=objects))
        jobs, full = after.jobs, True
        while full:
            answer = await self._calls.call("WaitForAnyJobChange", None, JOB_FIELDS, jobs, 0, 0)
            full = len(answer[1]) >= WHOLE_ANSWER and answer[0] > jobs
            if answer[1]:
                told = job_events(answer[1])
                events.append(Event(Cursor(answer[0], revision), "jobs", jobs=told))
            jobs = answer[0]
        return events or [Event(Cursor(jobs, revision), "begin", text="nothing has happened since then")]

    async def _follow(self) -> None:
        """
        See to it that both calls are under way, and from where.
        """
        if self._started is None:
            self._started = starting = Deferred.fromCoroutine(self._start())
            starting.addErrback(self._not_started)
        if self._started is not None:
            waiting: Deferred[None] = Deferred()
            self._started.addCallback(_pass_on, waiting)
            await waiting
        if self._started is None:
            raise NotReachable("gnt-masterd does not answer")

    async def _start(self) -> None:
        revision, _ = await self._calls.call("WaitForConfigChange", 0, 0)
        # A job that cannot be: only the revision and the moment are asked for.
        jobs, _, moment = await self._calls.call("WaitForAnyJobChange", [0], ["status"], 0, 0, 0)
        self._now = Cursor(jobs, revision)
        for work in (self._follow_jobs(moment), self._follow_config()):
            following = Deferred.fromCoroutine(work)
            self._following.append(following)
            following.addErrback(self._ended)
        self._beat = self._clock.callLater(HEARTBEAT_EVERY, self._heartbeat)

    def _not_started(self, why: Failure) -> None:
        # The next one tries again.
        self._started = None
        if not why.check(GnttwistError):
            self._log.failure("following what happens", failure=why)

    def _ended(self, why: Failure) -> None:
        if not why.check(CancelledError):
            self._log.failure("following what happens", failure=why)

    async def _follow_jobs(self, moment: int) -> None:
        while True:
            try:
                revision, jobs, moment = await self._jobs.call(
                    "WaitForAnyJobChange", None, JOB_FIELDS, self._now.jobs, FOLLOW_TIME, moment
                )
            except GnttwistError as reason:
                self._log.info("gnt-masterd went away: {reason}", reason=str(reason))
                await deferLater(self._clock, RETRY)
                moment = 0
                continue
            after = Cursor(revision, self._now.config)
            if jobs:
                passing = revision == self._now.jobs
                self._keep(Event(after, "jobs", jobs=job_events(jobs), passing=passing))
            else:
                self._now = after

    async def _follow_config(self) -> None:
        while True:
            try:
                revision, changes = await self._config.call(
                    "WaitForConfigChange", self._now.config, FOLLOW_TIME
                )
            except GnttwistError:
                await deferLater(self._clock, RETRY)
                continue
            after = Cursor(self._now.jobs, revision)
            if changes is None and revision != self._now.config:
                self._keep(Event(after, "snapshot", text="what changed since then is not known: load all"))
            elif changes:
                self._keep(Event(after, "objects", objects=object_events(changes)))
            else:
                self._now = after

    def _keep(self, event: Event) -> None:
        self._now = event.after
        self._buffer.append(event)
        self._serve_soon(each for each in self._subscribers if not each.paused)

    def _wake(self, subscriber: Subscriber) -> None:
        if subscriber in self._subscribers and not subscriber.paused:
            self._serve_soon([subscriber])

    def _serve_soon(self, subscribers: Iterable[Subscriber]) -> None:
        self._ready.update(dict.fromkeys(subscribers))
        if self._turn is None and self._ready:
            self._turn = self._clock.callLater(0, self._serve)

    def _serve(self) -> None:
        self._turn = None
        now, oldest = self._clock.seconds(), self._buffer.oldest
        for each in list(islice(self._ready, SERVED_AT_ONCE)):
            del self._ready[each]
            if each.next < oldest:
                self._cut_off(each)
            else:
                each.catch_up(self._buffer, now)
        if self._ready:
            self._turn = self._clock.callLater(0, self._serve)

    def _heartbeat(self) -> None:
        # The users are looked up once, not for each of thousands.
        self._beats(list(self._subscribers), self._users())

    def _beats(self, left: list[Subscriber], users: Mapping[str, User]) -> None:
        """
        See to these subscribers, a part of them in each turn.
        """
        now, oldest = self._clock.seconds(), self._buffer.oldest
        for each in left[:SERVED_AT_ONCE]:
            if each not in self._subscribers:
                continue
            if not each.may(users) or (each.paused and each.next < oldest):
                self._cut_off(each)
            elif not each.paused and now - each.last >= HEARTBEAT_EVERY / 2:
                each.beat(now)
        if left := left[SERVED_AT_ONCE:]:
            self._beat = self._clock.callLater(0, self._beats, left, users)
        else:
            self._beat = self._clock.callLater(HEARTBEAT_EVERY, self._heartbeat)

    def _cut_off(self, subscriber: Subscriber) -> None:
        """
        End the connection at once: what waits to be written would have to be kept otherwise.
        """
        self._gone(subscriber)
        subscriber.request.channel.forceAbortClient()

    def _gone(self, subscriber: Subscriber) -> None:
        self._subscribers.pop(subscriber, None)
        self._ready.pop(subscriber, None)


def _pass_on(result: None, waiting: Deferred[None]) -> None:
    if not waiting.called:
        waiting.callback(None)
