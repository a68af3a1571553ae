"""
A cluster's keys, certificates and secrets: made here, and written with the names' usual modes.

Making and reading are pure; L{write} is the only part that touches the disk.
"""

import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from gnttwist.errors import GnttwistError

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

CLUSTER_NAME = "ganeti.example.com"
"""
The common name of every cluster's own certificate: Ganeti's constant, which is not the cluster's name.
"""

VALIDITY = timedelta(days=5 * 365)
"""
How long certificates are good for: Ganeti's five years.
"""

SKEW = timedelta(hours=1)
"""
Certificates begin to be valid this long before they are made, for nodes whose clocks are behind.
"""

RSA_BITS = 2048

PEM_MODE = 0o440
KEY_MODE = 0o440
SECRET_MODE = 0o640
"""
Ganeti's modes of server.pem and client.pem, of hmac.key, and of cluster-domain-secret.
"""


class BadCertificate(GnttwistError):
    """
    A file does not hold a private key and its certificate, in PEM.
    """


@frozen
class Credentials:
    """
    A private key and its certificate.

    @ivar others: Further certificates of the file. In server.pem, while the cluster's certificate is being
        replaced, the one that comes next or was before: what they have signed is accepted too.
    """

    key: PrivateKey
    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...] = ()

    @classmethod
    def from_pem(cls, pem: bytes) -> "Credentials":
        """
        Read a key and a certificate, in this or the other order.

        @raise BadCertificate: C{pem} holds something else.
        """
        try:
            key = load_pem_private_key(pem, None)
            certificate, *others = x509.load_pem_x509_certificates(pem)
        except (ValueError, TypeError) as reason:
            # The reason may quote the input, which holds a private key.
            raise BadCertificate("not a private key and a certificate in PEM form") from reason
        if not isinstance(key, PrivateKey):
            raise BadCertificate("the private key is neither RSA nor of an elliptic curve")
        if key.public_key() != certificate.public_key():
            raise BadCertificate("the private key and the certificate do not belong together")
        return cls(key, certificate, tuple(others))

    @property
    def digest(self) -> str:
        """
        The certificate's digest, as ssconf lists it.
        """
        return digest(self.certificate)

    @property
    def is_rsa(self) -> bool:
        """
        Whether the key is an RSA key.
        """
        return isinstance(self.key, rsa.RSAPrivateKey)

    def der(self) -> bytes:
        """
        The certificate in DER form.
        """
        return self.certificate.public_bytes(Encoding.DER)

    def certificate_pem(self) -> bytes:
        """
        The certificate alone, in PEM form.
        """
        return self.certificate.public_bytes(Encoding.PEM)

    def pem(self) -> bytes:
        """
        The file's content: the key, then the certificate, then others.
        """
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + b"".join(each.public_bytes(Encoding.PEM) for each in (self.certificate, *self.others))


def digest(certificate: x509.Certificate) -> str:
    """
    Ganeti's name for a certificate: SHA-1 in upper-case hexadecimal with colons. It identifies; its strength is
    that the chain to the cluster's own certificate was verified, too.
    """
    return certificate.fingerprint(SHA1()).hex(":").upper()


def new_cluster_certificate(now: datetime, *, rsa_key: bool = False) -> Credentials:
    """
    What server.pem holds: self-signed, and the authority of all nodes' certificates.

    @param now: An aware time.
    @param rsa_key: Make an RSA key, for clients that know no elliptic curves. A handshake costs twice as much.
    """
    key = _new_key(rsa_key)
    name = _name(CLUSTER_NAME)
    builder = _builder(name, name, key, CLUSTER_NAME, now, authority=True)
    builder = builder.add_extension(_identifier(key), critical=False)
    return Credentials(key, builder.sign(key, SHA256()))


def new_self_signed(host: str, now: datetime, *, rsa_key: bool = False) -> Credentials:
    """
    What rapi.pem and spice.pem hold: a certificate for clients that are not nodes.

    @param host: The name that they call.
    """
    key = _new_key(rsa_key)
    builder = _builder(_name(host), _name(host), key, host, now, authority=True)
    return Credentials(key, builder.sign(key, SHA256()))


def new_node_certificate(
    cluster: Credentials, node: str, now: datetime, *, rsa_key: bool = False
) -> Credentials:
    """
    What a node's client.pem holds: its name, signed with the cluster's key.
    """
    key = _new_key(rsa_key)
    builder = _builder(cluster.certificate.subject, _name(node), key, node, now, authority=False)
    # All clusters' certificates have one name: by this, one of two that are trusted together is found.
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(_identifier(cluster.key))
    builder = builder.add_extension(issuer, critical=False)
    return Credentials(key, builder.sign(cluster.key, SHA256()))


def new_secret() -> bytes:
    """
    The content of hmac.key and cluster-domain-secret: 160 random bits in hexadecimal and a newline, which counts.
    """
    return secrets.token_hex(20).encode() + b"\n"


def write(path: Path, data: bytes, mode: int) -> None:
    """
    Put a file in place atomically and durably; nobody ever sees half of it, or a key with a wider mode.

    @raise OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        temporary.rename(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _new_key(rsa_key: bool) -> PrivateKey:
    if rsa_key:
        return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return ec.generate_private_key(ec.SECP256R1())


def _identifier(key: PrivateKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    issuer: x509.Name, subject: x509.Name, key: PrivateKey, host: str, now: datetime, *, authority: bool
) -> x509.CertificateBuilder:
    now = now.astimezone(UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + VALIDITY)
        # Clients use the cluster's certificate as their authority, and strict ones insist that it is one.
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    )
