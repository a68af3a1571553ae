"""
Tests for L{gnttwist.masterd.config_changes}.
"""

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.draft import Draft
from gnttwist.config.service import Configuration
from gnttwist.masterd import config_changes
from gnttwist.masterd.config_changes import ConfigChanges
from tests.config.objects import node, store


class WaitTests(SynchronousTestCase):
    """
    Tests for following the configuration.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.store = store()
        self.configuration = Configuration(self.store, Failure.raiseException)
        loading = Deferred.fromCoroutine(self.configuration.load())
        while self.store.commit():
            pass
        self.successResultOf(loading)
        self.changes = ConfigChanges(self.clock, self.configuration)
        self.changes.start()
        self.first = self.configuration.snapshot.revision

    def change(self, edit: Any) -> None:
        """
        Change the configuration, durably.
        """
        self.configuration.edit("test", edit, now=1.0, source=Random(1))
        while self.store.commit():
            pass

    def add(self, name: str) -> None:
        """
        Add a node.
        """

        def edit(draft: Draft) -> None:
            draft.put(node(name, f"{name}.example.com"))

        self.change(edit)

    def remove(self, name: str) -> None:
        """
        Remove a node.
        """

        def edit(draft: Draft) -> None:
            draft.delete(draft.config.nodes[name])

        self.change(edit)

    def wait(self, revision: int, timeout: float = 10) -> Deferred[Any]:
        """
        Wait for changes.
        """
        return Deferred.fromCoroutine(self.changes.wait(revision, timeout))

    def told(self, revision: int) -> list[tuple[str, str, bool]] | None:
        """
        What is told at once.
        """
        _, found = self.successResultOf(self.wait(revision, 0))
        return None if found is None else [(each.kind, each.name, each.there) for each in found]

    def test_wakes(self) -> None:
        """
        Who waits is told of what comes, a burst at once, and of each object its last state.
        """
        waiting = self.wait(self.first)
        self.add("a")
        self.add("b")
        self.remove("a")
        self.assertNoResult(waiting)
        self.clock.advance(config_changes.INTERVAL)
        revision, found = self.successResultOf(waiting)
        self.assertEqual([(each.name, each.there) for each in found], [("b.example.com", True)])
        self.assertEqual(revision, self.configuration.snapshot.revision)
        self.assertEqual(self.told(revision), [])

    def test_time(self) -> None:
        """
        If nothing happens, the answer is that.
        """
        waiting = self.wait(self.first, 5)
        self.clock.advance(5)
        self.assertEqual(self.successResultOf(waiting), (self.first, []))

    def test_too_old(self) -> None:
        """
        A revision before the history, or of another store, means to look at everything.
        """
        self.assertIsNone(self.told(0))
        self.assertIsNone(self.told(self.first + 1000))

    def test_bounded(self) -> None:
        """
        The history is bounded; who is behind its beginning is told so.
        """
        self.patch(config_changes, "HISTORY", 2)
        for name in ("a", "b", "c"):
            self.add(name)
            self.clock.advance(config_changes.INTERVAL)
        self.assertIsNone(self.told(self.first))

    def test_removed(self) -> None:
        """
        What is gone is told as gone.
        """
        self.add("a")
        self.clock.advance(config_changes.INTERVAL)
        after = self.configuration.snapshot.revision
        self.remove("a")
        self.clock.advance(config_changes.INTERVAL)
        self.assertEqual(self.told(after), [("node", "a.example.com", False)])

    @given(st.lists(st.sampled_from(["a", "b", "c", "look", "pass"]), max_size=30))
    def test_follower(self, steps: list[str]) -> None:
        """
        Who applies what is told, whenever it looks, knows in the end what there is.
        """
        self.setUp()
        known: set[str] = {each.name for each in self.configuration.snapshot.nodes}
        revision = self.first
        for step in [*steps, "pass", "look"]:
            if step == "pass":
                self.clock.advance(config_changes.INTERVAL)
            elif step == "look":
                revision, found = self.successResultOf(self.wait(revision, 0))
                assert found is not None
                for each in found:
                    if each.kind == "node":
                        (known.add if each.there else known.discard)(each.name)
            elif step in self.configuration.snapshot.nodes:
                self.remove(step)
            else:
                self.add(step)
        self.assertEqual(known, {each.name for each in self.configuration.snapshot.nodes})
