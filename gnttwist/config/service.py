"""
The cluster's configuration: read from memory, changed by transactions, older revisions from the store's history.
"""

import random
from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from typing import Any, TypeVar

from attrs import define, evolve, field

from twisted.internet.defer import Deferred, execute, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.config import records
from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import SERIAL_KEY, Snapshot
from gnttwist.errors import LocalError
from gnttwist.store.interface import (
    MAX_OPERATIONS,
    Committed,
    CompareValue,
    FutureRevision,
    Store,
    TooLarge,
    Transaction,
    Write,
)

T = TypeVar("T")
Extra = Sequence[Write] | Callable[[T], Sequence[Write]]
Watcher = Callable[[Snapshot], None]

PAGE = 200
"""
How many objects are read and decoded at a time: under 10 ms of the reactor's time.
"""

RECENT = 64
"""
How many of the newest snapshots are kept. They share what did not change, so one costs its change; jobs that wait or
are replayed mostly ask for these.
"""

OLDER = 8
"""
How many snapshots that were read from history are kept. Each may be as large as the whole configuration.
"""


class SecondWriter(LocalError):
    """
    Somebody else changed the configuration: what is in memory is not what is durable, and this process must end.
    """


class NotLoaded(LocalError):
    """
    The configuration was used before it was loaded.
    """


@define(eq=False)
class _Flight:
    """
    A transaction on its way.

    @ivar config: The configuration that it makes; C{None} where it leaves it as it is.
    @ivar outcome: What became of it, once known.
    @ivar finished: Whether the outcome is published.
    @ivar waiting: Who waits for that.
    """

    config: Snapshot | None
    outcome: Committed | Failure | None = None
    finished: bool = False
    waiting: list[Deferred[int]] = field(factory=list)


