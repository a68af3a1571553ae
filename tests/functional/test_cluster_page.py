"""
The examples of docs/cluster.md, carried out from top to bottom in a real sandbox; then the cluster is given up.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import TestCase

from gnttwist.sandbox.layout import read_state

PAGE = Path(__file__).resolve().parents[2] / "docs/cluster.md"
GNT = Path(sys.executable).parent / "gnt"
DEADLINE = 60


def examples(text: str) -> list[str]:
    """
    The lines of a page that are commands, and what they need.
    """
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    return [each for each in lines if each.startswith(("gnt ", "R="))]


class PageTests(TestCase):
    """
    Tests for the page.
    """

    timeout = 180

    def setUp(self) -> None:
        # A unix socket's path is limited to 107 bytes, so it cannot be below trial's directory.
        self.directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.sandbox = self.directory / "s"
        self.environment = {
            "PATH": f"{GNT.parent}:{os.environ['PATH']}",
            "HOME": str(self.directory),
        }
        self.addCleanup(self.run_, f"gnt sandbox down --dir {self.sandbox}")
        self.run_(f"gnt sandbox up --dir {self.sandbox} --nodes 3")
        self.environment |= read_state(self.sandbox).variables()

    def run_(self, script: str) -> str:
        """
        Run commands, each of which must succeed.

        @return: What they printed.
        """
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env=self.environment,
            check=False,
        )
        self.assertEqual(done.returncode, 0, f"{script}: {done.stdout}{done.stderr}")
        return done.stdout

    def test_examples(self) -> None:
        """
        Each example does what it says, and at the end all is well; without nodes and instances the cluster can go.
        """
        before, _, end = PAGE.read_text().partition("## The end")
        self.run_("\n".join(examples(before)))
        self.assertIn("The cluster is in order.", self.run_("gnt cluster verify"))
        self.run_("gnt instance remove -f web; gnt node remove -f node2; gnt node remove -f node3")
        self.assertIn("The cluster is gone.", self.run_("\n".join(examples(end))))
        data = read_state(self.sandbox).paths(read_state(self.sandbox).master).data
        self.assertEqual([each.name for each in data.iterdir() if each.is_file()], [])
