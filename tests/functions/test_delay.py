"""
Tests for L{gnttwist.functions.delay}.
"""

import time
from pathlib import Path
from typing import Any

from attrs import define, field

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.functions.delay import FEEDBACK_EVERY, test_delay, version
from gnttwist.functions.registry import FunctionError
from gnttwist.paths import Paths

# Not a test, in spite of Ganeti's name for it.
delay = test_delay
del test_delay


@define
class Listening:
    """
    A context that keeps feedback.
    """

    paths: Paths = field(factory=lambda: Paths(Path("/"), "node1"))
    said: list[tuple[str, Any]] = field(factory=list)

    def feedback(self, type: str, payload: Any) -> None:
        """
        See L{gnttwist.functions.registry.Context}.
        """
        self.said.append((type, payload))


class DelayTests(SynchronousTestCase):
    """
    Tests for C{version} and C{test_delay}.
    """

    def test_version(self) -> None:
        """
        The version is Ganeti 3.0's.
        """
        self.assertEqual(version(Listening()), 3000000)

    def test_short(self) -> None:
        """
        A short delay lasts as long as asked, and says nothing.
        """
        context = Listening()
        begin = time.monotonic()
        self.assertIsNone(delay(context, 0.05))
        self.assertGreaterEqual(time.monotonic() - begin, 0.05)
        self.assertEqual(context.said, [])

    def test_progress(self) -> None:
        """
        A longer one tells how far it is.
        """
        context = Listening()
        duration = FEEDBACK_EVERY + 0.1
        delay(context, duration)
        self.assertEqual([type for type, _ in context.said], ["progress", "progress"])
        first = context.said[0][1]
        self.assertEqual(first, {"what": "waiting", "done": 0.0, "total": duration, "unit": "s"})

    def test_refused(self) -> None:
        """
        What is not a number of seconds within the limit is refused.
        """
        for duration in (-1, 1e9, float("nan"), "1", None, True, [1]):
            self.assertRaises(FunctionError, delay, Listening(), duration)
