"""
Tests for L{gnttwist.noded.registry} and L{gnttwist.noded.records}.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from twisted.internet.defer import Deferred, execute, fail
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.noded.records import (
    Aborting,
    Entry,
    Forgotten,
    Record,
    Registered,
    apply,
    decode,
    encode,
)
from gnttwist.noded.registry import Registry, RegistryFailed, RegistryFull

T = TypeVar("T")
keys = st.sampled_from(["k/1", "k/2", "k/ü\n3"])
records: st.SearchStrategy[Record] = st.one_of(
    st.builds(
        Registered,
        keys,
        st.just("test_delay"),
        st.just("1.0:ab"),
        st.just("boot"),
        st.floats(0, 1e9),
        st.text(max_size=5),
        st.none() | st.floats(0, 1e9),
    ),
    st.builds(Aborting, keys, st.text(max_size=5)),
    st.builds(Forgotten, st.lists(keys, max_size=3)),
)


def registered(key: str) -> Registered:
    """
    A record of a call with this key.
    """
    return Registered(key, "test_delay", f"1.0:{key[2:]}", "boot", 1.0, "node1")


class Thread:
    """
    A thread that works when it is told to.
    """

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, work: Callable[[], T]) -> "Deferred[T]":
        done: Deferred[T] = Deferred()

        def now() -> None:
            execute(work).chainDeferred(done)

        self.waiting.append(now)
        return done

    def work(self) -> None:
        """
        Do what has been asked for until now.
        """
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            each()


class RecordTests(SynchronousTestCase):
    """
    Tests for the records.
    """

    @given(st.lists(records, max_size=5))
    def test_round_trip(self, written: list[Record]) -> None:
        """
        Records are read as they were written.
        """
        data = encode(written)
        found = decode(data)
        self.assertEqual((list(found.records), found.good), (written, len(data)))

    @given(st.lists(records, max_size=4), st.integers(0, 400), st.binary(max_size=30))
    def test_torn(self, written: list[Record], cut: int, garbage: bytes) -> None:
        """
        Whatever follows a cut, the records before it are read, and none that was not written.
        """
        data = encode(written)
        cut = min(cut, len(data))
        found = decode(data[:cut] + garbage)
        whole = decode(data[:cut])
        self.assertEqual(list(whole.records), written[: len(whole.records)])
        self.assertEqual(list(found.records)[: len(whole.records)], list(whole.records))
        self.assertGreaterEqual(found.good, whole.good)

    @given(st.lists(records, max_size=12))
    def test_compaction(self, written: list[Record]) -> None:
        """
        The records of what is left lead to the same entries.
        """
        entries: dict[str, Entry] = {}
        for each in written:
            apply(entries, each)
        again: dict[str, Entry] = {}
        for entry in entries.values():
            for each in entry.records():
                apply(again, each)
        self.assertEqual(again, entries)


class RegistryTests(SynchronousTestCase):
    """
    Tests for L{Registry}.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "noded" / "registry"
        self.thread = Thread()
        self.registry = Registry.open(self.path, self.thread, limit=3, compact_floor=2000)

    def again(self) -> set[str]:
        """
        The keys that a daemon that starts now would find.
        """
        copy = self.path.with_name("copy")
        copy.write_bytes(self.path.read_bytes())
        return set(Registry.open(copy, execute).entries)

    def test_durable_first(self) -> None:
        """
        A call counts only when its record is in the file.
        """
        done = self.registry.register(registered("k/1"))
        self.assertNoResult(done)
        self.assertEqual((dict(self.registry.entries), self.again()), ({}, set()))
        self.thread.work()
        self.successResultOf(done)
        self.assertEqual((set(self.registry.entries), self.again()), ({"k/1"}, {"k/1"}))

    def test_grouped(self) -> None:
        """
        Records that come while a write is under way share the next one.
        """
        first = self.registry.register(registered("k/1"))
        others = [self.registry.register(registered(f"k/{each}")) for each in (2, 3)]
        self.assertEqual(len(self.thread.waiting), 1)
        self.thread.work()
        self.successResultOf(first)
        self.assertEqual(len(self.thread.waiting), 1)
        self.thread.work()
        for each in others:
            self.successResultOf(each)

    def test_forgotten(self) -> None:
        """
        A forgotten key is gone, also after a restart.
        """
        self.registry.register(registered("k/1"))
        self.thread.work()
        done = self.registry.forget(["k/1", "k/unknown"])
        self.thread.work()
        self.successResultOf(done)
        self.assertEqual((dict(self.registry.entries), self.again()), ({}, set()))

    def test_full(self) -> None:
        """
        Over the limit, keys are refused, those that are being written counted; forgetting makes room.
        """
        for each in range(3):
            self.registry.register(registered(f"k/{each}"))
            self.thread.work()
        self.failureResultOf(self.registry.register(registered("k/3")), RegistryFull)
        self.registry.forget(["k/0"])
        self.thread.work()
        self.registry.register(registered("k/4"))
        self.thread.work()
        self.assertEqual(self.again(), {"k/1", "k/2", "k/4"})

    def test_torn_tail(self) -> None:
        """
        A torn record at the end is dropped, and what is written afterwards is read.
        """
        self.registry.register(registered("k/1"))
        self.thread.work()
        with self.path.open("ab") as file:
            file.write(encode([registered("k/2")])[:-5])
        registry = Registry.open(self.path, execute)
        self.successResultOf(registry.register(registered("k/3")))
        self.assertEqual(self.again(), {"k/1", "k/3"})

    def test_compacted(self) -> None:
        """
        The file does not grow with what has been forgotten, and loses nothing of the rest.
        """
        self.registry.register(registered("k/kept"))
        for each in range(200):
            self.registry.register(registered(f"k/{each}"))
            self.thread.work()
            self.registry.forget([f"k/{each}"])
            self.thread.work()
            self.thread.work()
        self.assertLess(self.path.stat().st_size, 3000)
        self.assertEqual(self.again(), {"k/kept"})

    def test_failure(self) -> None:
        """
        When the disk fails, nobody is told that a call was accepted, then or later.
        """

        def broken(work: Callable[[], T]) -> "Deferred[T]":
            return fail(OSError(28, "No space left on device"))

        registry = Registry.open(self.path.with_name("other"), broken)
        self.failureResultOf(registry.register(registered("k/1")), RegistryFailed)
        self.failureResultOf(registry.register(registered("k/2")), RegistryFailed)
        self.assertEqual(dict(registry.entries), {})

    def test_close(self) -> None:
        """
        Closing waits for what is being written, and nothing is accepted afterwards.
        """
        done = self.registry.register(registered("k/1"))
        closed = self.registry.close()
        self.assertNoResult(closed)
        self.thread.work()
        self.successResultOf(done)
        self.successResultOf(closed)
        self.failureResultOf(self.registry.register(registered("k/2")), RegistryFailed)
