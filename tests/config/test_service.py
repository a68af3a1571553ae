"""
Tests for L{gnttwist.config.service}.
"""

import random
from collections.abc import Callable
from typing import Any

import msgspec

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.draft import Draft
from gnttwist.config.records import NotInitialised
from gnttwist.config.service import Configuration, NotLoaded, SecondWriter
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import OpPrereqError
from gnttwist.model.objects import Node
from gnttwist.store.interface import (
    Compacted,
    FutureRevision,
    Put,
    StoreClosed,
    TooLarge,
    Transaction,
)
from gnttwist.testing.store import MemoryStore
from tests.config.objects import instance, node, store

Edit = Callable[[Draft], Any]


def add(uuid: str) -> Edit:
    """
    An edit that adds a node and returns how many there are.
    """

    def edit(draft: Draft) -> int:
        draft.put(node(uuid, f"{uuid}.example.com"))
        return len(draft.config.nodes)

    return edit


def refuse(draft: Draft) -> None:
    """
    An edit that refuses.
    """
    draft.put(node("x", "x.example.com"))
    raise OpPrereqError("no", "wrong_input")


class ConfigurationCase(SynchronousTestCase):
    """
    A configuration over a store that commits when it is told to.
    """

    def setUp(self) -> None:
        self.fatal: list[Failure] = []
        self.store = store(auto_commit=False)
        self.config = self.load(self.store)

    def load(self, over: MemoryStore) -> Configuration:
        """
        A loaded configuration.
        """
        config = Configuration(over, self.fatal.append)
        self.successResultOf(Deferred.fromCoroutine(config.load()))
        return config

    def edit(self, edit: Edit, **options: Any) -> Deferred[tuple[Any, int]]:
        """
        Make an edit.
        """
        return self.config.edit("a change", edit, now=1234.5, source=random.Random(1), **options)

    def at(self, revision: int) -> Snapshot:
        """
        The configuration at a revision.
        """
        return self.successResultOf(Deferred.fromCoroutine(self.config.at(revision)))


