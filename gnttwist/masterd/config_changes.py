"""
What of the configuration has changed since a revision, for those who follow it.

A bounded history is kept in memory; who has been away for longer, or before this process began, is told to look at
everything.
"""

from collections import deque
from collections.abc import Collection, Iterator
from typing import Any

from attrs import define, field, frozen
from rpds import HashTrieMap

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gnttwist.config.service import Configuration
from gnttwist.config.snapshot import Snapshot

HISTORY = 20_000
"""
Changes that are kept: some megabytes, and the churn of hours on a large cluster.
"""

INTERVAL = 0.05
"""
Seconds in which changes are gathered: those who follow need not see each of a burst.
"""

MAX_WAITERS = 1000
"""
Calls that wait; gnt-rapi makes one for all of its clients.
"""


@frozen
class Change:
    """
    One object that changed.

    @ivar kind: C{cluster}, C{node}, C{group}, C{network} or C{instance}.
    @ivar there: Whether it is there now.
    """

    revision: int
    kind: str
    uuid: str
    name: str
    there: bool

    def to_wire(self) -> list[Any]:
        """
        As clients get it.
        """
        return [self.kind, self.uuid, self.name, self.there]


def differences(before: Snapshot, after: Snapshot, keys: Collection[str] | None = None) -> Iterator[Change]:
    """
    What changed between two configurations, by name. Pure.

    Objects that did not change are the same in both, and so are tables in which nothing did.

    @param keys: Where they can differ (L{Configuration.changed}); C{None} for anywhere.
    """
    if before.cluster is not after.cluster:
        yield Change(after.revision, "cluster", after.cluster.uuid, after.cluster.cluster_name, there=True)
    for kind, old, new in (
        ("node", before.nodes, after.nodes),
        ("group", before.groups, after.groups),
        ("network", before.networks, after.networks),
        ("instance", before.instances, after.instances),
    ):
        if old is new:
            continue
        made, gone = [], []
        for uuid in may_differ(kind, keys, old.by_uuid, new.by_uuid):
            was, now = old.get(uuid), new.get(uuid)
            if now is None and was is not None:
                gone.append(Change(after.revision, kind, uuid, was.name, there=False))
            elif now is not None and now is not was:
                made.append(Change(after.revision, kind, uuid, now.name, there=True))
        for changes in (made, gone):
            yield from sorted(changes, key=lambda each: each.name)


def may_differ(
    kind: str, keys: Collection[str] | None, old: "HashTrieMap[str, Any]", new: "HashTrieMap[str, Any]"
) -> Collection[str]:
    """
    UUIDs of objects of a kind that may differ.

    @param keys: See L{differences}.
    """
    if keys is None:
        return {*old, *new}
    prefix = f"/config/{kind}/"
    return [each.removeprefix(prefix) for each in keys if each.startswith(prefix)]


@define(eq=False, repr=False)
class ConfigChanges:
    """
    The history, and who waits for more of it.

    @ivar _known: The configuration up to which the history goes.
    @ivar _oldest: The revision after which nothing is missing from the history.
    """

    _clock: IReactorTime
    _configuration: Configuration
    _known: Snapshot = field(init=False)
    _oldest: int = field(init=False)
    _history: deque[Change] = field(factory=deque, init=False)
    _waiting: set[Deferred[None]] = field(factory=set, init=False)
    _delayed: IDelayedCall | None = field(default=None, init=False)

    def start(self) -> None:
        """
        Begin the history with what the configuration is now.
        """
        self._known = self._configuration.snapshot
        self._oldest = self._known.revision
        self._configuration.on_change(self._changed)

    async def wait(self, revision: int, timeout: float) -> tuple[int, list[Change] | None]:
        """
        Wait for changes after a revision.

        @param timeout: Seconds.
        @return: The revision to go on from, and the newest change of each object that changed, none if nothing did in
            time; C{None} for the changes where the history does not reach back so far.
        """
        answer = self._since(revision)
        if answer[1] != [] or timeout <= 0 or len(self._waiting) >= MAX_WAITERS:
            return answer
        waiting: Deferred[None] = Deferred()
        self._waiting.add(waiting)
        try:
            await waiting.addTimeout(timeout, self._clock)
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(waiting)
        return self._since(revision)

    def stop(self) -> None:
        """
        Wait for nothing any more.
        """
        if self._delayed is not None:
            self._delayed.cancel()
            self._delayed = None

    def _since(self, revision: int) -> tuple[int, list[Change] | None]:
        current = self._known.revision
        # One that lies ahead is another store's.
        if revision < self._oldest or revision > self._configuration.snapshot.revision:
            return current, None
        newest: dict[str, Change] = {}
        for each in reversed(self._history):
            if each.revision <= revision:
                break
            newest.setdefault(each.uuid, each)
        return current, list(reversed(newest.values()))

    def _changed(self, config: Snapshot) -> None:
        if self._delayed is None:
            self._delayed = self._clock.callLater(INTERVAL, self._gather)

    def _gather(self) -> None:
        self._delayed = None
        before, self._known = self._known, self._configuration.snapshot
        keys = self._configuration.changed(before, self._known)
        self._history.extend(differences(before, self._known, keys))
        while len(self._history) > HISTORY:
            self._oldest = self._history.popleft().revision
        waiting, self._waiting = self._waiting, set()
        for each in waiting:
            each.callback(None)
