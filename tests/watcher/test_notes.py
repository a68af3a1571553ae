"""
Tests for L{gnttwist.watcher.notes} and L{gnttwist.watcher.files}.
"""

import contextlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.paths import Paths
from gnttwist.watcher import files
from gnttwist.watcher.hooks import run_hooks
from gnttwist.watcher.notes import EXPIRY, MAX_TRIES, Action, Notes, Seen

DOWN = Seen("web", "ERROR_down")
NOW = 1_700_000_000.0
NOTES = st.dictionaries(
    st.text(max_size=5),
    st.fixed_dictionaries({"restart_count": st.integers(0, 9), "restart_when": st.floats(0, 2e9)}),
)


class NotesTests(SynchronousTestCase):
    """
    Tests for L{Notes}.
    """

    def test_tries_are_bounded(self) -> None:
        """
        An instance that does not come up is started five times, given up once, and then left alone for eight hours.
        """
        notes = Notes()
        actions = []
        for each in range(MAX_TRIES + 3):
            notes.forget_old(["web"], NOW + each)
            actions.append(notes.decide(DOWN, ()))
            if actions[-1] in (Action.RESTART, Action.GIVE_UP):
                notes.tried("web", "restart", NOW + each)
        self.assertEqual(actions, [Action.RESTART] * MAX_TRIES + [Action.GIVE_UP] + [Action.GIVEN_UP] * 2)
        notes.forget_old(["web"], NOW + EXPIRY + MAX_TRIES + 1)
        self.assertEqual(notes.decide(DOWN, ()), Action.RESTART)

    def test_states(self) -> None:
        """
        Only what should be up and is down is started; what its user has shut down is marked so, unless it is locked.
        """
        notes = Notes()
        for status in ("running", "ADMIN_down", "ADMIN_offline", "ERROR_nodedown", "ERROR_up", "USER_down"):
            self.assertEqual(notes.decide(Seen("web", status, "down"), ()), Action.NOTHING)
        left = Seen("web", "USER_down")
        self.assertEqual(notes.decide(left, ()), Action.CLEAN_UP)
        self.assertEqual(notes.decide(left, {"web"}), Action.LOCKED)
        notes.tried("web", "restart", NOW)
        self.assertEqual(notes.decide(Seen("web", "running"), ()), Action.CAME_BACK)

    def test_forgets(self) -> None:
        """
        Instances that are gone are forgotten.
        """
        notes = Notes()
        notes.tried("web", "restart", NOW)
        notes.forget_old(["mail"], NOW)
        self.assertEqual(notes, Notes())

    def test_boots(self) -> None:
        """
        A node is started anew when its boot ID is another; one without is not known.
        """
        notes = Notes()
        self.assertEqual(notes.rebooted({"a": "1", "b": ""}), ["a"])
        notes.booted("a", "1")
        self.assertEqual(notes.rebooted({"a": "1"}), [])
        self.assertEqual(notes.rebooted({"a": "2"}), ["a"])

    @given(NOTES)
    def test_round_trip(self, instances: dict[str, dict[str, object]]) -> None:
        """
        What is written is read again.
        """
        notes = Notes(instances, {"node": {"bootid": "x"}})
        self.assertEqual(Notes.read(notes.written()), notes)

    @given(st.binary(max_size=60))
    def test_damaged(self, data: bytes) -> None:
        """
        A damaged file is one kind of error, or notes.
        """
        with contextlib.suppress(ValueError):
            Notes.read(data)


class FilesTests(SynchronousTestCase):
    """
    Tests for the watcher's files.
    """

    def setUp(self) -> None:
        self.paths = Paths(Path(self.mktemp()).absolute() / "node1", "node1")
        for each in (self.paths.data, self.paths.run, self.paths.etc):
            each.mkdir(parents=True)

    def test_pause(self) -> None:
        """
        The watcher keeps still until the time in the file; without one, or with nonsense, it does not.
        """
        for text, still in (("1700000100\n", True), ("1699999999\n", False), ("soon", False)):
            self.paths.watcher_pause.write_text(text)
            self.assertEqual(files.paused(self.paths, NOW), still, text)
        self.paths.watcher_pause.unlink()
        self.assertFalse(files.paused(self.paths, NOW))

    def test_one_at_a_time(self) -> None:
        """
        A lock is held once, or shared.
        """
        path = self.paths.lock / "x"
        with files.locked(path) as first, files.locked(path) as second:
            self.assertEqual((first, second), (True, False))
        with files.locked(path, shared=True) as first, files.locked(path, shared=True) as second:
            self.assertEqual((first, second), (True, True))

    def test_merged(self) -> None:
        """
        The states of all groups are in one file, sorted, each as it was seen last.
        """
        self.assertEqual(files.status_text([("b", "up"), ("a", "down")]), b"a down\nb up")
        files.write(self.paths.watcher_status("1"), b"b running\nc running")
        files.write(self.paths.watcher_status("2"), b"a ADMIN_down")
        files.merge_status(self.paths, ["1", "2", "3"])
        found = (self.paths.run / "instance-status").read_text()
        self.assertEqual(found, "a ADMIN_down\nb running\nc running")

    def test_hooks(self) -> None:
        """
        The watcher's own hooks run, and those that fail are told.
        """
        place = self.paths.etc / "hooks" / "watcher"
        place.mkdir(parents=True)
        for name, text in (("a", "touch $0.ran"), ("b", "echo no; exit 2"), ("c.old", "touch $0.ran")):
            (place / name).write_text(f"#!/bin/sh\n{text}\n")
            (place / name).chmod(0o755)
        warnings: list[str] = []
        run_hooks(self.paths, warnings.append)
        self.assertEqual(warnings, ["Watcher hook b failed with status 2; output: no"])
        self.assertEqual(sorted(each.name for each in place.glob("*.ran")), ["a.ran"])
