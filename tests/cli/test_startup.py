"""
What commands load before they begin.
"""

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

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
