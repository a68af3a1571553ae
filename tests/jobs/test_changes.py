"""
Tests for L{gnttwist.jobs.changes}.
"""

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.jobs.changes import Changes


class ChangesTests(SynchronousTestCase):
    """
    Tests for L{Changes}.
    """

    @given(st.lists(st.lists(st.integers(1, 5), max_size=3, unique=True)), st.integers(0, 8))
    def test_model(self, history: list[list[int]], since: int) -> None:
        """
        Those that changed since a revision are told, each with its last change, in the order of these.
        """
        changes = Changes()
        last: dict[int, int] = {}
        for revision, jobs in enumerate(history, 1):
            for job in jobs:
                changes.note(job, revision)
                last.pop(job, None)
                last[job] = revision
        newest = max(last.values(), default=0)
        self.assertEqual(changes.newest, newest)
        after = 0 if since > newest else since
        expected = [(job, revision) for job, revision in last.items() if revision > after]
        self.assertEqual(changes.since(since), expected)

    def test_no_change(self) -> None:
        """
        A revision that is known already is no change.
        """
        changes = Changes()
        self.assertTrue(changes.note(1, 3))
        self.assertFalse(changes.note(1, 3))
        self.assertTrue(changes.note(1, 4))
