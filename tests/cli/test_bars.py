"""
Tests for L{gnttwist.cli.bars}.
"""

import io

from rich.console import Console

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.cli.bars import Bars, amount


class BarsTests(SynchronousTestCase):
    """
    Tests for L{Bars}.
    """

    def setUp(self) -> None:
        self.screen = io.StringIO()
        self.console = Console(file=self.screen, force_terminal=True, width=100)

    def test_lines(self) -> None:
        """
        Log lines are printed as they are, whatever they hold.
        """
        with Bars(self.console) as bars:
            bars.line("a [bold]line[/bold]")
        self.assertIn("a [bold]line[/bold]", self.screen.getvalue())

    def test_several(self) -> None:
        """
        What goes on at the same time has a bar each, until it is no longer named.
        """
        far = {"done": 5, "total": 10, "unit": "MiB"}
        with Bars(self.console) as bars:
            bars.progress({"one": far, "two": far})
            bars._bars.refresh()
            both = self.screen.getvalue()
            self.screen.truncate(0)
            bars.progress({"two": {**far, "done": 6}})
            bars._bars.refresh()
            left = self.screen.getvalue()
            bars.progress(None)
        self.assertIn("one", both)
        self.assertIn("5M of 10M", both)
        self.assertNotIn("one", left)
        self.assertIn("6M of 10M", left)

    def test_amounts(self) -> None:
        """
        Amounts are shown in their unit, with the whole where it is known.
        """
        self.assertEqual(amount({"done": 2048, "total": None, "unit": "MiB"}), "2.0G")
        self.assertEqual(amount({"done": 1.5, "total": 3, "unit": "s"}), "1.5 of 3 s")
        self.assertEqual(amount({"done": 7, "total": None, "unit": ""}), "7")
