"""
Tests for L{gnttwist.sandbox.layout} and L{gnttwist.sandbox.addresses}.
"""

import socket
from pathlib import Path

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.sandbox import addresses
from gnttwist.sandbox.layout import (
    SOCKET_PATH_LIMIT,
    Daemon,
    SandboxError,
    new_sandbox,
    read_state,
    write_state,
)


class LayoutTests(SynchronousTestCase):
    """
    Tests for sandboxes as values and files.
    """

    def test_names(self) -> None:
        """
        Nodes are numbered from 1, each with an address of its own.
        """
        sandbox = new_sandbox(Path("/d"), 2, "fake", "127.7.8")
        self.assertEqual(
            [(each.name, each.address) for each in sandbox.nodes],
            [("node1.sandbox.test", "127.7.8.1"), ("node2.sandbox.test", "127.7.8.2")],
        )
        self.assertEqual(
            sandbox.variables(),
            {"GANETI_ROOTDIR": "/d/node1.sandbox.test", "GANETI_HOSTNAME": "node1.sandbox.test"},
        )

    def test_number(self) -> None:
        """
        Senseless numbers of nodes are refused.
        """
        for nodes in (-1, 0, 201):
            self.assertRaises(SandboxError, new_sandbox, Path("/d"), nodes, "fake", "127.7.8")

    def test_path_length(self) -> None:
        """
        The longest directory that is accepted is the one that the error names.
        """
        error = self.assertRaises(SandboxError, new_sandbox, Path("/" + "d" * 100), 1, "fake", "127.7.8")
        room = int(str(error).split("at most ")[1].split()[0])
        sandbox = new_sandbox(Path("/" + "d" * (room - 1)), 1, "fake", "127.7.8")
        longest = len(bytes(sandbox.paths(sandbox.master).luxi_socket))
        self.assertEqual(longest, SOCKET_PATH_LIMIT)

    def test_state(self) -> None:
        """
        What is remembered is what was made.
        """
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        sandbox = msgspec.structs.replace(
            new_sandbox(Path("/d"), 1, "fake", "127.7.8"),
            # Which may be too long for sockets, but not for a file.
            directory=str(directory),
            daemons=[Daemon("gnt-noded", "node1.sandbox.test", 17, 4711)],
        )
        write_state(sandbox)
        self.assertEqual(read_state(directory), sandbox)

    def test_no_sandbox(self) -> None:
        """
        A directory without a sandbox, and one whose state is nonsense, are told apart from real ones.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        self.assertIn("no sandbox", str(self.assertRaises(SandboxError, read_state, directory)))
        (directory / "state.json").write_text("[]")
        self.assertIn("not a sandbox's state", str(self.assertRaises(SandboxError, read_state, directory)))


class AddressTests(SynchronousTestCase):
    """
    Tests for the choice of addresses.
    """

    def test_same_again(self) -> None:
        """
        A directory gets the same network again, another one most likely another.
        """
        first, again, other = (next(addresses.networks(Path(each))) for each in ("/a", "/a", "/b"))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_taken(self) -> None:
        """
        A network whose address is in use is passed over when there is a choice, and refused when there is none.
        """
        directory = Path("/taken")
        network = addresses.choose(directory, 1)
        with socket.socket() as holder:
            holder.bind((f"{network}.1", addresses.NODED_PORT))
            self.assertNotEqual(addresses.choose(directory, 1), network)
            error = self.assertRaises(SandboxError, addresses.check, network, 1)
        self.assertIn(f"{network}.1:1811 is taken", str(error))

    def test_nonsense(self) -> None:
        """
        Only loopback networks can be asked for.
        """
        for network in ("10.1.2", "127.0", "x", "127.1.2.3"):
            self.assertRaises(SandboxError, addresses.check, network, 1)
