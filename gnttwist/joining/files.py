"""
The files that make a machine one of the cluster's: read on the master, written on the machine.
"""

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from gnttwist.config.files import write_ssconf
from gnttwist.errors import GnttwistError
from gnttwist.net import certificates
from gnttwist.net.certificates import BadCertificate, Credentials
from gnttwist.paths import Paths
from gnttwist.privileges.accounts import load
from gnttwist.privileges.ensure import ensure
from gnttwist.wire.join import Package
from gnttwist.wire.ssconf import lines

NEEDED = ("server.pem", "hmac.key", "cluster-domain-secret")
OPTIONAL = ("rapi.pem", "rapi/users", "spice.pem", "spice-ca.pem")
"""
Below the data directory: what every node has, and what it has where the cluster has it.
"""

MODE = 0o440
"""
Of all of them, until the node's table of files sets them right.
"""

ADDRESSES, MEMBERS, CLUSTER = "node_primary_ips", "node_list", "cluster_name"
"""
Simple configuration values: C{name address} of all nodes, their names, the cluster's name.
"""

PREFIX = "ssconf_"
KEY = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class NotPossible(GnttwistError):
    """
    This machine cannot give or take a package, as its text says.
    """


def collect(paths: Paths, node: str, address: str) -> Package:
    """
    The package for a new node, from the master's own files.

    @param address: Where the new node's daemons will listen.
    @raise NotPossible: The cluster's certificate is being made anew.
    @raise OSError: A file that every node has cannot be read.
    """
    files = {name: (paths.data / name).read_bytes() for name in NEEDED}
    if Credentials.from_pem(files["server.pem"]).others:
        # What the machine would sign its certificate with is about to be forgotten.
        raise NotPossible(
            "the cluster's certificate is being made anew; try again when that is done. If it was interrupted, "
            "gnt cluster renew-certs --new-cluster-certificate finishes it"
        )
    for name in OPTIONAL:
        if (paths.data / name).exists():
            files[name] = (paths.data / name).read_bytes()
    ssconf = {
        each.name.removeprefix(PREFIX): each.read_text(errors="surrogateescape")
        for each in sorted(paths.data.glob(f"{PREFIX}*"))
    }
    known = [each for each in lines(ssconf.get(ADDRESSES, "")) if each.split(" ")[0] != node]
    # Its daemons look here for their own address, before the cluster has told it to anybody.
    ssconf[ADDRESSES] = "".join(f"{each}\n" for each in (*known, f"{node} {address}"))
    return Package(ssconf.get(CLUSTER, "").strip(), node, files, ssconf)


def membership(paths: Paths) -> str | None:
    """
    The name of the cluster that this machine is a node of. What an interrupted join left does not count.
    """
    if paths.store.exists():
        return _first_line(paths.ssconf(CLUSTER)) or "a cluster of which it is the master"
    try:
        members = lines(paths.ssconf(MEMBERS).read_text())
    except FileNotFoundError:
        return None
    return _first_line(paths.ssconf(CLUSTER)) if paths.hostname in members else None


def _first_line(path: Path) -> str:
    try:
        return path.read_text().partition("\n")[0]
    except FileNotFoundError:
        return ""


def install(paths: Paths, package: Package, now: datetime | None = None) -> str:
    """
    Write a package's files, and make this node's own certificate. An attempt that was interrupted can be repeated.

    @return: The digest of the certificate.
    @raise NotPossible: The package is for another machine, or is not whole; nothing was written.
    @raise OSError: Something cannot be written.
    """
    if package.node != paths.hostname:
        raise NotPossible(f"this machine is {paths.hostname}, not {package.node}")
    _check(package.files, package.ssconf)
    try:
        cluster = Credentials.from_pem(package.files["server.pem"])
    except BadCertificate as reason:
        raise NotPossible(f"server.pem: {reason}") from reason
    for each in (
        paths.data,
        paths.luxi_socket.parent,
        paths.log / "os",
        paths.etc,
        paths.lock,
        paths.srv / "os",
    ):
        each.mkdir(parents=True, exist_ok=True)
    own = certificates.new_node_certificate(
        cluster, package.node, now or datetime.now(UTC), rsa_key=cluster.is_rsa
    )
    certificates.write(paths.client_pem, own.pem(), MODE)
    for name, content in sorted(package.files.items()):
        target = paths.data / name
        if not target.parent.exists():
            os.mkdir(target.parent, 0o750)
        certificates.write(target, content, MODE)
    # Last, for daemons do not start without.
    write_ssconf(paths, {name: lines(text) for name, text in package.ssconf.items()})
    ensure(paths, load(paths), repair=True)
    return own.digest


def _check(files: Mapping[str, bytes], ssconf: Mapping[str, str]) -> None:
    if not all(KEY.fullmatch(each) for each in ssconf):
        raise NotPossible("the package has simple configuration values with names that cannot be")
    if unknown := sorted(set(files) - {*NEEDED, *OPTIONAL}):
        raise NotPossible(f"the package has files that no node takes: {', '.join(unknown)[:200]}")
    if missing := [each for each in NEEDED if not files.get(each)]:
        raise NotPossible(f"the package lacks {', '.join(missing)}")
