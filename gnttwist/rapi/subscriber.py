"""
A client that hears of events, and how far it has heard.
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from zope.interface import implementer

from twisted.internet.interfaces import IPushProducer

from gnttwist.rapi.event_stream import BEGINNING, HEARTBEAT, Event, Wanted
from gnttwist.rapi.replay_buffer import Kept, ReplayBuffer
from gnttwist.rapi.users import User
from gnttwist.wire.events import Cursor

WRITTEN_AT_ONCE = 1 << 16
"""
Bytes of events that are joined in one write, until the connection may say that it is full: as much as it buffers.
"""

May = Callable[[Mapping[str, User]], bool]
"""
Called with the users that there are: whether a client may still read.
"""


@implementer(IPushProducer)
@define(eq=False, repr=False)
class Subscriber:
    """
    One client.

    @ivar may: Whether its user may still read.
    @ivar _ready: Called when it reads again.
    @ivar next: The number of the event that it gets next.
    @ivar told: How far it was told by what was asked for it alone.
    @ivar heard: What that told of jobs, until what all hear goes further.
    @ivar last: When it was written to.
    """

    request: Any
    wanted: Wanted
    may: May
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

    def catch_up(self, buffer: ReplayBuffer, now: float) -> None:
        """
        Write what it lacks, as long as it reads.

        @param buffer: Holds all that it lacks.
        """
        while not self.paused and (data := self._portion(buffer)):
            self.last = now
            self.request.write(data)

    def beat(self, now: float) -> None:
        """
        Show that the connection stands.
        """
        self.last = now
        self.request.write(HEARTBEAT)

    def _portion(self, buffer: ReplayBuffer) -> bytes:
        portion, size = [], 0
        for kept in buffer.since(self.next):
            self.next = kept.number + 1
            data = self._encoded(kept)
            portion.append(data)
            size += len(data)
            if size >= WRITTEN_AT_ONCE:
                break
        return b"".join(portion)

    def _encoded(self, kept: Kept) -> bytes:
        event: Event | None = kept.event
        if self.told != BEGINNING:
            event = kept.event.unheard(self.told, self.heard)
            after = kept.event.after
            if after.jobs >= self.told.jobs and after.config >= self.told.config:
                if after.jobs > self.told.jobs and kept.event.name == "jobs":
                    self.heard = {}
                if not self.heard:
                    # From here on it is with all the others.
                    self.told = BEGINNING
        if event is kept.event and self.wanted.everything:
            return kept.encoded
        chosen = None if event is None else event.of(self.wanted)
        return b"" if chosen is None else chosen.encode()