class EditTests(ConfigurationCase):
    """
    Tests for L{Configuration.edit}.
    """

    def test_one(self) -> None:
        """
        A change is seen and its Deferred fires when it is durable, and not before.
        """
        changed = self.edit(add("n2"))
        self.assertNoResult(changed)
        self.assertEqual(len(self.config.snapshot.nodes), 1)
        self.store.commit()
        self.assertEqual(self.successResultOf(changed), (2, 2))
        snapshot = self.config.snapshot
        self.assertEqual((len(snapshot.nodes), snapshot.serial, snapshot.revision), (2, 2, 2))
        self.assertEqual(snapshot.mtime, 1234.5)

    def test_durable(self) -> None:
        """
        What is loaded after a crash is what was published before it.
        """
        self.edit(add("n2"))
        self.store.commit()
        self.edit(add("n3"))
        again = self.load(self.store.crash())
        self.assertEqual(again.snapshot, self.config.snapshot)

    def test_pipelined(self) -> None:
        """
        Edits build on each other before any is durable, and fire in order.
        """
        edits = [self.edit(add(f"n{number}")) for number in range(2, 5)]
        self.store.commit()
        self.assertEqual(self.successResultOf(edits[0]), (2, 2))
        self.assertNoResult(edits[1])
        self.store.commit_all()
        self.assertEqual([self.successResultOf(each) for each in edits[1:]], [(3, 3), (4, 4)])
        self.assertEqual(self.config.snapshot.serial, 4)

    def test_only_changes(self) -> None:
        """
        A change writes what it changes, the serial number, the times, and nothing else.
        """
        self.edit(lambda draft: draft.put(msgspec.structs.replace(draft.config.nodes["n1"], offline=True)))
        (transaction,) = self.store.pending
        self.assertEqual(
            [write.key for write in transaction.writes],
            ["/config/node/n1", "/config/serial", "/config/times"],
        )

    def test_extra(self) -> None:
        """
        Extra writes, also those made from the result, are in the same transaction.
        """
        self.edit(add("n2"), extra=lambda count: [Put("/jobs/journal", b"%d" % count)])
        self.edit(add("n3"), extra=[Put("/jobs/other", b"")])
        self.assertEqual(len(self.store.pending), 2)
        self.store.commit_all()
        found = self.successResultOf(self.store.range("/jobs/"))
        self.assertEqual(
            [(each.key, each.value, each.modified) for each in found.entries],
            [("/jobs/journal", b"2", 2), ("/jobs/other", b"", 3)],
        )

    def test_only_extra(self) -> None:
        """
        An edit that changes nothing writes its extra and leaves the serial number alone.
        """
        done = self.edit(lambda draft: "read", extra=[Put("/jobs/journal", b"")])
        self.store.commit()
        self.assertEqual(self.successResultOf(done), ("read", 2))
        self.assertEqual((self.config.snapshot.serial, self.config.snapshot.revision), (1, 1))
        self.edit(add("n2"))
        self.store.commit()
        self.assertEqual(self.config.snapshot.serial, 2)

    def test_nothing(self) -> None:
        """
        An edit that writes nothing makes no transaction, and answers at once.
        """
        done = self.edit(lambda draft: len(draft.config.nodes))
        self.assertEqual(self.successResultOf(done), (1, 1))
        self.assertEqual(self.store.pending, [])

    def test_nothing_yet(self) -> None:
        """
        What an edit only read is answered when it is durable.
        """
        self.edit(add("n2"))
        done = self.edit(lambda draft: len(draft.config.nodes))
        self.assertNoResult(done)
        self.store.commit()
        self.assertEqual(self.successResultOf(done), (2, 2))

    def test_refused(self) -> None:
        """
        An edit that raises writes nothing, and later ones do not see what it did.
        """
        error = self.failureResultOf(self.edit(refuse), OpPrereqError)
        self.assertEqual(error.value.args, ("no", "wrong_input"))
        self.assertEqual(self.store.pending, [])
        self.edit(add("n2"))
        self.store.commit()
        self.assertEqual(sorted(self.config.snapshot.nodes.by_uuid), ["n1", "n2"])

    def test_refused_for_what_is_not_durable(self) -> None:
        """
        A refusal waits until what it rests on is durable.
        """
        self.edit(add("n2"))
        refused = self.edit(refuse)
        self.assertNoResult(refused)
        self.store.commit()
        self.failureResultOf(refused, OpPrereqError)

    def test_too_large(self) -> None:
        """
        A change that does not fit in a transaction says so, and later ones are not harmed.
        """

        def many(draft: Draft) -> None:
            for number in range(200):
                draft.put(node(f"m{number}", f"m{number}.example.com"))

        failure = self.failureResultOf(self.edit(many), TooLarge)
        self.assertIn("a change: 202 writes", str(failure.value))
        huge = self.edit(add("n3"), extra=[Put("/jobs/journal", bytes(2_000_000))])
        self.failureResultOf(huge, TooLarge)
        self.edit(add("n2"))
        self.store.commit()
        self.assertEqual(sorted(self.config.snapshot.nodes.by_uuid), ["n1", "n2"])

    def test_extra_fails(self) -> None:
        """
        When the extra cannot be made, nothing is written.
        """

        def broken(result: object) -> list[Put]:
            raise ValueError("no")

        self.failureResultOf(self.edit(add("n2"), extra=broken), ValueError)
        self.assertEqual(self.store.pending, [])
        self.edit(add("n3"))
        self.store.commit()
        self.assertEqual(sorted(self.config.snapshot.nodes.by_uuid), ["n1", "n3"])

    def test_cancelled(self) -> None:
        """
        Cancelling does not take a change back.
        """
        done = self.edit(add("n2"))
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.store.commit()
        self.assertEqual(len(self.config.snapshot.nodes), 2)

    def test_second_writer(self) -> None:
        """
        When somebody else has changed the configuration, all that is under way fails, and the owner is told once.
        """
        other = self.store.transact(Transaction([Put("/config/serial", b"7")]))
        edits = [self.edit(add("n2")), self.edit(add("n3")), self.edit(lambda draft: None)]
        self.store.commit_all()
        self.successResultOf(other)
        for each in (*edits, self.edit(add("n4"))):
            self.failureResultOf(each, SecondWriter)
        self.assertEqual(len(self.fatal), 1)
        self.assertEqual(len(self.config.snapshot.nodes), 1)

    def test_store_stops(self) -> None:
        """
        When the store stops, edits fail and the configuration stays as it was.
        """
        edits = [self.edit(add("n2")), self.edit(lambda draft: None)]
        self.store.fail()
        for each in (*edits, self.edit(add("n4"))):
            self.failureResultOf(each, StoreClosed)
        self.assertEqual(len(self.config.snapshot.nodes), 1)

    def test_edit_while_told(self) -> None:
        """
        A watcher of the store may make an edit, on a store that tells it within the call.
        """
        self.store = store()
        self.config = self.load(self.store)
        inner: list[Deferred[Any]] = []
        self.store.watch("/config/node/n2", lambda events: inner.append(self.edit(add("n3"))))
        self.assertEqual(self.successResultOf(self.edit(add("n2"))), (2, 2))
        self.assertEqual(self.successResultOf(inner[0]), (3, 3))


