"""
What a change of the configuration costs does not depend on how much else is in it.
"""

import random
import sys
from collections.abc import Callable
from typing import Any

import msgspec
from attrs import frozen

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config import records
from gnttwist.config.draft import Draft
from gnttwist.config.service import RECENT, Configuration
from gnttwist.config.snapshot import Snapshot
from gnttwist.masterd import config_changes, feed
from gnttwist.masterd.config_changes import ConfigChanges, differences
from gnttwist.masterd.feed import FeedFactory, changes
from gnttwist.model.objects import Instance
from gnttwist.store.interface import MAX_OPERATIONS, Put, Transaction
from gnttwist.testing.store import MemoryStore
from tests.config.objects import CLUSTER, EMPTY, instance, node

FEW, MANY = 5, 5000


@frozen
class Cost:
    """
    What one change took.

    @ivar written: How many keys were written in how many transactions.
    @ivar journalled: Bytes of their values.
    @ivar told: Bytes that gnt-confd was told.
    @ivar calls: Calls of functions, Python's and C's, until everybody knew.
    """

    written: tuple[int, int]
    journalled: int
    told: int
    calls: int


def counted(work: Callable[[], object]) -> int:
    """
    How many functions are called by C{work}.
    """
    calls = 0

    def called(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


def put(value: Instance) -> Callable[[Draft], None]:
    """
    An edit that adds or replaces an instance.
    """

    def edit(draft: Draft) -> None:
        draft.put(value)

    return edit


def remove(uuid: str) -> Callable[[Draft], None]:
    """
    An edit that removes an instance.
    """

    def edit(draft: Draft) -> None:
        draft.delete(draft.config.instances[uuid])

    return edit


class World:
    """
    A configuration of so many instances on two nodes, and those who follow it in gnt-masterd.
    """

    def __init__(self, case: SynchronousTestCase, instances: int) -> None:
        self.transactions: list[Transaction] = []
        made = MemoryStore()
        objects: list[Any] = [CLUSTER, node("n1", "one.example.com"), node("n2", "two.example.com")]
        objects += [instance(f"u{each:04}", f"i{each:04}.example.com", "n1") for each in range(instances)]
        writes = [*records.of_objects(objects), *records.bookkeeping(EMPTY)]
        for first in range(0, len(writes), MAX_OPERATIONS):
            made.transact(Transaction(writes[first : first + MAX_OPERATIONS]))
        store = made.crash(on_commit=lambda transaction, _: self.transactions.append(transaction))
        self.configuration = Configuration(store, lambda failure: failure.raiseException())
        case.successResultOf(Deferred.fromCoroutine(self.configuration.load()))
        self.clock = Clock()
        self.changes = ConfigChanges(self.clock, self.configuration)
        self.changes.start()
        self.transport = StringTransport()
        reader = FeedFactory(self.clock, execute, self.configuration).buildProtocol(None)
        assert reader is not None
        reader.makeConnection(self.transport)
        self.settle()

    def settle(self) -> None:
        """
        Let everybody who follows the configuration know of it.
        """
        self.clock.advance(max(config_changes.INTERVAL, feed.INTERVAL))

    def cost(self, edit: Callable[[Draft], None]) -> Cost:
        """
        Make a change.
        """
        self.transport.clear()
        self.transactions.clear()

        def change() -> None:
            self.configuration.edit("test", edit, now=1.0, source=random.Random(1))
            self.settle()

        calls = counted(change)
        puts = [write for each in self.transactions for write in each.writes if isinstance(write, Put)]
        writes = sum(len(each.writes) for each in self.transactions)
        told = len(self.transport.value())
        return Cost((writes, len(self.transactions)), sum(len(each.value) for each in puts), told, calls)


class CostTests(SynchronousTestCase):
    """
    Tests for changes beside few and beside many other instances.
    """

    def test_same(self) -> None:
        """
        To change, move, add and remove an instance takes as many writes, bytes and calls among 5,000 as among five.
        """
        few, many = World(self, FEW), World(self, MANY)
        value = instance("u0003", "i0003.example.com", "n1")
        for edit in (
            put(msgspec.structs.replace(value, os="other")),
            put(msgspec.structs.replace(value, primary_node="n2")),
            put(instance("u9999", "i9999.example.com", "n1")),
            remove("u9999"),
        ):
            cheap, dear = few.cost(edit), many.cost(edit)
            self.assertEqual(
                (dear.written, dear.journalled, dear.told), (cheap.written, cheap.journalled, cheap.told)
            )
            self.assertEqual(dear.written[1], 1)
            self.assertLess(abs(dear.calls - cheap.calls), 20)

    def test_keys(self) -> None:
        """
        Where two configurations can differ is known for the newest ones; what is found there is what there is.
        """
        world = World(self, FEW)
        first = world.configuration.snapshot
        value = instance("u0003", "i0003.example.com", "n1")
        world.cost(put(msgspec.structs.replace(value, os="other")))
        second = world.configuration.snapshot
        world.cost(remove("u0001"))
        world.cost(put(instance("u9999", "i9999.example.com", "n2")))
        third = world.configuration.snapshot
        self.alike(world, first, third, {"u0001", "u0003", "u9999"})
        self.alike(world, second, third, {"u0001", "u9999"})
        self.alike(world, third, third, set())
        for number in range(RECENT):
            world.cost(put(msgspec.structs.replace(value, os=f"{number}")))
        self.assertIsNone(world.configuration.changed(first, world.configuration.snapshot))

    def alike(self, world: World, before: Snapshot, after: Snapshot, uuids: set[str]) -> None:
        """
        What changed is found among C{uuids} as in the whole.
        """
        keys = world.configuration.changed(before, after)
        assert keys is not None
        self.assertEqual(set(keys), {f"/config/instance/{each}" for each in uuids})
        self.assertEqual(list(differences(before, after, keys)), list(differences(before, after)))
        self.assertEqual(changes(before, after, keys), changes(before, after))
