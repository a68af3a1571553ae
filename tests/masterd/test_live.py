"""
Tests for L{gnttwist.masterd.live}.
"""

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import NotAnswering
from gnttwist.masterd.live import QUERY_TIMEOUT, SHUNNED, LiveData
from gnttwist.model.objects import Node
from gnttwist.query.sources import LiveCall

NODES = [
    Node(uuid=f"u{n}", name=f"node{n}", primary_ip="192.0.2.1", secondary_ip="192.0.2.1", group="g")
    for n in (1, 2)
]


class LiveDataTests(SynchronousTestCase):
    """
    Tests for L{LiveData}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[tuple[str, Deferred[Any]]] = []
        self.live = LiveData(self, self.clock.seconds)

    def query(self, node: Node, function: str, arguments: Sequence[Any], timeout: float) -> Deferred[Any]:
        """
        Wait for the test.
        """
        answer: Deferred[Any] = Deferred()
        self.asked.append((node.name, answer))
        return answer

    def ask(self) -> Deferred[Sequence[Any]]:
        """
        Ask both nodes.
        """
        return Deferred.fromCoroutine(self.live([LiveCall(each, "version", []) for each in NODES]))

    def test_all_at_once(self) -> None:
        """
        All nodes are asked at once, and answers come in the calls' order.
        """
        result = self.ask()
        (_, first), (_, second) = self.asked
        second.callback("b")
        self.assertNoResult(result)
        first.callback("a")
        self.assertEqual(self.successResultOf(result), ["a", "b"])

    def test_silent_node(self) -> None:
        """
        A node that has let us wait is not asked again for a while; the other one is.
        """
        result = self.ask()
        self.asked[0][1].callback("a")
        self.clock.advance(QUERY_TIMEOUT)
        self.asked[1][1].errback(NotAnswering("node2"))
        self.assertIsInstance(self.successResultOf(result)[1], NotAnswering)
        self.asked.clear()
        result = self.ask()
        self.assertEqual([name for name, _ in self.asked], ["node1"])
        self.asked.pop()[1].callback("a")
        self.assertIsInstance(self.successResultOf(result)[1], NotAnswering)
        self.clock.advance(SHUNNED)
        self.ask()
        self.assertEqual([name for name, _ in self.asked], ["node1", "node2"])

    def test_refusing_node(self) -> None:
        """
        A node that refuses at once is asked every time.
        """
        for _ in range(2):
            result = self.ask()
            for _, answer in self.asked:
                answer.errback(NotAnswering("refused"))
            self.asked.clear()
            self.assertEqual(len(self.successResultOf(result)), 2)

    def test_unforeseen(self) -> None:
        """
        What is no node's failure is nobody's answer.
        """
        result = self.ask()
        self.asked[0][1].errback(ZeroDivisionError())
        self.failureResultOf(result)
