"""
Tests for L{gnttwist.noded.options}; the daemon itself is run by C{tests/functional/test_noded.py}.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.net import certificates
from gnttwist.noded.options import PORT, Config, Options
from gnttwist.paths import Paths


class OptionsTests(SynchronousTestCase):
    """
    Tests for L{Options}.
    """

    def setUp(self) -> None:
        root = Path(self.mktemp()).absolute() / "node1"
        self.paths = Paths(root, "node1")
        self.cluster = certificates.new_cluster_certificate(datetime.now(UTC))
        certificates.write(self.paths.server_pem, self.cluster.pem(), certificates.PEM_MODE)

    def parse(self, *arguments: str) -> Config:
        """
        What a command line asks for.
        """
        options = Options({})
        options.parseOptions(["--root", str(self.paths.root), *arguments])
        return options.config

    def refused(self, *arguments: str) -> str:
        """
        Why a command line is refused.
        """
        return str(self.assertRaises(UsageError, self.parse, *arguments))

    def test_own_address(self) -> None:
        """
        By default the node's own primary address and Ganeti's port are used.
        """
        self.paths.ssconf("node_primary_ips").write_text("node2 192.0.2.2\nnode1 192.0.2.1\n")
        config = self.parse()
        self.assertEqual((config.addresses, config.port), (("192.0.2.1",), PORT))
        self.assertEqual(config.tls.current.digest, self.cluster.digest)

    def test_bind(self) -> None:
        """
        Addresses of both families can be named, repeatedly.
        """
        config = self.parse("--bind", "192.0.2.7", "-b", "2001:DB8::1", "--port", "4000")
        self.assertEqual((config.addresses, config.port), (("192.0.2.7", "2001:db8::1"), 4000))

    def test_interface(self) -> None:
        """
        An interface stands for all of its addresses, each of which is taken once.
        """
        addresses = self.parse("--bind", "lo", "--bind", "127.0.0.1").addresses
        self.assertIn("127.0.0.1", addresses)
        self.assertEqual(len(addresses), len(set(addresses)))

    def test_systemd(self) -> None:
        """
        Sockets that systemd has passed are used, and no other unless one is asked for.
        """
        for arguments, addresses in (([], ()), (["--bind", "192.0.2.7"], ("192.0.2.7",))):
            options = Options({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"})
            options.parseOptions(["--root", str(self.paths.root), *arguments])
            self.assertEqual((options.config.sockets, options.config.addresses), ((3, 4), addresses))

    def test_refused(self) -> None:
        """
        Mistakes are one line that names what is wrong.
        """
        self.assertIn("there is no interface nonsense", self.refused("--bind", "nonsense"))
        self.assertIn("--bind", self.refused())
        self.paths.ssconf("node_primary_ips").write_text("node2 192.0.2.2\n")
        self.assertIn("node1", self.refused())
        self.paths.server_pem.unlink()
        self.assertIn("server.pem", self.refused("--bind", "192.0.2.1"))

    def test_no_secrets(self) -> None:
        """
        What is logged of the configuration does not hold the key.
        """
        self.assertNotIn("key", repr(self.parse("--bind", "192.0.2.1")))