class ReadTests(ConfigurationCase):
    """
    Tests for reading.
    """

    def test_not_initialised(self) -> None:
        """
        A store without a cluster is not a configuration.
        """
        config = Configuration(MemoryStore(), self.fatal.append)
        self.failureResultOf(Deferred.fromCoroutine(config.load()), NotInitialised)
        self.assertRaises(NotLoaded, lambda: config.snapshot)
        self.assertRaises(NotLoaded, config.edit, "", refuse, now=0.0, source=random.Random(1))

    def test_at(self) -> None:
        """
        An older configuration is the one that was published then, whether from memory or from the store.
        """
        published = {1: self.config.snapshot}
        for number in range(2, 100):
            self.edit(add(f"n{number}"), extra=[Put("/jobs/x", b"")])
            self.store.commit()
            published[self.store.revision] = self.config.snapshot
        for revision in (1, 2, 30, 50, 98):
            self.assertEqual(self.at(revision), published[revision])
        self.assertIs(self.at(1), self.at(1))

    def test_between(self) -> None:
        """
        A revision that did not change the configuration has that of the one before.
        """
        for each in ("n2", "n3"):
            self.edit(add(each))
            self.store.transact(Transaction([Put("/jobs/x", b"")]))
        self.store.commit_all()
        self.assertEqual([self.at(revision).revision for revision in range(1, 6)], [1, 2, 2, 4, 4])
        again = self.load(self.store.crash())
        self.assertEqual(again.snapshot.revision, 4)
        self.config = again
        self.assertEqual([self.at(revision).revision for revision in range(1, 6)], [1, 2, 2, 4, 4])

    def test_gone(self) -> None:
        """
        Compacted and future revisions are refused.
        """
        for number in range(2, 100):
            self.edit(add(f"n{number}"))
        self.store.commit_all()
        self.successResultOf(self.store.compact(20))
        self.failureResultOf(Deferred.fromCoroutine(self.config.at(3)), Compacted)
        self.failureResultOf(Deferred.fromCoroutine(self.config.at(1000)), FutureRevision)
        self.assertEqual(len(self.at(20).nodes), 20)

    def test_large(self) -> None:
        """
        A configuration of more than a page is read whole.
        """

        def hundred(draft: Draft) -> None:
            first = len(draft.config.instances)
            for number in range(first, first + 100):
                draft.put(instance(f"i{number}", f"i{number}.example.com", "n1"))

        for _ in range(9):
            self.edit(hundred)
        self.store.commit_all()
        again = self.load(self.store.crash())
        self.assertEqual(again.snapshot, self.config.snapshot)
        self.assertEqual(len(again.snapshot.instances_on(again.snapshot.nodes["n1"])), 900)

    def test_on_change(self) -> None:
        """
        Watchers are told of each durable change before its edit's Deferred fires, until they stop.
        """
        told: list[object] = []
        stop = self.config.on_change(lambda config: told.append(config.serial))
        self.edit(add("n2")).addCallback(lambda _: told.append("done"))
        self.edit(lambda draft: None, extra=[Put("/jobs/x", b"")])
        self.assertEqual(told, [])
        self.store.commit_all()
        self.assertEqual(told, [2, "done"])
        stop()
        stop()
        self.edit(add("n3"))
        self.store.commit_all()
        self.assertEqual(told, [2, "done"])

    def test_removed(self) -> None:
        """
        A removed object is gone after a restart, too.
        """
        self.edit(add("n2"))
        self.edit(lambda draft: draft.delete(draft.config.nodes["n2"]))
        self.store.commit_all()
        again = self.load(self.store.crash())
        self.assertEqual(list(again.snapshot.nodes.by_uuid), ["n1"])
        self.assertIsInstance(again.snapshot.nodes["n1"], Node)