class Configuration:
    """
    The configuration and its only writer.

    Edits are made one on top of the other, without waiting for the store: they are submitted in order, and each
    requires the serial number that the one before it writes. So what an edit has read is durable whenever the
    edit is, and an answer that rests on it is not given before.
    """

    _log = Logger()

    def __init__(self, store: Store, on_fatal: Callable[[Failure], None]) -> None:
        """
        @param on_fatal: Called once, with L{SecondWriter}; the process should end.
        """
        self._store = store
        self._on_fatal = on_fatal
        self._head: Snapshot | None = None
        self._recent: deque[Snapshot] = deque(maxlen=RECENT)
        self._older: OrderedDict[int, Snapshot] = OrderedDict()
        self._flying: deque[_Flight] = deque()
        self._watchers: dict[object, Watcher] = {}
        self._lost: SecondWriter | None = None

    async def load(self) -> None:
        """
        Read the newest configuration from the store; once, before anything else.

        @raise gnttwist.config.records.NotInitialised: There is none.
        """
        self._head = await self._read(0)
        self._recent.append(self._head)

    @property
    def snapshot(self) -> Snapshot:
        """
        The newest durable configuration.

        @raise NotLoaded: L{load} has not ended.
        """
        if not self._recent:
            raise NotLoaded("the configuration is not loaded")
        return self._recent[-1]

    async def at(self, revision: int) -> Snapshot:
        """
        The configuration as of a revision of the store, which need not have changed it.

        @raise gnttwist.store.interface.Compacted: That revision's history is gone.
        @raise FutureRevision: It is not durable yet.
        """
        if revision > max(self._store.revision, self.snapshot.revision):
            raise FutureRevision(f"revision {revision} is not durable yet")
        newer = bisect_right(self._recent, revision, key=lambda each: each.revision)
        if newer:
            return self._recent[newer - 1]
        found = self._older.get(revision)
        if found is None:
            found = self._older[revision] = await self._read(revision)
        self._older.move_to_end(revision)
        if len(self._older) > OLDER:
            self._older.popitem(last=False)
        return found

    async def _read(self, revision: int) -> Snapshot:
        assembly = records.Assembly()
        after = ""
        more = True
        while more:
            page = await self._store.range(records.PREFIX, revision=revision, limit=PAGE, after=after)
            assembly.add(page.entries)
            revision, more = page.revision, page.more
            after = page.entries[-1].key if page.entries else after
        return assembly.snapshot()

    def changed(self, before: Snapshot, after: Snapshot) -> Collection[str] | None:
        """
        Where two configurations that were published can differ: who follows them looks at what has changed and not at
        all there is.

        @return: Store keys of objects; C{None} where that is too long ago to be known.
        """
        first = bisect_left(self._recent, before.revision, key=lambda each: each.revision)
        if first == len(self._recent) or self._recent[first] is not before:
            return None
        later = islice(self._recent, first + 1, None)
        return {key for each in later if each.revision <= after.revision for key in each.written}

    def on_change(self, callback: Watcher) -> Callable[[], None]:
        """
        Call C{callback} with each new durable configuration, in order.

        @return: Call it to hear no more.
        """
        token = object()
        self._watchers[token] = callback
        return lambda: _forget(self._watchers, token)

    def edit(
        self,
        what: str,
        edit: Callable[[Draft], T],
        *,
        extra: Extra[T] = (),
        now: float,
        source: random.Random,
    ) -> Deferred[tuple[T, int]]:
        """
        Change the configuration, in one transaction.

        The edit runs at once, on the latest configuration that was submitted. What it raises is the Deferred's
        failure, and nothing is written. An edit that changes nothing makes no transaction unless there is something
        extra.

        @param what: Names the change in messages.
        @param edit: A pure function.
        @param extra: What else to write in the same transaction, outside of C{/config}; may be made from the
            edit's result.
        @param now: The wall clock, seconds since the epoch.
        @param source: The edit's randomness.
        @return: Fires, when it is durable, with the edit's result and the revision at which it can be read.
            Cancelling it does not take the change back.
        @raise TooLarge: (Deferred) The change does not fit in one transaction.
        @raise SecondWriter: (Deferred) Somebody else writes the configuration.
        """
        if self._lost is not None:
            return fail(self._lost)
        if self._head is None:
            raise NotLoaded("the configuration is not loaded")
        draft = Draft(self._head, now, source)
        outcome: Deferred[Any] = execute(edit, draft)
        outcome.addCallbacks(self._submit, self._refused, callbackArgs=(what, draft, extra))
        return outcome

    def _refused(self, failure: Failure) -> Deferred[Any] | Failure:
        # The edit may have refused because of what is not durable yet: that answer has to wait.
        if not self._flying:
            return failure
        return self._when_durable(self._flying[-1]).addCallback(lambda _: failure)

    def _submit(
        self, result: T, what: str, draft: Draft, extra: Extra[T]
    ) -> Deferred[tuple[T, int]] | tuple[T, int]:
        writes = records.of_draft(draft)
        more = extra(result) if callable(extra) else extra
        if writes or more:
            flight = self._launch(what, draft, writes, more)
        elif self._flying:
            flight = self._flying[-1]
        else:
            return result, self.snapshot.revision
        return self._when_durable(flight).addCallback(lambda revision: (result, revision))

    def _launch(self, what: str, draft: Draft, writes: list[Write], extra: Sequence[Write]) -> _Flight:
        config = None
        if writes:
            written = tuple(draft.written)
            config = evolve(draft.config, serial=draft.base.serial + 1, mtime=draft.now, written=written)
            writes += records.bookkeeping(config)
        writes += extra
        if len(writes) > MAX_OPERATIONS:
            raise TooLarge(f"{what}: {len(writes)} writes, and a transaction holds {MAX_OPERATIONS}")
        guard = CompareValue(SERIAL_KEY, records.serial_value(draft.base.serial))
        flight = _Flight(config)
        # Both before the call, because a store may tell its watchers within it, and they may make edits.
        self._flying.append(flight)
        self._head = config or self._head
        try:
            committed = self._store.transact(Transaction(writes, [guard]))
        except LocalError:
            self._flying.remove(flight)
            self._head = draft.base
            raise
        committed.addBoth(self._landed, flight)
        return flight

    def _when_durable(self, flight: _Flight) -> Deferred[int]:
        waiting: Deferred[int] = Deferred()
        flight.waiting.append(waiting)
        if flight.finished:
            self._tell(flight)
        return waiting

    def _landed(self, outcome: Committed | Failure, flight: _Flight) -> None:
        flight.outcome = outcome
        while self._flying and self._flying[0].outcome is not None:
            self._finish(self._flying.popleft())

    def _finish(self, flight: _Flight) -> None:
        if isinstance(flight.outcome, Committed) and not flight.outcome.succeeded:
            flight.outcome = Failure(self._lose())
        elif isinstance(flight.outcome, Committed) and flight.config is not None:
            self._publish(evolve(flight.config, revision=flight.outcome.revision))
        flight.finished = True
        self._tell(flight)

    @staticmethod
    def _tell(flight: _Flight) -> None:
        waiting, flight.waiting = flight.waiting, []
        for each in waiting:
            if isinstance(flight.outcome, Committed):
                each.callback(flight.outcome.revision)
            else:
                each.errback(flight.outcome)

    def _publish(self, config: Snapshot) -> None:
        self._recent.append(config)
        for watcher in tuple(self._watchers.values()):
            with self._log.failuresHandled("a watcher of the configuration failed"):
                watcher(config)

    def _lose(self) -> SecondWriter:
        if self._lost is None:
            self._lost = SecondWriter("somebody else changed the configuration in the store")
            self._on_fatal(Failure(self._lost))
        return self._lost


def _forget(watchers: dict[object, Watcher], token: object) -> None:
    watchers.pop(token, None)
