"""
Tests for L{gnttwist.jobs.acknowledging}.
"""

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import CallAborted, NotAnswering
from gnttwist.jobs.acknowledging import (
    BATCH,
    DELAY,
    END_GRACE,
    PREFIX,
    RETRY_FIRST,
    RETRY_LAST,
    Acknowledgements,
)
from gnttwist.jobs.calls import Call
from gnttwist.model.objects import Node
from gnttwist.store.interface import Transaction
from gnttwist.testing.store import MemoryStore
from tests.jobs.world import NODES

NODE, OTHER = NODES


class SlowNodes:
    """
    A caller whose answers the test gives.

    @ivar asked: What was asked for: a word, a node's name, keys; and the answer.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, list[str], Deferred[None]]] = []

    def _ask(self, what: str, node: Node, keys: Sequence[str]) -> Deferred[None]:
        answer: Deferred[None] = Deferred()
        self.asked.append((what, node.name, list(keys), answer))
        return answer

    def call(self, node: Node, call: Call, on_feedback: Any, on_silence: Any = None) -> Deferred[Any]:
        """
        Not here.
        """
        raise AssertionError("acknowledging calls nothing")

    def abort(self, node: Node, key: str) -> Deferred[None]:
        """
        Ask.
        """
        return self._ask("abort", node, [key])

    def forget(self, node: Node, keys: Sequence[str]) -> Deferred[None]:
        """
        Ask.
        """
        return self._ask("forget", node, keys)


class AcknowledgementTests(SynchronousTestCase):
    """
    Tests for L{Acknowledgements}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.store = MemoryStore()
        self.nodes = SlowNodes()
        self.acknowledgements = self.new()

    def new(self) -> Acknowledgements:
        """
        Those of one process.
        """
        return Acknowledgements(self.clock, self.store, self.nodes, self.fail)

    def send(self, count: int = 1, node: Node = NODE, abandoned: bool = False) -> None:
        """
        Calls whose outcomes were journaled.
        """
        for each in range(count):
            note = Acknowledgements.note(node, f"k/{each}", abandoned=abandoned)
            self.successResultOf(self.store.transact(Transaction([note])))
            self.acknowledgements.send(node, f"k/{each}", abandoned=abandoned)

    def stored(self) -> int:
        """
        How many are kept in the store.
        """
        return len(self.successResultOf(self.store.range(PREFIX)).entries)

    def asked(self) -> list[tuple[str, str, int]]:
        """
        What was asked for so far.
        """
        return [(what, node, len(keys)) for what, node, keys, _ in self.nodes.asked]

    def answer(self, result: Any = None) -> None:
        """
        Answer what was asked for last.
        """
        *_, deferred = self.nodes.asked[-1]
        if isinstance(result, Exception):
            deferred.errback(result)
        else:
            deferred.callback(None)

    def test_together(self) -> None:
        """
        Keys of one node go together, as many as fit, and leave the store when the node has answered.
        """
        self.send(BATCH + 1)
        self.send(1, OTHER)
        self.assertEqual(self.asked(), [])
        self.clock.advance(DELAY)
        self.assertEqual(self.asked(), [("forget", NODE.name, BATCH), ("forget", OTHER.name, 1)])
        self.assertEqual(self.stored(), BATCH + 2)
        self.answer()
        self.assertEqual(self.stored(), BATCH + 1)
        self.nodes.asked[0][3].callback(None)
        self.clock.advance(0)
        self.answer()
        self.assertEqual((self.asked()[2], self.stored()), (("forget", NODE.name, 1), 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_silent_node(self) -> None:
        """
        A silent node is asked again, ever more seldom, and keys that come meanwhile wait with the others.
        """
        self.send()
        self.clock.advance(DELAY)
        for delay in (RETRY_FIRST, 2 * RETRY_FIRST, 4 * RETRY_FIRST):
            self.answer(NotAnswering("silent"))
            count = len(self.nodes.asked)
            self.clock.advance(delay - 0.125)
            self.assertEqual(len(self.nodes.asked), count)
            self.clock.advance(0.125)
            self.assertEqual(len(self.nodes.asked), count + 1)
        self.send(3)
        self.assertLess(RETRY_FIRST, RETRY_LAST)
        self.answer()
        self.clock.advance(0)
        self.answer()
        self.assertEqual(self.stored(), 0)

    def test_after_restart(self) -> None:
        """
        What was left is sent again, except to nodes that are gone.
        """
        self.send(2)
        self.send(1, OTHER)
        self.acknowledgements.stop()
        self.acknowledgements = self.new()
        entries = self.successResultOf(self.store.range(PREFIX)).entries
        self.acknowledgements.restore(entries, {NODE.uuid: NODE})
        self.assertEqual(self.stored(), 2)
        self.clock.advance(DELAY)
        self.assertEqual(self.asked(), [("forget", NODE.name, 2)])
        self.assertEqual(self.nodes.asked[0][2], ["k/0", "k/1"])

    def test_abandoned(self) -> None:
        """
        A call that was given up is ended, and gets time for that, before it is forgotten; also after a restart.
        """
        self.send(abandoned=True)
        self.acknowledgements.stop()
        self.acknowledgements = self.new()
        entries = self.successResultOf(self.store.range(PREFIX)).entries
        self.acknowledgements.restore(entries, {NODE.uuid: NODE})
        self.clock.advance(DELAY)
        self.answer(CallAborted("the node knows of no such call"))
        self.assertEqual([what for what, _, _ in self.asked()], ["abort"])
        self.clock.advance(END_GRACE)
        self.assertEqual([what for what, _, _ in self.asked()], ["abort", "forget"])
        self.answer()
        self.assertEqual(self.stored(), 0)

    def test_stop(self) -> None:
        """
        After a stop nothing is sent, no timer is left, and a late answer changes nothing.
        """
        self.send()
        self.clock.advance(DELAY)
        self.send(2, OTHER)
        self.acknowledgements.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.answer()
        self.assertEqual(self.stored(), 3)
