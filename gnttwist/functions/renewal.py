"""
Functions that make new keys and certificates. Secrets are made where they are used, and never travel in a call's
arguments or result: what is shared is brought to the other nodes by the master, as it has it.

Each can be repeated, and goes on from wherever an earlier attempt ended.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnttwist.functions import files, uploads
from gnttwist.functions.leaving import is_master
from gnttwist.functions.registry import Context, FunctionError, function

if TYPE_CHECKING:
    from gnttwist.net.certificates import Credentials

NEXT = ".next"
"""
What a key that was made and is not in use yet is called in addition.
"""

NEXT_MODE = 0o400

SECRETS = ("hmac.key", "cluster-domain-secret")
CERTIFICATES = ("rapi.pem", "spice.pem")
AUTHORITY = "spice-ca.pem"
"""
What is made anew at once: random secrets, and certificates that sign themselves. The last is the one of C{spice.pem}
alone, for clients.
"""


@function("renew_secret")
def renew_secret(context: Context, name: Any, rsa: Any) -> None:
    """
    Make one of the cluster's shared secrets or certificates anew, on the master.

    @param name: The file's, of L{SECRETS} and L{CERTIFICATES}.
    @param rsa: Whether a certificate's key is an RSA key.
    """
    from gnttwist.net import certificates

    _only_master(context)
    if name in SECRETS:
        _write(context, context.paths.data / name, certificates.new_secret())
    elif name in CERTIFICATES:
        made = certificates.new_self_signed(_cluster_name(context), datetime.now(UTC), rsa_key=rsa)
        _write(context, context.paths.data / name, made.pem())
        if name == "spice.pem":
            _write(context, context.paths.data / AUTHORITY, made.certificate_pem())
    else:
        raise FunctionError(f"{name!r:.60} is not made anew; there are {', '.join(SECRETS + CERTIFICATES)}")


@function("cluster_certificate")
def cluster_certificate(context: Context, step: Any, rsa: Any) -> str:
    """
    Take a step of replacing the cluster's certificate, C{server.pem}, on the master.

    C{begin} makes the next one, and lets what it has signed be accepted. C{switch} uses it, and lets what the one
    before has signed be accepted. C{finish} forgets the one before. Between two steps all nodes must have come to
    have what the first left.

    @param rsa: Whether the next one's key is an RSA key.
    @return: The digest of the certificate that is in use.
    """
    from attrs import evolve

    from gnttwist.net import certificates

    _only_master(context)
    current = _read(context, context.paths.server_pem)
    staged = context.paths.data / f"server.pem{NEXT}"
    if staged.exists() and _is_past(_read(context, staged), current):
        staged.unlink()
    if step == "begin":
        # With others and nothing staged, an earlier attempt had switched: it only has to be finished.
        if not staged.exists() and not current.others:
            _stage(staged, certificates.new_cluster_certificate(datetime.now(UTC), rsa_key=rsa))
        if staged.exists():
            coming = _read(context, staged)
            current = evolve(current, others=(coming.certificate,))
    elif step == "switch":
        if staged.exists():
            current = evolve(_read(context, staged), others=(current.certificate,))
    elif step == "finish":
        current = evolve(current, others=())
    else:
        raise FunctionError(f"There is no step {step!r:.40}")
    _write(context, context.paths.server_pem, current.pem())
    if step != "begin":
        staged.unlink(missing_ok=True)
    return current.digest


@function("node_certificate")
def node_certificate(context: Context, step: Any, rsa: Any) -> list[str | None]:
    """
    Take a step of replacing this node's certificate, C{client.pem}.

    C{make} makes the next one, signed with the cluster's key; C{use} uses it. In between all nodes must have come to
    know its digest.

    @param rsa: Whether the next one's key is an RSA key.
    @return: The digests of the one in use and of the next one, if there is one.
    """
    from gnttwist.net import certificates

    staged = context.paths.data / f"client.pem{NEXT}"
    if step == "make":
        cluster = _read(context, context.paths.server_pem)
        if not _is_signed(context, staged, cluster):
            made = certificates.new_node_certificate(
                cluster, context.paths.hostname, datetime.now(UTC), rsa_key=rsa
            )
            _stage(staged, made)
    elif step == "use":
        if staged.exists():
            _write(context, context.paths.client_pem, _read(context, staged).pem())
            staged.unlink(missing_ok=True)
    else:
        raise FunctionError(f"There is no step {step!r:.40}")
    coming = _read(context, staged).digest if staged.exists() else None
    return [_read(context, context.paths.client_pem).digest, coming]


def _is_past(staged: "Credentials", current: "Credentials") -> bool:
    """
    Whether a next certificate is in use already, for an attempt was killed in between; or has expired meanwhile.
    """
    return staged.digest == current.digest or staged.certificate.not_valid_after_utc <= datetime.now(UTC)


def _is_signed(context: Context, staged: Path, cluster: "Credentials") -> bool:
    """
    Whether there is a next certificate, and it is good: an attempt of long ago may have left one of another key.
    """
    if not staged.exists():
        return False
    from cryptography.exceptions import InvalidSignature

    try:
        found = _read(context, staged).certificate
        found.verify_directly_issued_by(cluster.certificate)
    except (FunctionError, InvalidSignature, ValueError, TypeError):
        return False
    return found.not_valid_after_utc > datetime.now(UTC)


def _only_master(context: Context) -> None:
    if not is_master(context.paths):
        raise FunctionError("This node is not the master, which alone makes what the cluster shares")


def _cluster_name(context: Context) -> str:
    try:
        return context.paths.ssconf("cluster_name").read_text().strip()
    except OSError as reason:
        raise FunctionError(f"The cluster's name cannot be read: {reason.strerror}") from reason


def _read(context: Context, path: Path) -> "Credentials":
    from gnttwist.net.certificates import BadCertificate, Credentials

    try:
        return Credentials.from_pem(path.read_bytes())
    except (BadCertificate, OSError) as reason:
        raise FunctionError(f"{context.paths.canonical(path)} cannot be used: {reason}") from reason


def _stage(path: Path, made: "Credentials") -> None:
    try:
        files.replace(path, made.pem(), mode=NEXT_MODE)
    except OSError as reason:
        raise FunctionError(f"{path.name} cannot be written: {reason.strerror}") from reason


def _write(context: Context, path: Path, data: bytes) -> None:
    try:
        if not path.exists() or path.read_bytes() != data:
            files.replace(
                path, data, mode=uploads.mode_of(context, path), owner=uploads.owner_of(context, path)
            )
    except OSError as reason:
        raise FunctionError(
            f"{context.paths.canonical(path)} cannot be written: {reason.strerror}"
        ) from reason
