"""
Tests for L{gnttwist.joining.files}.
"""

from datetime import UTC, datetime, timedelta

import msgspec
from attrs import evolve

from gnttwist.joining.files import NotPossible, collect, install, membership
from gnttwist.net import certificates
from gnttwist.net.certificates import Credentials
from gnttwist.paths import Paths
from gnttwist.wire.join import Package
from gnttwist.wire.ssconf import address_of
from tests.functions.context import NODE, NodeTestCase

NEW = "node2.example.com"
NOW = datetime.now(UTC)


class FilesTests(NodeTestCase):
    """
    A master with its files, and a machine without any.
    """

    def setUp(self) -> None:
        super().setUp()
        self.master = self.context.paths
        self.cluster = certificates.new_cluster_certificate(NOW)
        for name, content in (
            ("server.pem", self.cluster.pem()),
            ("hmac.key", b"secret\n"),
            ("cluster-domain-secret", b"other\n"),
            ("rapi.pem", b"rapi"),
            ("ssconf_cluster_name", b"cluster.example.com\n"),
            ("ssconf_node_list", f"{NODE}\n".encode()),
            ("ssconf_node_primary_ips", f"{NODE} 192.0.2.1\n".encode()),
            ("store.sqlite", b"the master's own"),
            ("client.pem", b"the master's own"),
        ):
            (self.master.data / name).write_bytes(content)
        self.new = Paths(self.root.parent / NEW, NEW)

    def package(self) -> Package:
        """
        What the master gives.
        """
        return collect(self.master, NEW, "192.0.2.2")

    def test_collected(self) -> None:
        """
        The new node gets what all nodes have, and its own address; nothing that is the master's own.
        """
        package = self.package()
        self.assertEqual(
            sorted(package.files), ["cluster-domain-secret", "hmac.key", "rapi.pem", "server.pem"]
        )
        self.assertEqual(address_of(NEW, package.ssconf["node_primary_ips"]), "192.0.2.2")
        self.assertEqual(address_of(NODE, package.ssconf["node_primary_ips"]), "192.0.2.1")
        self.assertEqual(package.cluster, "cluster.example.com")

    def test_renewal(self) -> None:
        """
        While the cluster's certificate is made anew, nothing is given.
        """
        other = certificates.new_cluster_certificate(NOW)
        both = evolve(self.cluster, others=(other.certificate,))
        (self.master.data / "server.pem").write_bytes(both.pem())
        self.assertIn("renew-certs", str(self.assertRaises(NotPossible, self.package)))

    def test_installed(self) -> None:
        """
        The machine has the files, and a certificate of its own that the cluster has signed.
        """
        digest = install(self.new, self.package())
        own = Credentials.from_pem(self.new.client_pem.read_bytes())
        own.certificate.verify_directly_issued_by(self.cluster.certificate)
        self.assertEqual(own.digest, digest)
        self.assertEqual(self.new.hmac_key.read_bytes(), b"secret\n")
        self.assertEqual(self.new.server_pem.stat().st_mode & 0o777, 0o440)
        self.assertIn(NEW, self.new.ssconf("node_primary_ips").read_text())

    def test_repeated(self) -> None:
        """
        After an attempt that was interrupted another one does it all.
        """
        install(self.new, self.package())
        self.new.ssconf("node_primary_ips").unlink()
        first = self.new.client_pem.read_bytes()
        install(self.new, self.package(), NOW + timedelta(seconds=1))
        self.assertNotEqual(self.new.client_pem.read_bytes(), first)

    def test_rsa(self) -> None:
        """
        Where the cluster's key is an RSA key, the node's is.
        """
        (self.master.data / "server.pem").write_bytes(
            certificates.new_cluster_certificate(NOW, rsa_key=True).pem()
        )
        install(self.new, self.package())
        self.assertTrue(Credentials.from_pem(self.new.client_pem.read_bytes()).is_rsa)

    def test_refused(self) -> None:
        """
        A package for another machine, or with anything else in it, is not taken, and nothing is written.
        """
        good = self.package()
        for wrong in (
            msgspec.structs.replace(good, node="other"),
            msgspec.structs.replace(good, files={**good.files, "../../etc/passwd": b"x"}),
            msgspec.structs.replace(good, files={**good.files, "server.pem": b"x"}),
            msgspec.structs.replace(good, files={"server.pem": good.files["server.pem"]}),
            msgspec.structs.replace(good, ssconf={"../x": ""}),
        ):
            self.assertRaises(NotPossible, install, self.new, wrong)
        self.assertFalse(self.new.data.exists())

    def test_membership(self) -> None:
        """
        A machine is a node once the cluster has told it so; until then it can be prepared again.
        """
        self.assertIsNone(membership(self.new))
        install(self.new, self.package())
        self.assertIsNone(membership(self.new))
        self.new.ssconf("node_list").chmod(0o644)
        self.new.ssconf("node_list").write_text(f"{NODE}\n{NEW}\n")
        self.assertEqual(membership(self.new), "cluster.example.com")
        self.assertEqual(membership(self.master), "cluster.example.com")
