"""
Where a daemon listens: what C{--bind} means, and the address that the cluster knows a node by.
"""

from ipaddress import ip_address

from twisted.python.usage import UsageError

from gnttwist.net.interfaces import UnknownInterface, addresses_of
from gnttwist.paths import Paths
from gnttwist.wire.ssconf import address_of


def addresses(place: str) -> tuple[str, ...]:
    """
    The addresses that C{--bind} names: an address, or an interface for all of its addresses.

    @raise UsageError: It is neither.
    """
    try:
        return (str(ip_address(place)),)
    except ValueError:
        pass
    try:
        return addresses_of(place)
    except UnknownInterface as reason:
        raise UsageError(f"--bind {place}: neither an address nor an interface: {reason}") from reason


def own_address(paths: Paths) -> str:
    """
    The primary address that the cluster knows this node by.

    @raise UsageError: It knows none.
    """
    try:
        found = address_of(paths.hostname, paths.ssconf("node_primary_ips").read_text())
    except OSError as reason:
        raise UsageError(f"not part of a cluster yet ({reason}); name an address with --bind") from reason
    if found is None:
        raise UsageError(f"the cluster knows no node {paths.hostname}; name an address with --bind")
    return found
