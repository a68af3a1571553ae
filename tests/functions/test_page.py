"""
Tests for L{gnttwist.functions.page}.
"""

from importlib.resources import files
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.functions.page import render
from gnttwist.wire.calls import FUNCTIONS


class PageTests(SynchronousTestCase):
    """
    Tests for the documentation's page of functions.
    """

    def test_current(self) -> None:
        """
        The page is what the table gives: C{python -m gnttwist.functions.page > docs/functions.md}.
        """
        page = Path(str(files("gnttwist"))).parent / "docs/functions.md"
        self.assertEqual(page.read_text(), render())

    def test_whole(self) -> None:
        """
        Each function has a line and a description.
        """
        page = render()
        for each in FUNCTIONS:
            self.assertIn(f"| [{each}](#{each}) |", page)
            self.assertIn(f"\n## {each}\n", page)
