"""
The addresses of the machine's network interfaces, as the kernel tells them.
"""

import fcntl
import socket
import struct
from array import array
from ipaddress import IPv6Address
from pathlib import Path

from gnttwist.errors import GnttwistError

SIOCGIFCONF = 0x8912
"""
Asks for all interfaces' IPv4 addresses (netdevice(7)).
"""

ENTRY = struct.Struct("16s 4x 4s 16x")
"""
One C{struct ifreq} of 64-bit Linux: the name, then a C{sockaddr_in} whose address is at its fourth byte.
"""

MOST = 1024
"""
Addresses that are asked for: more than machines have.
"""

IPV6_TABLE = Path("/proc/net/if_inet6")
LINK_LOCAL = 0x20


class UnknownInterface(GnttwistError):
    """
    No interface has this name, or it has no address that can be listened on.
    """


def addresses_of(name: str) -> tuple[str, ...]:
    """
    An interface's IPv4 addresses, those of its aliases too, and its IPv6 addresses but for link-local ones, which
    no other node could call without naming its own interface.

    @raise UnknownInterface: There is none, or it has no address.
    """
    try:
        socket.if_nametoindex(name)
    except OSError as reason:
        raise UnknownInterface(f"there is no interface {name}") from reason
    found = (*_ipv4(name), *_ipv6(name))
    if not found:
        raise UnknownInterface(f"the interface {name} has no address")
    return found


def _ipv4(name: str) -> tuple[str, ...]:
    buffer = array("B", bytes(MOST * ENTRY.size))
    address, size = buffer.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        # The kernel writes to where the buffer is, and how much it wrote into the answer.
        answer = fcntl.ioctl(asking, SIOCGIFCONF, struct.pack("iL", size, address))
    size, _ = struct.unpack("iL", answer)
    return tuple(
        socket.inet_ntoa(packed)
        for label, packed in ENTRY.iter_unpack(buffer[:size].tobytes())
        if label.rstrip(b"\0").partition(b":")[0] == name.encode()
    )


def _ipv6(name: str) -> tuple[str, ...]:
    try:
        lines = IPV6_TABLE.read_text().splitlines()
    except FileNotFoundError:
        # A kernel without IPv6.
        return ()
    fields = (line.split() for line in lines)
    return tuple(
        str(IPv6Address(bytes.fromhex(address)))
        for address, _, _, scope, _, owner in fields
        if owner == name and int(scope, 16) != LINK_LOCAL
    )
