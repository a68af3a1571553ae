"""
Tests for L{gnttwist.noded.candidates}.
"""

from datetime import UTC, datetime
from pathlib import Path

from OpenSSL import crypto

from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.net.certificates import Credentials, new_cluster_certificate, new_node_certificate
from gnttwist.noded.candidates import NOT_CANDIDATE, Candidates

NOW = datetime.now(UTC)


class Transport:
    """
    A TLS connection whose peer has shown a certificate, or none.
    """

    def __init__(self, shown: Credentials | None) -> None:
        self.shown = shown

    def getPeerCertificate(self) -> crypto.X509 | None:
        """
        What it has shown.
        """
        return None if self.shown is None else crypto.X509.from_cryptography(self.shown.certificate)

    def getPeer(self) -> IPv4Address:
        """
        Where it is.
        """
        return IPv4Address("TCP", "192.0.2.1", 40000)


class CandidatesTests(SynchronousTestCase):
    """
    Tests for L{Candidates}.
    """

    def setUp(self) -> None:
        self.cluster = new_cluster_certificate(NOW)
        self.node = new_node_certificate(self.cluster, "node1", NOW)
        self.path = Path(self.mktemp())
        self.candidates = Candidates(self.path, lambda: self.cluster.digest)

    def allowed(self, shown: Credentials | None) -> bool:
        """
        Whether this certificate may call.
        """
        return self.candidates.authorise(Transport(shown)) is not NOT_CANDIDATE

    def test_founding(self) -> None:
        """
        Without a list, or with an empty one, the cluster's own certificate may call and no other.
        """
        for _ in range(2):
            self.assertEqual([self.allowed(self.cluster), self.allowed(self.node)], [True, False])
            self.path.write_text("\n")

    def test_listed(self) -> None:
        """
        With a list only those on it may call; what they are called names their address and certificate.
        """
        self.path.write_text(f"uuid={self.node.digest}\n")
        self.assertEqual([self.allowed(self.cluster), self.allowed(self.node)], [False, True])
        name = self.candidates.authorise(Transport(self.node))
        self.assertEqual(name, f"192.0.2.1 {self.node.digest}")

    def test_changed(self) -> None:
        """
        A change of the list counts from the next request on.
        """
        self.path.write_text(f"uuid={self.node.digest}\n")
        self.assertTrue(self.allowed(self.node))
        self.path.write_text(f"uuid={self.cluster.digest}\nuuid2={self.cluster.digest}\n")
        self.assertFalse(self.allowed(self.node))

    def test_two_of_a_node(self) -> None:
        """
        While a node's certificate is being replaced, its old and its new one may call.
        """
        new = new_node_certificate(self.cluster, "node1", NOW)
        self.path.write_text(f"uuid={self.node.digest}\nuuid={new.digest}\n")
        self.assertEqual([self.allowed(self.node), self.allowed(new)], [True, True])

    def test_no_certificate(self) -> None:
        """
        Whoever shows no certificate may not call.
        """
        self.assertFalse(self.allowed(None))

    def test_unreadable(self) -> None:
        """
        While the list cannot be read, nobody may call.
        """
        self.path.mkdir()
        self.assertFalse(self.allowed(self.cluster))
