"""
Tests for L{gnttwist.net.options}.
"""

from pathlib import Path

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.net.options import ListeningOptions


class Sample(ListeningOptions):
    """
    A daemon with a port.
    """

    optParameters = [["port", "p", 1811, "The port", int]]


class ListeningTests(SynchronousTestCase):
    """
    Tests for L{ListeningOptions}.
    """

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()
        self.root.mkdir()
        self.options = Sample()

    def listening(self, *arguments: str, passed: bool = False) -> tuple[tuple[str, ...], int]:
        """
        Where such a command line listens.
        """
        self.options.parseOptions(["--root", str(self.root), *arguments])
        paths, _ = self.options.place()
        return self.options.listening(paths, passed=passed)

    def refused(self, *arguments: str) -> str:
        """
        What is said of a command line that cannot be.
        """
        self.options = Sample()
        return str(self.assertRaises(UsageError, self.listening, *arguments))

    def test_addresses(self) -> None:
        """
        Addresses and interfaces are listened on, each address once; with passed sockets none is needed.
        """
        where, port = self.listening("--bind", "lo", "-b", "127.0.0.1", "--port", "5")
        self.assertEqual((where.count("127.0.0.1"), port), (1, 5))
        self.options = Sample()
        self.assertEqual(self.listening(passed=True), ((), 1811))

    def test_refused(self) -> None:
        """
        Each mistake is one line.
        """
        self.assertIn("not part of a cluster", self.refused())
        self.assertIn("neither an address nor an interface", self.refused("--bind", "nowhere0"))
        self.assertIn("up to 65535", self.refused("--bind", "127.0.0.1", "--port", "65536"))
        self.assertIn("elsewhere", self.refused("--root", "elsewhere"))
