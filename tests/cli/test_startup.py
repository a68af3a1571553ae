"""
What commands load before they begin.
"""

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.cli.entry import ALLOCATIONS
from gnttwist.cli.main import COMMANDS


class StartupTests(SynchronousTestCase):
    """
    Tests for the start of C{gnt}.
    """

    def loaded(self, *modules: str) -> set[str]:
        """
        The top-level packages that are there after importing these modules.
        """
        code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return {each.partition(".")[0] for each in done.stdout.split()}

    def test_help_imports_no_command(self) -> None:
        """
        C{gnt --help} needs neither Twisted nor rich.
        """
        self.assertEqual(self.loaded("gnttwist.cli.main") & {"twisted", "rich", "cryptography"}, set())

    def test_short_commands(self) -> None:
        """
        No group of commands loads Twisted before a command needs it.
        """
        loaded = self.loaded(*(module for module, _ in COMMANDS.values()))
        self.assertEqual(loaded & {"twisted", "rich", "cryptography"}, set())

    def test_frequent(self) -> None:
        """
        What is typed most often does without attrs, whose import is a tenth of a short command's own time.
        """
        loaded = self.loaded("gnttwist.cli.main", "gnttwist.cli.instance")
        self.assertEqual(loaded & {"attr", "attrs"}, set())

    def test_collector(self) -> None:
        """
        The program's start delays the garbage collector, and leaves it on.
        """
        code = (
            "import gc, sys; from gnttwist.cli import entry, main; "
            "main.main = lambda: print(gc.isenabled(), gc.get_threshold()[0]); entry.main()"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.split(), ["True", str(ALLOCATIONS)])


class EndTests(SynchronousTestCase):
    """
    Tests for the end of C{gnt}.
    """

    def ended(self, *arguments: str, into: str) -> tuple[int, str]:
        """
        How a command ends whose output goes there, and what it says on stderr.
        """
        with open(into, "w") as out:
            done = subprocess.run(
                [sys.executable, "-c", "from gnttwist.cli.main import main; main()", *arguments],
                stdout=out,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        return done.returncode, done.stderr

    def test_written(self) -> None:
        """
        All that a command prints is written before it ends, and its exit code is told.
        """
        path = self.mktemp()
        self.assertEqual(self.ended("--help", into=path), (0, ""))
        with open(path) as file:
            self.assertIn("completion", file.read().splitlines()[-1])
        self.assertEqual(self.ended("nonsense", into=path)[0], 1)

    def test_full(self) -> None:
        """
        Where the output has no space the command fails, and says why.
        """
        code, text = self.ended("--help", into="/dev/full")
        self.assertEqual(code, 1)
        self.assertIn("No space left", text)
