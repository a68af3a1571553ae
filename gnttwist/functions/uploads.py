"""
Files that the master gives to nodes: the configuration, shared secrets, and the simple configuration values.
"""

import base64
import binascii
import os
import pwd
import stat
import zlib
from grp import getgrnam
from pathlib import Path
from typing import Any

from gnttwist.functions import arguments, files
from gnttwist.functions.registry import Context, FunctionError, function
from gnttwist.privileges.accounts import BadUsers, load
from gnttwist.privileges.rules import RULES, rule_of

ALLOWED = frozenset(
    {
        "/var/lib/ganeti/config.data",
        "/etc/hosts",
        "/var/lib/ganeti/known_hosts",
        "/etc/ganeti/vnc-cluster-password",
        "/var/lib/ganeti/rapi.pem",
        "/var/lib/ganeti/spice.pem",
        "/var/lib/ganeti/spice-ca.pem",
        "/var/lib/ganeti/rapi/users",
        "/var/lib/ganeti/hmac.key",
        "/var/lib/ganeti/cluster-domain-secret",
        "/etc/ganeti/kvm-vif-bridge",
    }
)
"""
The only files that may be uploaded (reference: node daemon RPC, section 4.5), as paths without the root.
"""

UPLOAD_LIMIT = 256 << 20
"""
Most bytes of a file: twice the configuration of ten thousand instances with all that they can have.
"""

SSCONF_KEYS = frozenset(
    {
        "cluster_name",
        "cluster_tags",
        "enabled_user_shutdown",
        "file_storage_dir",
        "gluster_storage_dir",
        "hvparams_chroot",
        "hvparams_fake",
        "hvparams_kvm",
        "hvparams_lxc",
        "hvparams_xen-hvm",
        "hvparams_xen-pvm",
        "hypervisor_list",
        "instance_list",
        "maintain_node_health",
        "master_candidates",
        "master_candidates_certs",
        "master_candidates_ips",
        "master_ip",
        "master_netdev",
        "master_netmask",
        "master_node",
        "networks",
        "node_list",
        "node_primary_ips",
        "node_secondary_ips",
        "node_vm_capable",
        "nodegroups",
        "offline_nodes",
        "online_nodes",
        "primary_ip_family",
        "release_version",
        "shared_file_storage_dir",
        "ssh_ports",
        "uid_pool",
    }
)
"""
Names of simple configuration values (reference: configuration, section 7.10).
"""

SSCONF_LIMIT = 128 << 10
"""
Most bytes of a simple configuration value: Ganeti's readers refuse more.
"""

SSCONF_LOCK_WAIT = 10.0
"""
Seconds to wait for other writers of simple configuration values, as in Ganeti.
"""


@function("upload_file")
def upload_file(context: Context, file: Any) -> None:
    """
    Replace one of the allowed files at once.

    Owner and group are names of this machine, and not looked at on a node of a virtual cluster (one with a root).
    Where none is given, or looked at, they are as this node's table of files has them.

    @param file: C{[path, content, mode, owner, group, atime, mtime]}; the content is plain or compressed as
        L{unpack} has it; owner and group may be null.
    """
    path, content, mode, owner, group, atime, mtime = arguments.shaped(
        tuple[str, Any, int, str | None, str | None, float, float], file, "file"
    )
    path = arguments.canonical(path)
    if path not in ALLOWED:
        raise FunctionError(f"Filename passed to upload_file not acceptable: {path!r}")
    # Masters send what stat(2) says of their own file, its type included.
    if mode & ~0o777 not in (0, stat.S_IFREG):
        raise FunctionError(f"Invalid file mode: {mode}")
    data = unpack(content)
    target = context.paths.real(path)
    ids = _ids(context, target, owner, group)
    try:
        _make_directory(context, target.parent)
        files.replace(target, data, mode=mode & 0o777, owner=ids)
        os.utime(target, (atime, mtime), follow_symlinks=False)
    except (OSError, OverflowError) as reason:
        raise FunctionError(f"Cannot write {path}: {reason}") from reason


@function("install_certificate")
def install_certificate(context: Context, pem: Any) -> None:
    """
    Replace the cluster's key and certificate, C{server.pem}, at once. Connections that exist go on.

    @param pem: A key and its certificate, perhaps with the certificates that come next or were before.
    """
    data = arguments.text(pem, "certificate").encode()
    _check_certificate(data)
    target = context.paths.server_pem
    try:
        if _differs(target, data):
            files.replace(target, data, mode=0o440, owner=owner_of(context, target))
    except OSError as reason:
        raise FunctionError(f"Cannot write {context.paths.canonical(target)}: {reason}") from reason


def _check_certificate(data: bytes) -> None:
    """
    @raise FunctionError: This is not a key and its certificate: with it, nobody could call this node any more.
    """
    # Here, and not above: 10 MB that every function process would have to copy.
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(data, None)
        certificate, *_ = x509.load_pem_x509_certificates(data)
    except (ValueError, TypeError) as reason:
        # The reason may quote the key.
        raise FunctionError("This is not a private key and a certificate in PEM form") from reason
    if key.public_key() != certificate.public_key():
        raise FunctionError("The private key and the certificate do not belong together")


