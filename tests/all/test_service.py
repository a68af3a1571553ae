"""
Tests for gnt-all's command line.
"""

from pathlib import Path

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.all.service import Options


class OptionsTests(SynchronousTestCase):
    """
    Tests for L{Options}.
    """

    def test_no_cluster(self) -> None:
        """
        Where there is no cluster yet, that is one error for the user.
        """
        root = Path(self.mktemp()).absolute() / "node1.example.com"
        root.mkdir(parents=True)
        with self.assertRaises(UsageError) as caught:
            Options().parseOptions(["--root", str(root)])
        self.assertIn("not part of a cluster yet", str(caught.exception))

    def test_wrong_root(self) -> None:
        """
        A root that is no absolute path is refused as each daemon refuses it.
        """
        with self.assertRaises(UsageError):
            Options().parseOptions(["--root", "elsewhere"])
