"""
The change feed for this machine's gnt-confd: what has changed in the configuration, as soon as it is durable. The
exported file is written once a second at most; this is what makes the master's answers fresher.

On C{Paths.feed_socket}: JSON messages ended by byte 0x03, in the form of C{config.data}: C{{"members": {name: value},
"tables": {table: {uuid: object or null}}}}. The first one of a connection is the whole, and has C{"full": true}. The
reader says nothing.
"""

from collections.abc import Callable, Collection
from typing import Any

import msgspec
from attrs import define, field
from rpds import HashTrieMap
from zope.interface import implementer

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.config.export import tables, top_members
from gnttwist.config.service import Configuration
from gnttwist.config.snapshot import Snapshot
from gnttwist.masterd.config_changes import may_differ
from gnttwist.wire.framing import frame

InThread = Callable[[Callable[[], bytes]], Deferred[bytes]]

INTERVAL = 0.02
"""
Seconds in which changes are gathered into one message: a fifth of the time in which confd is to know of them.
"""

MAX_READERS = 64
"""
Connections: confd has one for each of its workers.
"""


KINDS = {
    "nodes": "node",
    "nodegroups": "group",
    "instances": "instance",
    "networks": "network",
    "disks": "disk",
    "filters": "filter",
}
"""
What the store's keys call the objects of a table.
"""


def changes(before: Snapshot | None, after: Snapshot, keys: Collection[str] | None = None) -> dict[str, Any]:
    """
    What to tell somebody who knows C{before}. Pure.

    Objects that did not change are the same in both, so they need not be compared.

    @param keys: Where they can differ (L{Configuration.changed}); C{None} for anywhere.
    """
    found: dict[str, dict[str, Any | None]] = {}
    known = {} if before is None else tables(before)
    for name, (objects, encode) in tables(after).items():
        old = known[name][0] if known else HashTrieMap()
        if old is objects:
            continue
        table: dict[str, Any | None] = {}
        for uuid in may_differ(KINDS[name], keys, old, objects):
            each = objects.get(uuid)
            if each is None or old.get(uuid) is not each:
                table[uuid] = None if each is None else encode(each)
        if table or before is None:
            found[name] = table
    message: dict[str, Any] = {"members": top_members(after), "tables": found}
    if before is None:
        message["full"] = True
    return message


@implementer(IPushProducer)
@define(eq=False, slots=False, repr=False)
class FeedProtocol(Protocol):
    """
    One reader. One that is slow is told less often: of what changed meanwhile, the last state.

    @ivar _known: What it has been told.
    """

    _log = Logger()
    _clock: IReactorTime
    _in_thread: InThread
    _configuration: Configuration
    _gone: Callable[["FeedProtocol"], None]
    _known: Snapshot | None = field(default=None, init=False)
    _writing: bool = field(default=False, init=False)
    _paused: bool = field(default=False, init=False)
    _delayed: IDelayedCall | None = field(default=None, init=False)
    _forget: Callable[[], None] | None = field(default=None, init=False)

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.registerProducer(self, True)  # type: ignore[attr-defined]  # ITransport is too narrow
        self._forget = self._configuration.on_change(lambda _: self._changed())
        self._changed()

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self._forget is not None:
            self._forget()
            self._forget = None
        if self._delayed is not None:
            self._delayed.cancel()
            self._delayed = None
        self._gone(self)

    def dataReceived(self, data: bytes) -> None:
        # The reader says nothing; one that does is no reader of ours.
        assert self.transport is not None
        self.transport.loseConnection()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._changed()

    def stopProducing(self) -> None:
        self._paused = True

    def _changed(self) -> None:
        if self._delayed is None and not self._writing and not self._paused and self._forget is not None:
            self._delayed = self._clock.callLater(0 if self._known is None else INTERVAL, self._write)

    def _write(self) -> None:
        self._delayed = None
        before, after = self._known, self._configuration.snapshot
        if after is before or self._paused:
            return
        keys = None if before is None else self._configuration.changed(before, after)
        self._known = after
        self._writing = True
        # In a thread: the first message is the whole configuration.
        done = self._in_thread(lambda: frame(msgspec.json.encode(changes(before, after, keys))))
        done.addCallbacks(self._written, self._failed)

    def _written(self, message: bytes) -> None:
        self._writing = False
        if self._forget is not None and self.transport is not None:
            self.transport.write(message)
            if self._configuration.snapshot is not self._known:
                self._changed()

    def _failed(self, failure: Failure) -> None:
        self._log.failure("the feed to gnt-confd failed", failure=failure)
        assert self.transport is not None
        self.transport.loseConnection()


@define(eq=False, slots=False, repr=False)
class FeedFactory(Factory):
    """
    Makes a feed for each connection.
    """

    noisy = False
    _clock: IReactorTime
    _in_thread: InThread
    _configuration: Configuration
    _readers: set[FeedProtocol] = field(factory=set, init=False)

    def buildProtocol(self, addr: IAddress | None) -> FeedProtocol | None:
        if len(self._readers) >= MAX_READERS:
            return None
        made = FeedProtocol(self._clock, self._in_thread, self._configuration, self._readers.discard)
        self._readers.add(made)
        return made

    def close(self) -> None:
        """
        End all connections.
        """
        for each in tuple(self._readers):
            if each.transport is not None:
                each.transport.loseConnection()
