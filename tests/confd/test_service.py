"""
Tests for L{gnttwist.confd.service}.
"""

from pathlib import Path

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.confd.service import Config, Options
from gnttwist.paths import Paths


class OptionsTests(SynchronousTestCase):
    """
    Tests for L{Options}.
    """

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute() / "node1"
        self.paths = Paths(self.root, "node1")
        self.paths.data.mkdir(parents=True)

    def parse(self, *arguments: str) -> Config:
        """
        The configuration that a command line asks for.
        """
        options = Options()
        options.parseOptions(["--root", str(self.root), *arguments])
        return options.config

    def refused(self, *arguments: str) -> str:
        """
        Why a command line is refused.
        """
        return str(self.assertRaises(UsageError, self.parse, *arguments))

    def test_own_address(self) -> None:
        """
        Without C{--bind} it is the node's primary address, as the cluster knows it.
        """
        self.paths.ssconf("node_primary_ips").write_text("node0 192.0.2.1\nnode1 192.0.2.2\n")
        self.assertEqual(self.parse().addresses, ("192.0.2.2",))

    def test_no_cluster(self) -> None:
        """
        Where there is no cluster yet, an address has to be named.
        """
        self.assertIn("--bind", self.refused())

    def test_bind(self) -> None:
        """
        Addresses of both families and interfaces can be named, and each address counts once.
        """
        config = self.parse("--bind", "::1", "--bind", "lo", "-b", "192.0.2.7")
        self.assertEqual(config.addresses.count("::1"), 1)
        self.assertLessEqual({"127.0.0.1", "192.0.2.7"}, set(config.addresses))

    def test_bad_bind(self) -> None:
        """
        All addresses of the machine, and what is no interface, are refused.
        """
        for each in ("0.0.0.0", "::", "nosuch0"):
            self.assertIn("--bind", self.refused("--bind", each))

    def test_bad_numbers(self) -> None:
        """
        Workers and ports that cannot be are refused.
        """
        for each in ("0", "-1", "65"):
            self.assertIn("--workers", self.refused("--bind", "::1", "--workers", each))
        self.assertIn("--port", self.refused("--bind", "::1", "--port", "65536"))
