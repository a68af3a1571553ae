"""
Tests for L{gnttwist.masterd.feed}.
"""

import random
from typing import Any

import msgspec

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.confd.loading import patched
from gnttwist.config.draft import Draft
from gnttwist.config.export import config_data
from gnttwist.config.service import Configuration
from gnttwist.masterd.feed import INTERVAL, MAX_READERS, FeedFactory, FeedProtocol, changes
from gnttwist.wire.framing import Splitter
from tests.config.objects import EMPTY, instance, node, store


def plain(value: Any) -> Any:
    """
    As it is after crossing a wire.
    """
    return msgspec.json.decode(msgspec.json.encode(value))


class ChangesTests(SynchronousTestCase):
    """
    Tests for L{changes}.
    """

    def test_whole(self) -> None:
        """
        Whoever knows nothing is told everything.
        """
        config = EMPTY.with_objects([node("n1", "one"), instance("i1", "web", "n1")])
        message = plain(changes(None, config))
        self.assertTrue(message["full"])
        self.assertEqual(patched({}, message), plain(config_data(config)))

    def test_change(self) -> None:
        """
        Only what changed is told, and leads from the one configuration to the other.
        """
        before = EMPTY.with_objects([node("n1", "one"), node("n2", "two"), instance("i1", "web", "n1")])
        after = before.with_objects([node("n2", "renamed"), instance("i2", "db", "n1")])
        message = plain(changes(before, after))
        self.assertEqual(set(message["tables"]), {"nodes", "instances"})
        self.assertEqual(set(message["tables"]["nodes"]), {"n2"})
        self.assertEqual(patched(plain(config_data(before)), message), plain(config_data(after)))
        back = plain(changes(after, before))
        self.assertEqual(back["tables"]["instances"], {"i2": None})
        self.assertEqual(patched(plain(config_data(after)), back), plain(config_data(before)))


class FeedTests(SynchronousTestCase):
    """
    Tests for L{FeedFactory} and L{FeedProtocol}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.configuration = Configuration(store(), lambda failure: failure.raiseException())
        self.successResultOf(Deferred.fromCoroutine(self.configuration.load()))
        self.factory = FeedFactory(self.clock, execute, self.configuration)
        self.feed, self.transport = self.connect()
        self.splitter = Splitter(1 << 20)

    def connect(self) -> tuple[FeedProtocol, StringTransport]:
        """
        A reader.
        """
        feed = self.factory.buildProtocol(None)
        assert feed is not None
        transport = StringTransport()
        feed.makeConnection(transport)
        return feed, transport

    def read(self) -> list[dict[str, Any]]:
        """
        Let the clock go on, and take the messages that were written.
        """
        self.clock.advance(INTERVAL)
        data = self.transport.value()
        self.transport.clear()
        return [msgspec.json.decode(each) for each in self.splitter.feed(data)]

    def add(self, name: str) -> None:
        """
        Change the configuration.
        """

        def edit(draft: Draft) -> None:
            draft.put(instance(name, name, "n1"))

        self.successResultOf(self.configuration.edit("test", edit, now=1.0, source=random.Random(1)))

    def test_first_whole_then_changes(self) -> None:
        """
        A reader is told the whole at once, then each change within the interval, changes in a burst together.
        """
        (whole,) = self.read()
        self.assertTrue(whole["full"])
        self.add("a")
        self.add("b")
        (change,) = self.read()
        self.assertEqual(set(change["tables"]["instances"]), {"a", "b"})
        self.assertEqual(change["members"]["serial_no"], self.configuration.snapshot.serial)
        self.assertEqual(self.read(), [])

    def test_slow_reader(self) -> None:
        """
        A reader that does not read is told nothing, and afterwards the last state.
        """
        self.read()
        self.feed.pauseProducing()
        self.add("a")
        self.add("b")
        self.assertEqual(self.read(), [])
        self.feed.resumeProducing()
        (change,) = self.read()
        self.assertEqual(set(change["tables"]["instances"]), {"a", "b"})

    def test_gone(self) -> None:
        """
        Nothing is left of a reader that is gone.
        """
        self.feed.connectionLost()
        self.add("a")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.factory._readers, set())

    def test_speaks(self) -> None:
        """
        Somebody who sends something is disconnected.
        """
        self.feed.dataReceived(b"x")
        self.assertTrue(self.transport.disconnecting)

    def test_bounded(self) -> None:
        """
        There is a bounded number of readers.
        """
        for _ in range(MAX_READERS - 1):
            self.connect()
        self.assertIsNone(self.factory.buildProtocol(None))
