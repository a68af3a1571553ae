"""
Tests for L{gnttwist.functions.transfer_keys}.
"""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gnttwist.functions.registry import FunctionError
from gnttwist.functions.transfer_keys import MOST_KEYS, x509_cert_create, x509_cert_remove
from tests.functions.context import NODE, NodeTestCase


class TransferKeyTests(NodeTestCase):
    """
    Tests for making and removing keys.
    """

    def test_made(self) -> None:
        """
        A key is kept where only its owner can read it, with a certificate of this node that holds as long as asked.
        """
        name, pem = x509_cert_create(self.context, 3600)
        directory = self.context.paths.run / "crypto" / name
        key = load_pem_private_key((directory / "key").read_bytes(), None)
        made = x509.load_pem_x509_certificate(pem.encode())
        self.assertEqual((directory / "cert").read_text(), pem)
        self.assertEqual(made.public_key(), key.public_key())
        self.assertEqual(made.subject.rfc4514_string(), f"CN={NODE}")
        left = made.not_valid_after_utc - datetime.now(UTC)
        self.assertTrue(timedelta(minutes=59) < left <= timedelta(hours=1))
        modes = [each.stat().st_mode & 0o777 for each in (directory, directory / "key", directory.parent)]
        self.assertEqual(modes, [0o700, 0o400, 0o700])

    def test_removed(self) -> None:
        """
        A key is removed by its name, and again without complaint.
        """
        name, _ = x509_cert_create(self.context, 60)
        other, _ = x509_cert_create(self.context, 60)
        for _ in range(2):
            x509_cert_remove(self.context, name)
        self.assertEqual([each.name for each in (self.context.paths.run / "crypto").iterdir()], [other])

    def test_full(self) -> None:
        """
        Nobody fills the node's memory with keys.
        """
        name, _ = x509_cert_create(self.context, 60)
        place = self.context.paths.run / "crypto"
        for number in range(MOST_KEYS - 1):
            (place / f"x509-{number}").mkdir()
        self.assertIn("1000 keys", str(self.assertRaises(FunctionError, x509_cert_create, self.context, 60)))
        x509_cert_remove(self.context, name)
        x509_cert_create(self.context, 60)

    def test_hostile(self) -> None:
        """
        Names that no key has, links, and impossible times are refused.
        """
        for each in (
            "",
            "..",
            "x509-1/..",
            "../socket",
            "/etc",
            None,
            "x509-20300101000000-00112233445566zz",
        ):
            self.assertRaises(FunctionError, x509_cert_remove, self.context, each)
        name = "x509-20300101000000-0011223344556677"
        place = self.context.paths.run / "crypto"
        place.mkdir()
        (place / name).symlink_to(self.context.paths.etc)
        self.assertRaises(FunctionError, x509_cert_remove, self.context, name)
        self.assertTrue(self.context.paths.etc.exists())
        for validity in (-1, "1", True, 8 * 86400, None):
            self.assertRaises(FunctionError, x509_cert_create, self.context, validity)
