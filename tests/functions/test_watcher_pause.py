"""
Tests for L{gnttwist.functions.watcher_pause}.
"""

import stat
from typing import Any

from gnttwist.functions.registry import FunctionError
from gnttwist.functions.watcher_pause import get_watcher_pause, set_watcher_pause
from gnttwist.watcher.files import paused
from tests.functions.context import NodeTestCase


class PauseTests(NodeTestCase):
    """
    Tests for L{set_watcher_pause} and L{get_watcher_pause}.
    """

    def test_life(self) -> None:
        """
        A pause is told, and kept by the watcher, until it is ended; ending it again does no harm.
        """
        paths = self.context.paths
        self.assertIsNone(get_watcher_pause(self.context))
        set_watcher_pause(self.context, 1234.5)
        self.assertEqual(get_watcher_pause(self.context), 1234)
        self.assertEqual(paths.watcher_pause.read_text(), "1234\n")
        self.assertEqual(stat.S_IMODE(paths.watcher_pause.stat().st_mode), 0o644)
        self.assertTrue(paused(paths, 1233.0))
        for _ in range(2):
            set_watcher_pause(self.context, None)
            self.assertIsNone(get_watcher_pause(self.context))
        self.assertFalse(paused(paths, 1233.0))

    def test_wrong(self) -> None:
        """
        A time that is none is refused, and what somebody else wrote there is no pause.
        """
        times: list[Any] = [float("inf"), float("nan"), [], "soon"]
        for wrong in times:
            self.assertRaises(FunctionError, set_watcher_pause, self.context, wrong)
        self.context.paths.watcher_pause.write_text("soon\n")
        self.assertIsNone(get_watcher_pause(self.context))
