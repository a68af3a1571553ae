"""
Tests for what shells are offered.
"""

import os
import subprocess
import sys
from typing import Any

from gnttwist.wire import luxi
from tests.cli.fake_cluster import CommandTestCase

NAMES: dict[str, list[Any]] = {
    "instance": ["web1.example.com", "web2.example.com", "db.example.com"],
    "node": ["node1.example.com"],
    "job": [17, 18],
}


class CompletionTests(CommandTestCase):
    """
    Tests for completion.
    """

    def setUp(self) -> None:
        super().setUp()
        self.answers["Query"] = lambda call: self.names(call)

    def names(self, call: Any) -> Any:
        assert isinstance(call, luxi.Query)
        return {"fields": [], "data": [[[0, each]] for each in NAMES[call.what]]}

    def offered(self, *words: str) -> list[str]:
        """
        What bash is offered for the last of these words.
        """
        done = subprocess.run(
            [sys.executable, "-c", "from gnttwist.cli.main import main; main()"],
            env={
                **os.environ,
                "_GNT_COMPLETE": "bash_complete",
                "COMP_WORDS": " ".join(["gnt", "--root", str(self.root), *words]),
                "COMP_CWORD": str(len(words) + 2),
            },
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        self.assertEqual(done.stderr, "")
        return [line.partition(",")[2] for line in done.stdout.split()]

    def test_commands(self) -> None:
        """
        A half-typed command is completed without asking the daemon.
        """
        self.assertEqual(self.offered("inst"), ["instance"])
        self.assertIn("start", self.offered("instance", "st"))
        self.assertEqual(self.master.calls, [])

    def test_own_names(self) -> None:
        """
        An instance command's names are instances'.
        """
        self.assertEqual(self.offered("instance", "start", "web"), ["web1.example.com", "web2.example.com"])

    def test_numbers(self) -> None:
        """
        Jobs are offered by number.
        """
        self.assertEqual(self.offered("job", "info", "1"), ["17", "18"])

    def test_options(self) -> None:
        """
        An option that takes a node offers nodes.
        """
        self.assertEqual(self.offered("instance", "add", "-n", "no"), ["node1.example.com"])

    def test_new_names(self) -> None:
        """
        For the name of what is to be made, nothing is offered and nobody asked.
        """
        self.assertEqual(self.offered("instance", "add", "web"), [])
        self.assertEqual(self.master.calls, [])

    def test_no_daemon(self) -> None:
        """
        Without a daemon there is nothing to offer, and no error on the user's prompt.
        """
        self.root = self.root.parent / "other" / self.root.name
        self.assertEqual(self.offered("instance", "start", "web"), [])

    def test_bash_reads_it(self) -> None:
        """
        What C{gnt completion bash} prints is a script that bash takes and that registers gnt.
        """
        script = self.gnt("completion", "bash").out
        done = subprocess.run(
            ["bash", "-c", 'eval "$1"; complete -p gnt', "-", script],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        self.assertIn(" gnt", done.stdout, done.stderr)

    def test_unknown_shell(self) -> None:
        """
        A shell that is not known is refused by name.
        """
        self.assertIn("bash", self.fails("completion", "csh"))
