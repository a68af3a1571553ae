"""
Both stores against a model: a list of dictionaries, one for each revision.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.store.interface import (
    Compare,
    CompareValue,
    Condition,
    Delete,
    Entry,
    Event,
    Put,
    Store,
    Transaction,
)
from gnttwist.store.sqlite import SQLiteStore
from gnttwist.testing.store import MemoryStore
from gnttwist.testing.threads import ThreadPump

T = TypeVar("T")
State = dict[str, Entry]

KEYS = st.sampled_from(["/a", "/a/b", "/a/c", "/b", "/b/\U0010ffff", "/c"])
VALUES = st.binary(max_size=2)
WRITES = st.one_of(st.builds(Put, KEYS, VALUES), st.builds(Delete, KEYS))
CONDITIONS = st.one_of(st.builds(Compare, KEYS, st.integers(0, 6)), st.builds(CompareValue, KEYS, VALUES))
TRANSACTIONS = st.builds(
    Transaction,
    st.lists(WRITES, max_size=4, unique_by=lambda write: write.key),
    st.lists(CONDITIONS, max_size=1),
)


@define
class Model:
    """
    What a store should hold.

    @ivar states: The entries as of each revision.
    @ivar log: Each revision's events.
    """

    states: list[State] = field(factory=lambda: [{}])
    log: list[list[Event]] = field(factory=lambda: [[]])

    @property
    def revision(self) -> int:
        """
        The newest revision.
        """
        return len(self.states) - 1

    def transact(self, transaction: Transaction) -> tuple[bool, int]:
        """
        Apply a transaction; whether it succeeded, and the revision after it.
        """
        now = self.states[-1]
        if not all(self._holds(each, now) for each in transaction.compares):
            return False, self.revision
        state = dict(now)
        events = []
        for write in transaction.writes:
            old = now.get(write.key)
            if isinstance(write, Put):
                created = old.created if old else self.revision + 1
                state[write.key] = Entry(write.key, write.value, created, self.revision + 1)
                events.append(Event(write.key, state[write.key], self.revision + 1))
            elif old:
                del state[write.key]
                events.append(Event(write.key, None, self.revision + 1))
        if events:
            self.states.append(state)
            self.log.append(events)
        return True, self.revision

    @staticmethod
    def _holds(condition: Condition, now: State) -> bool:
        entry = now.get(condition.key)
        if isinstance(condition, Compare):
            return (entry.modified if entry else 0) == condition.modified
        return entry is not None and entry.value == condition.value


class Backend(Protocol):
    """
    A store under test, and how to wait for it and to open it again.
    """

    store: Store

    def wait(self, deferred: Deferred[T]) -> T:
        """
        The Deferred's result.
        """

    def reopen(self) -> None:
        """
        Lose everything that is not durable.
        """


class MemoryBackend:
    """
    L{MemoryStore}.
    """

    def __init__(self, case: SynchronousTestCase) -> None:
        self._case = case
        self._memory = MemoryStore()
        self.store: Store = self._memory

    def wait(self, deferred: Deferred[T]) -> T:
        """
        Everything has fired at once.
        """
        result: T = self._case.successResultOf(deferred)
        return result

    def reopen(self) -> None:
        """
        Crash.
        """
        self.store = self._memory = self._memory.crash()


class SQLiteBackend:
    """
    L{SQLiteStore} in a directory of its own.
    """

    def __init__(self, directory: str) -> None:
        self._path = Path(directory, "store")
        self._pump = ThreadPump()
        self._open()

    def _open(self) -> None:
        self.store: Store = self.wait(
            SQLiteStore.open(self._pump, self._path, lambda failure: failure.raiseException())
        )

    def wait(self, deferred: Deferred[T]) -> T:
        """
        Run what the threads ask for until it fires.
        """
        return self._pump.wait(deferred)

    def reopen(self) -> None:
        """
        Close and open.
        """
        self.wait(self.store.close())
        self._open()


class ModelTests(SynchronousTestCase):
    """
    Whatever is done, a store and the model agree.
    """

    def compare(
        self, backend: Backend, groups: Sequence[Sequence[Transaction]], pick: Callable[[int], int]
    ) -> None:
        """
        Apply groups of transactions, each group without waiting, and compare all that can be seen.

        @param pick: Chooses a revision up to the given one.
        """
        model = Model()
        seen: list[list[Event]] = []
        backend.store.watch("/a", lambda events: seen.append(list(events)))
        for group in groups:
            results: list[Any] = [backend.store.transact(each) for each in group]
            done = [backend.wait(each) for each in results]
            self.assertEqual(
                [(each.succeeded, each.revision) for each in done], [model.transact(each) for each in group]
            )
        self.assertEqual(seen, self.under(model.log, "/a", after=0))
        oldest = pick(model.revision)
        backend.wait(backend.store.compact(oldest))
        for _ in range(2):
            self.assertEqual(backend.store.revision, model.revision)
            for revision in range(max(oldest, 1), model.revision + 1):
                for prefix in ("", "/a", "/a/", "/b/\U0010ffff"):
                    found = backend.wait(backend.store.range(prefix, revision=revision))
                    state = model.states[revision]
                    self.assertEqual(
                        list(found.entries), [state[key] for key in sorted(state) if key.startswith(prefix)]
                    )
            after = max(oldest, 1)
            if after <= model.revision:
                again: list[list[Event]] = []
                backend.store.watch("/a", lambda events, to=again: to.append(list(events)), revision=after)  # type: ignore[misc]
                backend.wait(backend.store.range(""))
                self.assertEqual(again, self.under(model.log, "/a", after=after))
            backend.reopen()

    @staticmethod
    def under(log: Sequence[Sequence[Event]], prefix: str, after: int) -> list[list[Event]]:
        """
        The events of keys under a prefix after a revision.
        """
        theirs = ([each for each in events if each.key.startswith(prefix)] for events in log[after + 1 :])
        return [events for events in theirs if events]

    GROUPS = st.lists(st.lists(TRANSACTIONS, max_size=6), max_size=5)

    @given(GROUPS, st.data())
    def test_memory(self, groups: list[list[Transaction]], data: st.DataObject) -> None:
        """
        The store in memory agrees with the model.
        """
        self.compare(MemoryBackend(self), groups, lambda last: data.draw(st.integers(0, last)))

    @settings(max_examples=40)
    @given(GROUPS, st.data())
    def test_sqlite(self, groups: list[list[Transaction]], data: st.DataObject) -> None:
        """
        The store on disk agrees with the model, also when it is opened again.
        """
        with tempfile.TemporaryDirectory() as directory:
            backend = SQLiteBackend(directory)
            try:
                self.compare(backend, groups, lambda last: data.draw(st.integers(0, last)))
            finally:
                backend.wait(backend.store.close())
