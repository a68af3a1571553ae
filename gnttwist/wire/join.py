"""
How a machine joins a cluster without SSH: the one-time code, and what the two sides say. Sans-I/O.

The new machine makes a key, and a code of two parts: what its certificate's digest begins with, and a secret. An
administrator carries the code to the master. The master connects by TLS, and goes on only if the certificate is the
one that the code names; so nobody listens and nobody is in between. Then each side proves that it knows the secret,
the master first. Only then the cluster's keys are sent.

The conversation, messages framed as LUXI's::

    machine  Hello     a number used once
    master   Proof     a number used once, and the master's proof
    machine  Answer    its proof, and its name
    master   Package   keys, certificates and simple configuration values
    machine  Done      the digest of the certificate that it has made itself; or why it did not take them

A proof is an HMAC-SHA256 with the secret as key, over the side, the certificate's digest and both numbers.
"""

import base64
import binascii
import hashlib
import hmac
from typing import TypeVar

import msgspec
from attrs import field, frozen

from gnttwist.errors import GnttwistError, RemoteError
from gnttwist.wire.framing import frame

VERSION = 1

FINGERPRINT_BYTES, SECRET_BYTES, CHECK_BYTES = 16, 16, 3
"""
Of a code. Its digest need not be whole: to make a certificate that begins with the same 128 bits is as hard as to
guess the secret.
"""

GROUP = 4
"""
Characters of a code between two hyphens.
"""

NONCE_BYTES = 32

HANDSHAKE_LIMIT = 4096
"""
Most bytes of a message while the other side has proven nothing.
"""

PACKAGE_LIMIT = 8 << 20
"""
Most bytes of the package: ten keys, and thirty values of 128 KiB at the most.
"""


class BadCode(GnttwistError):
    """
    A code was not copied as it was printed.
    """


@frozen(repr=False)
class Code:
    """
    What the administrator carries from the new machine to the master.

    @ivar fingerprint: The first bytes of the digest (SHA-256) of the machine's certificate.
    """

    fingerprint: bytes
    secret: bytes

    @classmethod
    def of(cls, certificate: bytes, secret: bytes) -> "Code":
        """
        The code for a certificate in DER form.
        """
        return cls(digest(certificate)[:FINGERPRINT_BYTES], secret)

    @classmethod
    def parse(cls, text: str) -> "Code":
        """
        Read a code; hyphens, spaces and case do not matter.

        @raise BadCode: It is none.
        """
        letters = "".join(text.replace("-", " ").split()).upper()
        try:
            raw = base64.b32decode(letters)
        except (binascii.Error, ValueError):
            raw = b""
        content, check = raw[:-CHECK_BYTES], raw[-CHECK_BYTES:]
        if len(content) != FINGERPRINT_BYTES + SECRET_BYTES or check != _check(content):
            raise BadCode("this is not a code that gnt node prepare has printed; copy all of it")
        return cls(content[:FINGERPRINT_BYTES], content[FINGERPRINT_BYTES:])

    def __str__(self) -> str:
        content = self.fingerprint + self.secret
        letters = base64.b32encode(content + _check(content)).decode().lower()
        return "-".join(letters[start : start + GROUP] for start in range(0, len(letters), GROUP))

    def names(self, certificate: bytes) -> bool:
        """
        Whether a certificate in DER form is the one that the code is for.
        """
        return hmac.compare_digest(digest(certificate)[:FINGERPRINT_BYTES], self.fingerprint)


def _check(content: bytes) -> bytes:
    return hashlib.sha256(b"gnt-join-code" + content).digest()[:CHECK_BYTES]


def digest(certificate: bytes) -> bytes:
    """
    The digest of a certificate in DER form that proofs are bound to.
    """
    return hashlib.sha256(certificate).digest()


class Hello(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """
    The machine's first message.
    """

    version: int
    nonce: bytes


class Proof(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """
    That the master knows the code.
    """

    nonce: bytes
    proof: bytes


class Answer(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """
    That the machine has printed it.

    @ivar hostname: What it calls itself.
    """

    proof: bytes
    hostname: str


class Package(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """
    What makes the machine one of the cluster's.

    @ivar files: Contents by name, below the data directory.
    @ivar ssconf: Texts of simple configuration values.
    """

    cluster: str
    node: str
    files: dict[str, bytes]
    ssconf: dict[str, str]

    def __repr__(self) -> str:
        """
        Names only: contents are keys.
        """
        return f"<Package of {self.cluster} for {self.node}: {', '.join(sorted(self.files))}>"


class Done(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """
    What became of the package.

    @ivar certificate: The digest of the machine's new certificate; empty where it took nothing.
    @ivar reason: Why it took nothing.
    """

    certificate: str = ""
    reason: str = ""


Message = Hello | Proof | Answer | Package | Done
M = TypeVar("M", bound=Message)


def encode(message: Message) -> bytes:
    """
    A message as it crosses the wire.
    """
    return frame(msgspec.json.encode(message))


def decode(kind: type[M], data: bytes) -> M:
    """
    Read the message that must come now.

    @raise RemoteError: It is another one, or none.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as reason:
        # The reason may quote the message, which may hold keys.
        raise RemoteError(f"what came is not the message {kind.__name__}") from reason


@frozen(repr=False)
class Conversation:
    """
    The proofs of one connection, the same on both sides.

    @ivar certificate: The digest of the machine's certificate.
    @ivar machine: The machine's number used once; C{master} is the master's.
    """

    secret: bytes = field(repr=False)
    certificate: bytes
    machine: bytes
    master: bytes

    def by_master(self) -> bytes:
        """
        The master's proof.
        """
        return self._proof(b"master")

    def by_machine(self) -> bytes:
        """
        The machine's proof.
        """
        return self._proof(b"machine")

    def _proof(self, side: bytes) -> bytes:
        # Each part has a fixed length, so that no two conversations give the same text.
        text = side.ljust(8, b"\0") + self.certificate + self.machine + self.master
        return hmac.digest(self.secret, text, "sha256")


def checked_nonce(nonce: bytes) -> bytes:
    """
    The other side's number.

    @raise RemoteError: It has the wrong length.
    """
    if len(nonce) != NONCE_BYTES:
        raise RemoteError(f"a number used once has {NONCE_BYTES} bytes")
    return nonce


def proves(found: bytes, wanted: bytes) -> bool:
    """
    Whether a proof is right, in time that does not tell how right.
    """
    return hmac.compare_digest(found, wanted)
