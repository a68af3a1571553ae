"""
A store in memory that keeps the contract of L{gnttwist.store.interface}, under the control of a test.

It passes the conformance suite of the real one. What was submitted and what is durable are kept apart, so a test can
stop the world at any commit and look at what a process that comes back would find.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from attrs import define, evolve, field

from twisted.internet.defer import Deferred, succeed

from gnttwist.store.interface import (
    Committed,
    Compare,
    Condition,
    Entry,
    Event,
    Put,
    Range,
    StoreClosed,
    Transaction,
    Watch,
)
from gnttwist.store.rules import check, check_revision
from gnttwist.store.watches import Callback, Watches


def _nothing(transaction: Transaction, committed: Committed) -> None:
    pass


@define
class _Durable:
    """
    What a disk would hold.

    @ivar history: Each key's writes, oldest first; without an entry where it was removed.
    @ivar log: Each transaction's events, oldest first.
    """

    revision: int = 0
    compacted: int = 0
    keys: list[str] = field(factory=list)
    history: dict[str, list[Event]] = field(factory=dict)
    log: list[list[Event]] = field(factory=list)

    def copy(self) -> "_Durable":
        return evolve(
            self,
            keys=list(self.keys),
            history={key: list(events) for key, events in self.history.items()},
            log=list(self.log),
        )

    def entry(self, key: str, revision: int) -> Entry | None:
        for event in reversed(self.history.get(key, ())):
            if event.revision <= revision:
                return event.entry
        return None

    def under(self, prefix: str) -> Iterator[str]:
        for index in range(bisect_left(self.keys, prefix), len(self.keys)):
            if not self.keys[index].startswith(prefix):
                return
            yield self.keys[index]

    def holds(self, condition: Condition) -> bool:
        entry = self.entry(condition.key, self.revision)
        if isinstance(condition, Compare):
            return (entry.modified if entry else 0) == condition.modified
        return entry is not None and entry.value == condition.value

    def apply(self, transaction: Transaction) -> tuple[Committed, list[Event]]:
        if not all(self.holds(condition) for condition in transaction.compares):
            return Committed(False, self.revision), []
        events = []
        revision = self.revision + 1
        for write in transaction.writes:
            old = self.entry(write.key, self.revision)
            if isinstance(write, Put):
                created = old.created if old else revision
                new = Entry(write.key, write.value, created, revision)
                events.append(Event(write.key, new, revision))
            elif old:
                events.append(Event(write.key, None, revision))
        for event in events:
            if event.key not in self.history:
                insort(self.keys, event.key)
            self.history.setdefault(event.key, []).append(event)
        if events:
            self.revision = revision
            self.log.append(events)
        return Committed(True, self.revision), events

    def compact(self, revision: int) -> None:
        self.compacted = revision
        self.log = [events for events in self.log if events[0].revision > revision]
        for key, events in list(self.history.items()):
            visible = self.entry(key, revision)
            later = [event for event in events if event.revision > revision]
            if visible is not None:
                later.insert(0, Event(key, visible, visible.modified))
            if later:
                self.history[key] = later
            else:
                del self.history[key]
                self.keys.remove(key)


class MemoryStore:
    """
    L{gnttwist.store.interface.Store} without threads, files or a reactor: everything happens inside a call.

    Replayed events come before L{watch} returns.

    @ivar pending: Transactions that were submitted and are not durable, oldest first.
    """

    def __init__(
        self,
        *,
        auto_commit: bool = True,
        on_commit: Callable[[Transaction, Committed], None] = _nothing,
        durable: _Durable | None = None,
    ) -> None:
        """
        @param auto_commit: Whether a transaction is durable, and its Deferred fires, before L{transact} returns (or
            where that is called by a watcher or a callback, right after). Otherwise L{commit} decides when.
        @param on_commit: Called at each boundary: the transaction is durable, and nobody knows it yet. It may
            call L{crash}.
        """
        self._auto_commit = auto_commit
        self._on_commit = on_commit
        self._durable = durable or _Durable()
        self._watches = Watches()
        self._queue: deque[tuple[Transaction, Deferred[Committed]]] = deque()
        self._committing = False
        self._crashed = False
        self._refusal = ""

    @property
    def pending(self) -> Sequence[Transaction]:
        """
        Transactions that were submitted and are not durable, oldest first.
        """
        return [transaction for transaction, _ in self._queue]

    @property
    def revision(self) -> int:
        """
        The newest durable revision.
        """
        return self._durable.revision

    def transact(self, transaction: Transaction) -> Deferred[Committed]:
        """
        Submit a transaction; see C{auto_commit} for when it becomes durable.
        """
        check(transaction)
        self._check_open()
        result: Deferred[Committed] = Deferred()
        if self._crashed:
            return result
        self._queue.append((transaction, result))
        if self._auto_commit:
            self.commit_all()
        return result

    def commit(self, count: int = 1) -> int:
        """
        Make the oldest pending transactions durable, and tell everybody.

        @return: How many there were to commit, C{count} at most.
        """
        if self._committing:
            return 0
        done = 0
        self._committing = True
        try:
            while self._queue and done < count:
                self._commit_oldest()
                done += 1
        finally:
            self._committing = False
        return done

    def commit_all(self) -> int:
        """
        Commit until nothing is pending, what watchers and callbacks submit meanwhile included.

        @return: How many were committed.
        """
        total = 0
        while done := self.commit(len(self._queue)):
            total += done
        return total

    def _commit_oldest(self) -> None:
        transaction, result = self._queue.popleft()
        committed, events = self._durable.apply(transaction)
        self._on_commit(transaction, committed)
        if self._crashed:
            return
        if events:
            self._watches.deliver(events)
        result.callback(committed)

    def copy(self) -> "MemoryStore":
        """
        A store that commits at once, and holds what a crash now would leave. This one goes on.
        """
        return MemoryStore(durable=self._durable.copy())

    def crash(
        self,
        *,
        auto_commit: bool | None = None,
        on_commit: Callable[[Transaction, Committed], None] | None = None,
    ) -> "MemoryStore":
        """
        Lose the process: of this store no Deferred fires and no watcher hears any more.

        @return: A store that holds what was durable. Its options are this one's where they are not given.
        """
        self._crashed = True
        self._queue.clear()
        self._watches = Watches()
        return MemoryStore(
            auto_commit=self._auto_commit if auto_commit is None else auto_commit,
            on_commit=on_commit or self._on_commit,
            durable=self._durable.copy(),
        )

    def fail(self) -> None:
        """
        Stop as if a commit had failed: what is pending fails with L{StoreClosed}, and so does all that follows.
        """
        self._refusal = "the store has stopped"
        waiting, self._queue = self._queue, deque()
        for _, result in waiting:
            result.errback(StoreClosed(self._refusal))

    def range(self, prefix: str, *, revision: int = 0, limit: int = 0, after: str = "") -> Deferred[Range]:
        """
        The entries whose keys begin with C{prefix}, in key order.
        """
        self._check_open()
        if self._crashed:
            return Deferred()
        wanted = revision or self.revision
        check_revision(wanted, self.revision, self._durable.compacted)
        found = []
        for key in self._durable.under(prefix):
            entry = self._durable.entry(key, wanted) if key > after else None
            if entry is not None:
                found.append(entry)
        if limit and len(found) > limit:
            return succeed(Range(found[:limit], wanted, more=True))
        return succeed(Range(found, wanted))

    def watch(self, prefix: str, callback: Callback, *, revision: int = 0) -> Watch:
        """
        Call C{callback} with the events of each durable transaction that touches C{prefix}, in order, once each.
        """
        self._check_open()
        if revision:
            check_revision(revision, self.revision, self._durable.compacted)
        subscription = self._watches.add(prefix, callback)
        if revision and not self._crashed:
            since = (
                [event for event in events if event.key.startswith(prefix)]
                for events in self._durable.log
                if events[0].revision > revision
            )
            subscription.hold()
            subscription.replayed([events for events in since if events])
        return subscription

    def compact(self, revision: int) -> Deferred[None]:
        """
        Forget history before C{revision}.
        """
        self._check_open()
        if self._crashed:
            return Deferred()
        check_revision(revision, self.revision, self._durable.compacted)
        self._durable.compact(revision)
        return succeed(None)

    def close(self) -> Deferred[None]:
        """
        Commit what is pending, then refuse everything.
        """
        if self._crashed:
            return Deferred()
        self.commit_all()
        self._refusal = self._refusal or "the store is closed"
        return succeed(None)

    def _check_open(self) -> None:
        if self._refusal:
            raise StoreClosed(self._refusal)
