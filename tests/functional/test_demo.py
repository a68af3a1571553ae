"""
What C{make demo} does, with a fake guest.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import TestCase

DEADLINE = 60


class DemoTests(TestCase):
    """
    Tests for C{python -m gnttwist.sandbox.demo}.
    """

    timeout = 120

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.addCleanup(self.demo, "down")

    def demo(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """
        Run it.
        """
        return subprocess.run(
            [sys.executable, "-m", "gnttwist.sandbox.demo", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env={"PATH": os.environ["PATH"], "GNT_DEMO": "fake", "GNT_DEMO_DIR": str(self.directory / "d")},
        )

    def test_up_and_down(self) -> None:
        """
        It shows an instance and a signed answer, does no harm when called again, and leaves nothing behind.
        """
        first = self.demo("up")
        self.assertEqual(first.returncode, 0, first.stdout + first.stderr)
        self.assertIn("gnt instance add", first.stdout)
        self.assertIn(
            "primary node of demo1.sandbox.test is node1.sandbox.test (signature verified", first.stdout
        )
        self.assertEqual(first.stdout.splitlines()[-1], "demo: hypervisor fake, accelerator none")
        second = self.demo("up")
        self.assertEqual(second.returncode, 0, second.stderr)
        self.assertIn("running already", second.stdout)
        down = self.demo("down")
        self.assertEqual(down.returncode, 0, down.stderr)
        self.assertEqual(list(self.directory.iterdir()), [])
        self.assertIn("no demonstration", self.demo("down").stdout)

    def test_usage(self) -> None:
        """
        Other words are refused.
        """
        self.assertEqual(self.demo("sideways").returncode, 2)