def _make_directory(context: Context, directory: Path) -> None:
    """
    Make the directory of a file where it is missing, as this node's table has it.
    """
    if directory.exists():
        return
    accounts = load(context.paths)
    for rule in RULES:
        if rule.files is None and rule.tree(context.paths) / rule.below == directory:
            directory.mkdir(mode=rule.mode)
            if accounts.separate:
                os.chown(directory, accounts.uid(rule.owner), accounts.gid(rule.group))


def unpack(content: object) -> bytes:
    """
    Content as calls carry it: C{[0, text]}, or C{[1, base64 of zlib data]}.

    @raise FunctionError: It is neither, or larger than L{UPLOAD_LIMIT}.
    """
    match content:
        case [0, str(text)]:
            data = text.encode("utf-8", "surrogateescape")
        case [1, str(text)]:
            try:
                packed = base64.b64decode(text, validate=True)
                stream = zlib.decompressobj()
                data = stream.decompress(packed, UPLOAD_LIMIT + 1)
            except (binascii.Error, zlib.error, ValueError) as reason:
                raise FunctionError(f"The content is not compressed as announced: {reason}") from reason
            if not stream.eof and len(data) <= UPLOAD_LIMIT:
                raise FunctionError("The compressed content is cut short")
        case _:
            raise FunctionError("The content must be [0, text] or [1, base64 of zlib data]")
    if len(data) > UPLOAD_LIMIT:
        raise FunctionError(f"The content is larger than {UPLOAD_LIMIT >> 20} MiB")
    return data


def _ids(context: Context, target: Path, owner: str | None, group: str | None) -> tuple[int, int] | None:
    """
    Whose an uploaded file is; C{None} leaves it to whoever writes it.
    """
    named = (_user(owner), _group(group)) if context.paths.root == Path("/") else (-1, -1)
    try:
        accounts = load(context.paths)
    except BadUsers as reason:
        raise FunctionError(str(reason)) from reason
    rule = rule_of(context.paths, target)
    if not accounts.separate or rule is None:
        return None if named == (-1, -1) else named
    wanted = (accounts.uid(rule.owner), accounts.gid(rule.group))
    return (wanted[0] if named[0] < 0 else named[0], wanted[1] if named[1] < 0 else named[1])


def owner_of(context: Context, target: Path) -> tuple[int, int] | None:
    """
    Whose a file of this node's table is; C{None} where everything belongs to whoever writes it.
    """
    return _ids(context, target, None, None)


def mode_of(context: Context, target: Path) -> int:
    """
    The mode of a file of this node's table; where it is not there, only its owner may read it.
    """
    rule = rule_of(context.paths, target)
    return 0o400 if rule is None else rule.mode


def _user(name: str | None) -> int:
    """
    A user's id; -1 leaves the owner alone.
    """
    try:
        return -1 if name is None else pwd.getpwnam(name).pw_uid
    except KeyError as reason:
        raise FunctionError(f"There is no user {name!r} on this node") from reason


def _group(name: str | None) -> int:
    try:
        return -1 if name is None else getgrnam(name).gr_gid
    except KeyError as reason:
        raise FunctionError(f"There is no group {name!r} on this node") from reason


@function("write_ssconf_files")
def write_ssconf_files(context: Context, values: Any) -> None:
    """
    Replace simple configuration values, each at once, under the lock that their writers share.

    @param values: Texts, or lists of lines, by name.
    """
    wanted = arguments.shaped(dict[str, str | list[str]], values, "simple configuration values")
    if unknown := sorted(set(wanted) - SSCONF_KEYS):
        raise FunctionError(f"Unknown simple configuration values: {', '.join(unknown)}")
    contents = {name: _ssconf(name, value) for name, value in wanted.items()}
    try:
        with files.locked(context.paths.lock / "ganeti-ssconf.lock", SSCONF_LOCK_WAIT):
            for name, content in contents.items():
                path = context.paths.ssconf(name)
                if _differs(path, content):
                    files.replace(path, content, mode=0o444)
    except OSError as reason:
        raise FunctionError(f"Cannot write simple configuration values: {reason}") from reason


def _ssconf(name: str, value: str | list[str]) -> bytes:
    lines = value if isinstance(value, list) else [value] if value else []
    content = "".join(line.rstrip("\n") + "\n" for line in lines).encode("utf-8", "surrogateescape")
    if len(content) > SSCONF_LIMIT:
        raise FunctionError(f"Simple configuration value {name} is longer than {SSCONF_LIMIT >> 10} KiB")
    return content


def _differs(path: Path, content: bytes) -> bool:
    """
    Whether writing would change anything: the directory need not be made durable for nothing.
    """
    try:
        return path.read_bytes() != content
    except FileNotFoundError:
        return True
