"""
Loopback addresses that nobody uses, so that every node has its own and ports can be Ganeti's.
"""

import errno
import socket
from collections.abc import Iterable, Iterator
from hashlib import sha256
from ipaddress import AddressValueError, IPv4Address
from itertools import islice
from pathlib import Path

from gnttwist.sandbox.layout import SandboxError

NODED_PORT = 1811
CONFD_PORT = 1814

ATTEMPTS = 64
"""
Networks looked at before giving up; with a thousand sandboxes on a machine, most are free.
"""


def networks(directory: Path) -> Iterator[str]:
    """
    Networks C{127.x.y} to try, in an order that depends on the directory: a sandbox made again gets its old one.
    """
    number = int.from_bytes(sha256(bytes(directory)).digest()[:4], "big")
    while True:
        # 127.0.y is where machines' own services are.
        yield f"127.{1 + (number >> 8) % 254}.{number % 256}"
        number += 257


def choose(directory: Path, nodes: int) -> str:
    """
    A network whose first C{nodes} addresses are free.

    @raise SandboxError: None was found.
    """
    for network in islice(networks(directory), ATTEMPTS):
        if taken(f"{network}.{n}" for n in range(1, nodes + 1)) is None:
            return network
    raise SandboxError(f"no free loopback addresses for {nodes} nodes; name a network with --network 127.X.Y")


def check(network: str, nodes: int) -> str:
    """
    A network that the user asks for.

    @raise SandboxError: It is not a loopback network of three numbers, or one of its addresses is taken.
    """
    try:
        good = IPv4Address(f"{network}.1").is_loopback
    except AddressValueError:
        good = False
    if not good:
        raise SandboxError(f"--network {network}: must be the first three numbers of addresses, 127.X.Y")
    found = taken(f"{network}.{n}" for n in range(1, nodes + 1))
    if found is not None:
        raise SandboxError(f"address {found} is taken: another sandbox or daemon uses it")
    return network


def taken(addresses: Iterable[str]) -> str | None:
    """
    The first address and port that is in use, if any is.
    """
    for address in addresses:
        for kind, port in ((socket.SOCK_STREAM, NODED_PORT), (socket.SOCK_DGRAM, CONFD_PORT)):
            with socket.socket(socket.AF_INET, kind) as probe:
                if kind is socket.SOCK_STREAM:
                    # As the daemon will: connections in TIME_WAIT do not count.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((address, port))
                except OSError as reason:
                    if reason.errno != errno.EADDRINUSE:
                        raise SandboxError(f"cannot use {address}: {reason.strerror}") from reason
                    return f"{address}:{port}"
    return None
