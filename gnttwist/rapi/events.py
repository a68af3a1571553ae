"""
Events to many subscribers from two calls to gnt-masterd: one follows the jobs, one the configuration.

What happened lately is kept, encoded once; each subscriber is at some place in it and gets what follows as fast as it
reads. One that falls behind what is kept is cut off. It can come back with the id of the last event that it has read,
for what it missed is asked for again.
"""

from collections.abc import Callable, Mapping
from itertools import count, islice
from typing import Any

from attrs import define, field, frozen
from zope.interface import implementer

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.client.luxi import NotReachable
from gnttwist.client.luxi_async import LuxiPool, TooManyCalls
from gnttwist.errors import GnttwistError
from gnttwist.rapi.event_stream import BEGINNING, HEARTBEAT, Event, Wanted
from gnttwist.wire.events import JOB_FIELDS, Cursor, job_events, object_events

KEPT_BYTES = 8 << 20
"""
What is kept for subscribers that are behind: minutes of a busy cluster.
"""

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


@frozen
class Kept:
    """
    An event that is kept.

    @ivar number: Counted up.
    """

    number: int
    event: Event
    encoded: bytes


@implementer(IPushProducer)
@define(eq=False, repr=False)
class Subscriber:
    """
    One client.

    @ivar next: The number of the event that it gets next.
    @ivar told: How far it was told by what was asked for it alone.
    @ivar heard: What that told of jobs, until what all hear goes further.
    @ivar may: Whether its user may still read.
    """

    request: Any
    wanted: Wanted
    may: Callable[[], bool]
    _ready: Callable[["Subscriber"], None]
    next: int = 0
    told: Cursor = BEGINNING
    heard: dict[int, Mapping[str, Any]] = field(factory=dict)
    paused: bool = False
    last: float = 0.0

    def resumeProducing(self) -> None:
        """
        See L{IPushProducer}.
        """
        self.paused = False
        self._ready(self)

    def pauseProducing(self) -> None:
        """
        See L{IPushProducer}.
        """
        self.paused = True

    def stopProducing(self) -> None:
        """
        See L{IPushProducer}.
        """
        self.paused = True


@define(eq=False, repr=False)
class EventHub:
    """
    Follows, keeps and sends.

    @ivar _jobs: The connection for following jobs, which always waits; C{_config} likewise; C{_calls} for the rest.
    """

    _log = Logger()
    _clock: IReactorTime
    _jobs: LuxiPool
    _config: LuxiPool
    _calls: LuxiPool
    _numbers: "count[int]" = field(factory=count, init=False)
    _kept: list[Kept] = field(factory=list, init=False)
    _bytes: int = field(default=0, init=False)
    _now: Cursor = field(default=BEGINNING, init=False)
    _subscribers: dict[int, Subscriber] = field(factory=dict, init=False)
    _following: list[Deferred[None]] = field(factory=list, init=False)
    _started: Deferred[None] | None = field(default=None, init=False)
    _ready: dict[int, Subscriber] = field(factory=dict, init=False)
    _turn: IDelayedCall | None = field(default=None, init=False)
    _beat: IDelayedCall | None = field(default=None, init=False)

    @property
    def count(self) -> int:
        """
        How many subscribers there are.
        """
        return len(self._subscribers)

    async def subscribe(
        self, request: Any, wanted: Wanted, after: Cursor | None, may: Callable[[], bool]
    ) -> None:
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
        subscriber = Subscriber(request, wanted, may, self._wake, self._after_last(), self._now)
        # Before anything is asked: what happens meanwhile is kept for it.
        first = [Event(self._now, "begin", text="events follow; load what you show now")]
        if after is not None:
            first = await self._missed(after)
            subscriber.told = first[-1].after
            subscriber.heard = {each["id"]: each for event in first for each in event.jobs}
        self._subscribers[id(subscriber)] = subscriber
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
        for subscriber in list(self._subscribers.values()):
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
        kept = Kept(next(self._numbers), event, event.encode())
        self._kept.append(kept)
        self._bytes += len(kept.encoded)
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= len(self._kept.pop(0).encoded)
        for each in self._subscribers.values():
            self._wake(each)

    def _after_last(self) -> int:
        return self._kept[-1].number + 1 if self._kept else 0

    def _wake(self, subscriber: Subscriber) -> None:
        if id(subscriber) in self._subscribers and not subscriber.paused:
            self._ready[id(subscriber)] = subscriber
            if self._turn is None:
                self._turn = self._clock.callLater(0, self._serve)

    def _serve(self) -> None:
        self._turn = None
        for key in list(islice(self._ready, SERVED_AT_ONCE)):
            self._pump(self._ready.pop(key))
        if self._ready:
            self._turn = self._clock.callLater(0, self._serve)

    def _pump(self, subscriber: Subscriber) -> None:
        """
        Write what a subscriber lacks, as long as it reads.
        """
        if id(subscriber) not in self._subscribers or not self._kept:
            return
        first = self._kept[0].number
        if subscriber.next < first:
            self._cut_off(subscriber)
            return
        for kept in self._kept[subscriber.next - first :]:
            if subscriber.paused:
                return
            subscriber.next = kept.number + 1
            data = self._bytes_for(subscriber, kept)
            if data:
                subscriber.last = self._clock.seconds()
                subscriber.request.write(data)

    def _bytes_for(self, subscriber: Subscriber, kept: Kept) -> bytes:
        event: Event | None = kept.event
        if subscriber.told != BEGINNING:
            event = kept.event.unheard(subscriber.told, subscriber.heard)
            after = kept.event.after
            if after.jobs >= subscriber.told.jobs and after.config >= subscriber.told.config:
                if after.jobs > subscriber.told.jobs and kept.event.name == "jobs":
                    subscriber.heard = {}
                if not subscriber.heard:
                    # From here on it is with all the others.
                    subscriber.told = BEGINNING
        if event is kept.event and subscriber.wanted.everything:
            return kept.encoded
        chosen = None if event is None else event.of(subscriber.wanted)
        return b"" if chosen is None else chosen.encode()

    def _heartbeat(self) -> None:
        self._beats(list(self._subscribers.values()))

    def _beats(self, left: list[Subscriber]) -> None:
        """
        See to these subscribers, a part of them in each turn.
        """
        now = self._clock.seconds()
        for each in left[:SERVED_AT_ONCE]:
            if id(each) not in self._subscribers:
                continue
            if not each.may():
                self._cut_off(each)
            elif not each.paused and now - each.last >= HEARTBEAT_EVERY / 2:
                each.last = now
                each.request.write(HEARTBEAT)
            elif each.paused and self._kept and each.next < self._kept[0].number:
                self._cut_off(each)
        if left := left[SERVED_AT_ONCE:]:
            self._beat = self._clock.callLater(0, self._beats, left)
        else:
            self._beat = self._clock.callLater(HEARTBEAT_EVERY, self._heartbeat)

    def _cut_off(self, subscriber: Subscriber) -> None:
        """
        End the connection at once: what waits to be written would have to be kept otherwise.
        """
        self._gone(subscriber)
        subscriber.request.channel.forceAbortClient()

    def _gone(self, subscriber: Subscriber) -> None:
        self._subscribers.pop(id(subscriber), None)
        self._ready.pop(id(subscriber), None)


def _pass_on(result: None, waiting: Deferred[None]) -> None:
    if not waiting.called:
        waiting.callback(None)
