"""
Tests for L{gnttwist.masterd.confd_figures}.
"""

from pathlib import Path
from typing import Any

import msgspec

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.masterd.confd_figures import AGAIN, PATIENCE, ConfdFigures
from tests.client.test_confd_async import KEY, FakeNetwork
from tests.units.world import cluster_of


class ConfdFiguresTests(SynchronousTestCase):
    """
    Tests for L{ConfdFigures}.
    """

    def setUp(self) -> None:
        self.key = Path(self.mktemp())
        self.key.write_bytes(KEY)
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        config = cluster_of(3)
        first, second, third = config.nodes
        # The first one's role is tested to count; the second is no candidate, the third cannot answer.
        self.config = config.with_objects(
            [
                msgspec.structs.replace(first, master_candidate=True),
                msgspec.structs.replace(second, master_candidate=False),
                msgspec.structs.replace(third, master_candidate=True, offline=True),
            ]
        )
        self.figures = ConfdFigures(self.network, lambda: 1000.0, execute, self.key, lambda: self.config)

    def asking(self) -> Deferred[Any]:
        """
        Ask.
        """
        return Deferred.fromCoroutine(self.figures.tell())

    def test_answers(self) -> None:
        """
        Candidates that are online are asked, again where need be, and what they say is told by their names.
        """
        told = self.asking()
        self.clock.advance(AGAIN)
        self.assertEqual([host for _, host in self.network.sent], ["192.0.2.1", "192.0.2.1"])
        self.network.answer("192.0.2.1", 5, {"answered": 7})
        self.assertEqual(self.successResultOf(told), {"node1.example.com": {"answered": 7}})

    def test_silent(self) -> None:
        """
        One that does not answer is left out, after half a second.
        """
        told = self.asking()
        self.clock.pump([PATIENCE / 5] * 4)
        self.assertNoResult(told)
        self.clock.advance(PATIENCE / 5)
        self.assertEqual(self.successResultOf(told), {})

    def test_no_key(self) -> None:
        """
        Without the key nobody can be asked.
        """
        self.key.unlink()
        self.assertEqual(self.successResultOf(self.asking()), {})
