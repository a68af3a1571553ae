"""
Tests for L{gnttwist.net.tls_files}.
"""

from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.net.certificates import (
    BadCertificate,
    Credentials,
    new_cluster_certificate,
    new_node_certificate,
)
from gnttwist.net.tls_files import client_from, server_from
from tests.net.test_tls import meet

NOW = datetime.now(UTC)


def without_identifiers(made: Credentials, signer: Credentials) -> Credentials:
    """
    The same certificate as Ganeti makes them: it does not say whose key has signed it.
    """
    old = made.certificate
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder(old.issuer, old.subject, key.public_key(), old.serial_number)
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
    )
    return Credentials(key, builder.sign(signer.key, SHA256()))


class FileTLSTests(SynchronousTestCase):
    """
    Tests for L{FileTLS}: a node and a master, each with its own directory.
    """

    def setUp(self) -> None:
        self.node, self.master = Path(self.mktemp()), Path(self.mktemp())
        for each in (self.node, self.master):
            each.mkdir()
        self.old = new_cluster_certificate(NOW)
        self.new = new_cluster_certificate(NOW)
        self.candidates = {"": self.old}
        self.old_client = new_node_certificate(self.old, "node1", NOW)
        self.new_client = new_node_certificate(self.new, "node1", NOW)
        for directory in (self.node, self.master):
            self.put(directory, self.old)
        self.put_client(self.old_client)
        self.server = server_from(self.node / "server.pem", tuple)
        self.client = client_from(self.master / "client.pem", self.master / "server.pem")

    def put(self, directory: Path, cluster: Credentials, *others: Credentials) -> None:
        """
        Replace a node's server.pem.
        """
        beside = tuple(each.certificate for each in others)
        self.replace(directory / "server.pem", evolve(cluster, others=beside).pem())

    def put_client(self, own: Credentials) -> None:
        """
        Replace the master's client.pem.
        """
        self.replace(self.master / "client.pem", own.pem())

    def replace(self, path: Path, data: bytes) -> None:
        """
        Replace a file as daemons do.
        """
        other = path.with_suffix(".new")
        other.write_bytes(data)
        other.rename(path)

    def shown(self) -> tuple[str | None, str | None]:
        """
        Let the master call the node: the digests of the certificates that each has shown the other.
        """
        server, client = meet(self.server, self.client)  # type: ignore[arg-type]
        return server.peer, client.peer

    def test_replaced(self) -> None:
        """
        A new connection uses what the files hold when it is made.
        """
        self.assertEqual(self.shown(), (self.old_client.digest, self.old.digest))
        for each in (self.node, self.master):
            self.put(each, self.new)
        self.put_client(self.new_client)
        self.assertEqual(self.shown(), (self.new_client.digest, self.new.digest))

    def test_rollover(self) -> None:
        """
        Step by step, and in whatever order files are replaced within a step, no connection is refused.
        """
        self.put(self.node, self.old, self.new)
        self.assertEqual(self.shown(), (self.old_client.digest, self.old.digest))
        self.put(self.master, self.old, self.new)
        self.put(self.node, self.new, self.old)
        self.assertEqual(self.shown(), (self.old_client.digest, self.new.digest))
        self.put_client(self.new_client)
        self.assertEqual(self.shown(), (self.new_client.digest, self.new.digest))
        self.put(self.master, self.new, self.old)
        self.put(self.master, self.new)
        self.put(self.node, self.new)
        self.assertEqual(self.shown(), (self.new_client.digest, self.new.digest))

    def test_ganetis_certificates(self) -> None:
        """
        Certificates that do not name their signer's key are accepted by either of two authorities.
        """
        old = without_identifiers(self.old_client, self.old)
        self.put_client(old)
        self.put(self.master, self.old, self.new)
        for first, second in ((self.old, self.new), (self.new, self.old)):
            self.put(self.node, first, second)
            self.assertEqual(self.shown(), (old.digest, first.digest))

    def test_stranger_during_rollover(self) -> None:
        """
        With two authorities, what neither has signed is refused.
        """
        stranger = new_cluster_certificate(NOW)
        self.put(self.node, self.new, self.old)
        for own in (
            new_node_certificate(stranger, "node1", NOW),
            without_identifiers(self.old_client, stranger),
            stranger,
        ):
            self.put_client(own)
            self.assertEqual(self.shown(), (None, None))

    def test_unusable(self) -> None:
        """
        Files that are missing or hold something else leave the certificates before in use, until they are good.
        """
        path = self.node / "server.pem"
        good = self.old.pem()
        path.unlink()
        self.assertEqual(self.shown()[1], self.old.digest)
        self.replace(path, b"nonsense")
        for _ in range(2):
            self.assertEqual(self.shown()[1], self.old.digest)
        self.replace(path, good)
        self.server.reload()
        self.assertEqual(self.shown()[1], self.old.digest)

    def test_first(self) -> None:
        """
        What cannot be used at the first reading is refused, and the file named.
        """
        self.replace(self.node / "server.pem", b"nonsense")
        error = self.assertRaises(BadCertificate, server_from, self.node / "server.pem", tuple)
        self.assertIn("server.pem", str(error))
