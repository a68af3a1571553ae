"""
Tests for L{gnttwist.noded.limits_page}.
"""

from importlib import import_module
from importlib.resources import files
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.noded.limits_page import LIMITS, render


class LimitsPageTests(SynchronousTestCase):
    """
    Tests for the documentation's table of limits.
    """

    def test_current(self) -> None:
        """
        The page is what the code gives: C{python -m gnttwist.noded.limits_page > docs/limits.md}.
        """
        page = Path(str(files("gnttwist"))).parent / "docs/limits.md"
        self.assertEqual(page.read_text(), render())

    def test_tested(self) -> None:
        """
        The test that a limit names exists.
        """
        for each in LIMITS:
            module, case, method = f"tests.{each.test}".rsplit(".", 2)
            self.assertTrue(callable(getattr(getattr(import_module(module), case), method)), each.test)
