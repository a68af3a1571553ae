"""
What every store does: mixed into one test case for each backend.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from gnttwist.errors import LocalError
from gnttwist.store.interface import (
    MAX_OPERATIONS,
    MAX_TRANSACTION_BYTES,
    Compacted,
    Compare,
    CompareValue,
    Condition,
    Delete,
    Entry,
    Event,
    FutureRevision,
    Put,
    Range,
    Store,
    StoreClosed,
    TooLarge,
    Transaction,
    Write,
)


def put(key: str, value: bytes = b"v") -> Put:
    """
    A write.
    """
    return Put(key, value)


def told(events: Sequence[Event]) -> list[tuple[str, bytes | None, int]]:
    """
    Events as plain values.
    """
    return [(each.key, each.entry.value if each.entry else None, each.revision) for each in events]


if TYPE_CHECKING:
    _Mixed = TestCase
else:
    _Mixed = object  # or trial would run the suite without a store


class StoreContract(_Mixed):
    """
    The contract of L{Store}.
    """

    store: Store

    def transact(self, *writes: Write, compares: Sequence[Condition] = ()) -> Deferred[Any]:
        """
        Submit one transaction.
        """
        return self.store.transact(Transaction(writes, compares))

    async def keys(self, prefix: str, **options: Any) -> list[str]:
        """
        The keys that a read finds.
        """
        found: Range = await self.store.range(prefix, **options)
        return [entry.key for entry in found.entries]

    async def test_empty(self) -> None:
        """
        A store that was never written is at revision 0 and has nothing.
        """
        self.assertEqual(self.store.revision, 0)
        self.assertEqual(await self.store.range(""), Range([], 0))

    async def test_put(self) -> None:
        """
        A written value is there, with the revisions of its birth and last write.
        """
        first = await self.transact(put("/a", b"1"), put("/b", b"2"))
        self.assertEqual((first.succeeded, first.revision), (True, 1))
        await self.transact(put("/a", b"3"))
        found = await self.store.range("/")
        self.assertEqual(found, Range([Entry("/a", b"3", 1, 2), Entry("/b", b"2", 1, 1)], 2))
        self.assertEqual(self.store.revision, 2)

    async def test_delete(self) -> None:
        """
        A removed key is gone; written again, it is a new one.
        """
        await self.transact(put("/a"), put("/b"))
        await self.transact(Delete("/a"))
        self.assertEqual(await self.keys("/"), ["/b"])
        await self.transact(put("/a"))
        found = await self.store.range("/a")
        self.assertEqual(found.entries, [Entry("/a", b"v", 3, 3)])

    async def test_delete_nothing(self) -> None:
        """
        Removing what is not there succeeds and makes no revision.
        """
        await self.transact(put("/a"))
        done = await self.transact(Delete("/b"))
        self.assertEqual((done.succeeded, done.revision), (True, 1))

    async def test_compare(self) -> None:
        """
        A transaction whose comparison fails writes nothing; the others of its group are not touched.
        """
        results = await gatherResults(
            [
                self.transact(put("/a", b"1"), compares=[Compare("/a", 0)]),
                self.transact(put("/a", b"2"), put("/b"), compares=[Compare("/a", 0)]),
                self.transact(put("/a", b"3"), compares=[Compare("/a", 1)]),
                self.transact(Delete("/a"), compares=[Compare("/a", 2)]),
                self.transact(put("/c"), compares=[Compare("/a", 0)]),
            ]
        )
        self.assertEqual(
            [(each.succeeded, each.revision) for each in results],
            [(True, 1), (False, 1), (True, 2), (True, 3), (True, 4)],
        )
        self.assertEqual(await self.keys(""), ["/c"])

    async def test_compare_value(self) -> None:
        """
        A comparison of values sees what earlier transactions wrote, durable or not.
        """
        chain = [
            self.transact(put("/n", b"1"), compares=[Compare("/n", 0)]),
            self.transact(put("/n", b"2"), compares=[CompareValue("/n", b"1")]),
            self.transact(put("/n", b"3"), compares=[CompareValue("/n", b"1")]),
        ]
        results = await gatherResults(chain)
        self.assertEqual([each.succeeded for each in results], [True, True, False])
        late = await self.transact(put("/n", b"4"), compares=[CompareValue("/n", b"2")])
        self.assertTrue(late.succeeded)
        missing = await self.transact(put("/n", b"5"), compares=[CompareValue("/none", b"")])
        self.assertFalse(missing.succeeded)

    async def test_order(self) -> None:
        """
        Deferreds fire in the order of the calls.
        """
        fired: list[int] = []
        waiting = []
        for number in range(50):
            each = self.transact(put(f"/{number}"))
            waiting.append(each.addCallback(lambda done: fired.append(done.revision)))
        await gatherResults(waiting)
        self.assertEqual(fired, list(range(1, 51)))

    async def test_pages(self) -> None:
        """
        A limited read says whether there is more, and goes on after the last key.
        """
        await self.transact(*(put(f"/p/{letter}") for letter in "abcdef"), put("/q"))
        await self.transact(Delete("/p/b"), Delete("/p/c"), Delete("/p/f"))
        page = await self.store.range("/p/", limit=2)
        self.assertEqual(([each.key for each in page.entries], page.more), (["/p/a", "/p/d"], True))
        page = await self.store.range("/p/", limit=2, after="/p/d")
        self.assertEqual(([each.key for each in page.entries], page.more), (["/p/e"], False))
        page = await self.store.range("/p/", limit=3)
        self.assertEqual((len(page.entries), page.more), (3, False))

    async def test_prefix(self) -> None:
        """
        A prefix means the text's beginning, in order of code points.
        """
        await self.transact(
            *(put(key) for key in ("/a", "/a/", "/a/\U0010ffff", "/a0", "/b", "/é", "/\uff5a"))
        )
        self.assertEqual(await self.keys("/a"), ["/a", "/a/", "/a/\U0010ffff", "/a0"])
        self.assertEqual(await self.keys("/a/"), ["/a/", "/a/\U0010ffff"])
        self.assertEqual(await self.keys("/a/\U0010ffff"), ["/a/\U0010ffff"])
        self.assertEqual(await self.keys(""), ["/a", "/a/", "/a/\U0010ffff", "/a0", "/b", "/é", "/\uff5a"])

    async def test_history(self) -> None:
        """
        A read at an older revision sees what was there then.
        """
        await self.transact(put("/a", b"1"))
        await self.transact(put("/a", b"2"), put("/b"))
        await self.transact(Delete("/a"))
        then = [
            [(each.key, each.value) for each in (await self.store.range("/", revision=revision)).entries]
            for revision in (1, 2, 3)
        ]
        self.assertEqual(then, [[("/a", b"1")], [("/a", b"2"), ("/b", b"v")], [("/b", b"v")]])

    async def test_compact(self) -> None:
        """
        Compaction takes what nobody may read any more, and nothing else.
        """
        for number in range(5):
            await self.transact(put("/a", b"%d" % number), put(f"/{number}"))
        await self.transact(Delete("/0"))
        await self.transact(put("/last"))
        await self.store.compact(6)
        for revision in (1, 5):
            self.assertRaises(Compacted, self.store.range, "/", revision=revision)
            self.assertRaises(Compacted, self.store.watch, "/", print, revision=revision)
        now = await self.store.range("/", revision=6)
        self.assertEqual(
            [(each.key, each.value, each.created, each.modified) for each in now.entries],
            [
                ("/1", b"v", 2, 2),
                ("/2", b"v", 3, 3),
                ("/3", b"v", 4, 4),
                ("/4", b"v", 5, 5),
                ("/a", b"4", 1, 5),
            ],
        )
        self.assertIn("/last", await self.keys("/"))
        await self.store.compact(6)
        await self.store.compact(7)
        self.assertIn("/last", await self.keys("/", revision=7))

    async def test_future(self) -> None:
        """
        What is not durable yet can be neither read nor compacted.
        """
        await self.transact(put("/a"))
        self.assertRaises(FutureRevision, self.store.range, "", revision=2)
        self.assertRaises(FutureRevision, self.store.watch, "", print, revision=2)
        self.assertRaises(FutureRevision, self.store.compact, 2)

    async def test_watch(self) -> None:
        """
        A watcher sees each transaction's events of its prefix once, before the Deferred fires, until it stops.
        """
        seen: list[object] = []
        watch = self.store.watch("/a/", lambda events: seen.append(told(events)))
        one = self.transact(put("/a/1", b"x"), put("/b/1"), put("/a/2"))
        await one.addCallback(lambda _: seen.append("fired"))
        await self.transact(put("/b/2"))
        await self.transact(Delete("/a/1"), Delete("/a/3"))
        watch.stop()
        watch.stop()
        await self.transact(put("/a/4"))
        self.assertEqual(seen, [[("/a/1", b"x", 1), ("/a/2", b"v", 1)], "fired", [("/a/1", None, 3)]])

    async def test_replay(self) -> None:
        """
        A watch from an old revision sees what came after it and then what comes, in order and once each.
        """
        for number in range(1, 6):
            await self.transact(put("/w/b", b"%d" % number), put("/w/a"), put("/other"))
        await self.transact(Delete("/w/a"))
        seen: list[list[tuple[str, bytes | None, int]]] = []
        self.store.watch("/w/", lambda events: seen.append(told(events)), revision=3)
        self.transact(put("/w/c"))
        await self.transact(put("/w/d"))
        await self.store.range("")
        self.assertEqual(
            seen,
            [
                [("/w/b", b"4", 4), ("/w/a", b"v", 4)],
                [("/w/b", b"5", 5), ("/w/a", b"v", 5)],
                [("/w/a", None, 6)],
                [("/w/c", b"v", 7)],
                [("/w/d", b"v", 8)],
            ],
        )

    async def test_watcher_fails(self) -> None:
        """
        A watcher that raises is logged, and harms neither the others nor the transaction.
        """

        def broken(events: Sequence[Event]) -> None:
            raise RuntimeError("no")

        seen: list[Sequence[Event]] = []
        self.store.watch("/", broken)
        self.store.watch("/", seen.append)
        done = await self.transact(put("/a"))
        self.assertTrue(done.succeeded)
        self.assertEqual(len(seen), 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    async def test_submit_while_told(self) -> None:
        """
        What a watcher submits comes after what it was told of.
        """
        answers: list[Deferred[Any]] = []
        self.store.watch("/question", lambda events: answers.append(self.transact(put("/answer"))))
        question = await self.transact(put("/question"))
        answer = await answers[0]
        self.assertEqual((question.revision, answer.revision), (1, 2))

    async def test_limits(self) -> None:
        """
        A transaction may have as many operations and bytes as etcd takes, and no more.
        """
        many = [put(f"/{number}") for number in range(MAX_OPERATIONS + 1)]
        self.assertRaises(TooLarge, self.transact, *many)
        conditions = [Compare(f"/{number}", 0) for number in range(MAX_OPERATIONS + 1)]
        self.assertRaises(TooLarge, self.transact, put("/a"), compares=conditions)
        self.assertRaises(TooLarge, self.transact, put("/a", bytes(MAX_TRANSACTION_BYTES)))
        self.assertEqual(self.store.revision, 0)
        done = await self.transact(*many[1:], compares=conditions[1:])
        self.assertTrue(done.succeeded)
        done = await self.transact(put("/a", bytes(MAX_TRANSACTION_BYTES - 2)))
        self.assertTrue(done.succeeded)

    async def test_nonsense(self) -> None:
        """
        What no backend can take is refused in the call, so it cannot stop the store.
        """
        for writes in ([put("/a"), Delete("/a")], [put("")], [put("/\udcff")]):
            self.assertRaises(LocalError, self.transact, *writes)

    async def test_cancel(self) -> None:
        """
        A transaction whose Deferred is cancelled is committed all the same.
        """
        gone = self.transact(put("/a"))
        gone.addErrback(lambda _: None)
        gone.cancel()
        await self.transact(put("/b"))
        self.assertEqual(await self.keys("/"), ["/a", "/b"])

    async def test_close(self) -> None:
        """
        Closing finishes what was submitted and refuses the rest; closing again is fine.
        """
        last = self.transact(put("/a"))
        await self.store.close()
        self.assertTrue((await last).succeeded)
        self.assertRaises(StoreClosed, self.transact, put("/b"))
        self.assertRaises(StoreClosed, self.store.range, "/")
        self.assertRaises(StoreClosed, self.store.watch, "/", print)
        await self.store.close()
