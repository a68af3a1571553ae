"""
Functions that make the keys of one transfer of a disk between clusters or nodes, and remove them afterwards.
"""

import os
import re
import secrets
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gnttwist.functions import files
from gnttwist.functions.arguments import seconds
from gnttwist.functions.registry import Context, FunctionError, function

MAX_VALIDITY = 7 * 86400.0
"""
Seconds that such a certificate may hold: Ganeti's.
"""

SKEW = timedelta(minutes=5)
"""
It begins to hold this long ago, for peers whose clocks are behind.
"""

MOST_KEYS = 1000
"""
Keys on a node, at most: each disk's transfer has one, and removes it. They are in memory.
"""

NAME = re.compile(r"x509-[0-9]{14}-[0-9a-f]{16}")
KEY, CERTIFICATE = "key", "cert"


@function("x509_cert_create")
def x509_cert_create(context: Context, validity: Any) -> list[str]:
    """
    Make a key and its self-signed certificate.

    @param validity: Seconds.
    @return: The name by which the key is found, and the certificate in PEM form.
    """
    # Here, and not above: 10 MB that every function process would have to copy.
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    now = datetime.now(UTC)
    until = now + timedelta(seconds=seconds(validity, "validity", MAX_VALIDITY))
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, context.paths.hostname[:64])])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(until)
        # The other side takes it for its authority.
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    certificate = made.public_bytes(Encoding.PEM)
    name = f"x509-{now:%Y%m%d%H%M%S}-{secrets.token_hex(8)}"
    every = _directory(context)
    if len(os.listdir(every)) >= MOST_KEYS:
        raise FunctionError(
            f"{context.paths.canonical(every)} holds {MOST_KEYS} keys, the most that may be: remove old ones"
        )
    directory = every / name
    directory.mkdir(mode=0o700)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    files.replace(directory / KEY, private, mode=0o400)
    files.replace(directory / CERTIFICATE, certificate, mode=0o400)
    return [name, certificate.decode()]


@function("x509_cert_remove")
def x509_cert_remove(context: Context, name: Any) -> None:
    """
    Remove a key and its certificate; that they are gone already is no error, for an answer may have been lost.

    @param name: What L{x509_cert_create} has returned.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise FunctionError(f"Invalid name of a certificate: {name!r}")
    directory = _directory(context) / name
    if directory.is_symlink():
        raise FunctionError(f"{directory} is a symbolic link")
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return
    except OSError as reason:
        raise FunctionError(f"{directory} cannot be removed: {reason.strerror}") from reason


def _directory(context: Context) -> Path:
    directory = context.paths.run / "crypto"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chmod(directory, 0o700)
    return directory
