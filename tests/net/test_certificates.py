"""
Tests for L{gnttwist.net.certificates}.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.net import certificates
from gnttwist.net.certificates import BadCertificate, Credentials

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


class CertificateTests(SynchronousTestCase):
    """
    Tests for making and reading certificates.
    """

    def test_cluster(self) -> None:
        """
        The cluster's certificate has a P-256 key, Ganeti's name, and is an authority.
        """
        made = certificates.new_cluster_certificate(NOW)
        self.assertIsInstance(made.key, ec.EllipticCurvePrivateKey)
        self.assertEqual(made.certificate.subject.rfc4514_string(), "CN=ganeti.example.com")
        constraints = made.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        self.assertTrue(constraints.value.ca)
        made.certificate.verify_directly_issued_by(made.certificate)

    def test_node(self) -> None:
        """
        A node's certificate has its name, is signed by the cluster's and is no authority.
        """
        cluster = certificates.new_cluster_certificate(NOW)
        made = certificates.new_node_certificate(cluster, "node1.example.com", NOW)
        self.assertEqual(made.certificate.subject.rfc4514_string(), "CN=node1.example.com")
        made.certificate.verify_directly_issued_by(cluster.certificate)
        constraints = made.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        self.assertFalse(constraints.value.ca)

    def test_validity(self) -> None:
        """
        Certificates hold for five years, and already for nodes whose clocks are a little behind.
        """
        made = certificates.new_cluster_certificate(NOW).certificate
        self.assertEqual(made.not_valid_after_utc, NOW + timedelta(days=5 * 365))
        self.assertLess(made.not_valid_before_utc, NOW)

    def test_rsa(self) -> None:
        """
        RSA keys are made where they are asked for.
        """
        made = certificates.new_cluster_certificate(NOW, rsa_key=True)
        assert isinstance(made.key, rsa.RSAPrivateKey)
        self.assertEqual(made.key.key_size, 2048)

    def test_round_trip(self) -> None:
        """
        The file holds the key, then the certificate, and is read back as it was.
        """
        made = certificates.new_cluster_certificate(NOW)
        pem = made.pem()
        self.assertLess(pem.index(b"PRIVATE KEY"), pem.index(b"CERTIFICATE"))
        read = Credentials.from_pem(pem)
        self.assertEqual((read.digest, read.pem()), (made.digest, pem))

    def test_digest(self) -> None:
        """
        A certificate's digest is twenty upper-case pairs with colons between.
        """
        self.assertRegex(
            certificates.new_cluster_certificate(NOW).digest, r"\A([0-9A-F]{2}:){19}[0-9A-F]{2}\Z"
        )

    def test_bad(self) -> None:
        """
        Files that hold something else are refused without quoting them.
        """
        one, two = (certificates.new_cluster_certificate(NOW).pem() for _ in range(2))
        mixed = one[: one.index(b"-----BEGIN CERT")] + two[two.index(b"-----BEGIN CERT") :]
        for pem in (b"", b"secret", one.replace(b"CERTIFICATE", b"OTHER"), mixed):
            error = self.assertRaises(BadCertificate, Credentials.from_pem, pem)
            self.assertNotIn("secret", str(error))

    def test_secret(self) -> None:
        """
        Secrets are a line of hexadecimal, and no two are the same.
        """
        one, two = certificates.new_secret(), certificates.new_secret()
        self.assertRegex(one, rb"\A[0-9a-f]{40}\n\Z")
        self.assertNotEqual(one, two)


class WriteTests(SynchronousTestCase):
    """
    Tests for L{certificates.write}.
    """

    def test_mode(self) -> None:
        """
        A file appears with its content and mode, its directory with it, and nothing else is left.
        """
        path = Path(self.mktemp()) / "lib" / "server.pem"
        certificates.write(path, b"one", certificates.PEM_MODE)
        certificates.write(path, b"two", certificates.PEM_MODE)
        self.assertEqual(path.read_bytes(), b"two")
        self.assertEqual(path.stat().st_mode & 0o777, 0o440)
        self.assertEqual([each.name for each in path.parent.iterdir()], ["server.pem"])

    def test_failure(self) -> None:
        """
        A file that cannot be put in place leaves nothing behind.
        """
        path = Path(self.mktemp()) / "server.pem"
        path.mkdir(parents=True)
        (path / "child").touch()
        self.assertRaises(OSError, certificates.write, path, b"one", 0o440)
        self.assertEqual([each.name for each in path.parent.iterdir()], ["server.pem"])
