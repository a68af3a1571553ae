"""
Tests for L{gnttwist.cli.node_functions}.
"""

import tempfile
from pathlib import Path
from shutil import rmtree

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.cli.node_functions import address, job, row, said
from gnttwist.errors import OpPrereqError
from gnttwist.paths import Paths
from gnttwist.wire.rpc_answers import CallRow

KEY = "k/cluster/epoch/17/0123456789abcdef/1"


class RowTests(SynchronousTestCase):
    """
    Tests for what is shown of a call.
    """

    def test_row(self) -> None:
        """
        A call is shown with its age, the number of its processes, its job, and how far it is.
        """
        feedback = [5, [1, 2], "progress", {"what": "wiping", "done": 3, "total": 9, "unit": "MiB"}]
        call = CallRow(
            "1:2:3:4",
            KEY,
            "blockdev_create",
            "c",
            "running",
            1.0,
            2.6,
            2,
            5,
            [2, 3],
            msgspec.Raw(msgspec.json.encode(feedback)),
        )
        self.assertEqual(
            row(call), ["blockdev_create", "running", "3s", "2", "17", "wiping: 3 of 9 MiB", KEY]
        )

    def test_little_known(self) -> None:
        """
        A call of no job that has said nothing is shown by its ID.
        """
        call = CallRow("1:2:3:4", None, "version", "c", "running", 1.0, 0.0, 2, 0)
        self.assertEqual(row(call)[4:], ["-", "-", "1:2:3:4"])

    def test_said(self) -> None:
        """
        Feedback of any kind is shown, of kinds that nobody knows as it is.
        """
        self.assertEqual(said([1, [1, 2], "message", "hello"]), "hello")
        self.assertEqual(said([1, [1, 2], "progress", {"done": 1.5, "total": None}]), ": 1.5")
        self.assertEqual(said([1, [1, 2], "other", {"a": 1}]), '{"a":1}')

    def test_job(self) -> None:
        """
        Only keys as gnt-masterd makes them name a job.
        """
        for key in (None, "k/x", "k/a/b/c/d/e"):
            self.assertEqual(job(key), "-")


class AddressTests(SynchronousTestCase):
    """
    Tests for L{address}.
    """

    def setUp(self) -> None:
        top = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(rmtree, top)
        self.paths = Paths(top / "a.example.com", "a.example.com")
        self.paths.data.mkdir(parents=True)

    def test_names(self) -> None:
        """
        A node is found by its full name, and by its first part where that says which.
        """
        self.paths.ssconf("node_primary_ips").write_text(
            "a.example.com 192.0.2.1\nb.example.com 192.0.2.2\nb.example.org 192.0.2.3\n"
        )
        self.assertEqual(address(self.paths, "a"), "192.0.2.1")
        self.assertEqual(address(self.paths, "b.example.org"), "192.0.2.3")
        for name, words in (("b", "full name"), ("c", "not known"), ("", "not known")):
            self.assertIn(words, str(self.assertRaises(OpPrereqError, address, self.paths, name)))

    def test_no_node(self) -> None:
        """
        On a machine that is no node, the file that is missing is named.
        """
        error = self.assertRaises(OpPrereqError, address, self.paths, "a")
        self.assertIn("ssconf_node_primary_ips", str(error))
