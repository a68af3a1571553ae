"""
The addresses of networks: which are given to instances, which are kept from them. Pure.

A network keeps two strings with a character for each address, C{1} for taken: by instances, and by administrators
(reference: configuration, networks).
"""

from ipaddress import IPv4Address, IPv4Network

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.errors import ECode
from gnttwist.model.objects import Network, Nic
from gnttwist.units.values import refuse

LARGEST, SMALLEST = 16, 30
"""
Ganeti's limits for the length of the prefix.
"""


def subnet(text: str) -> IPv4Network:
    """
    A network's range.

    @raise OpPrereqError: It is none, or too large or too small.
    """
    try:
        found = IPv4Network(text)
    except ValueError as reason:
        raise refuse(
            f"network: {text!r:.60} is no range of IPv4 addresses such as 192.0.2.0/24: {reason}"
        ) from reason
    if not LARGEST <= found.prefixlen <= SMALLEST:
        raise refuse(f"network: {text} is /{found.prefixlen}; it can be /{LARGEST} to /{SMALLEST}")
    return found


def address(text: str, what: str) -> IPv4Address:
    """
    An address as users write it.

    @raise OpPrereqError: It is none.
    """
    try:
        return IPv4Address(text)
    except ValueError as reason:
        raise refuse(f"{what}: {text!r:.60} is no IPv4 address") from reason


def empty(network: Network) -> Network:
    """
    A new network with nothing taken but its own first and last address, and its gateway.
    """
    size = subnet(network.network).num_addresses
    free = "0" * size
    made = msgspec.structs.replace(network, reservations=free, ext_reservations=f"1{free[2:]}1")
    return made if network.gateway is None else keep(made, network.gateway)


def contains(network: Network, text: str | None) -> bool:
    """
    Whether an address is of the network's range.
    """
    return text is not None and IPv4Address(text) in IPv4Network(network.network)


def is_taken(network: Network, text: str) -> bool:
    """
    Whether an instance has the address.
    """
    return network.reservations[_index(network, text)] == "1"


def is_kept(network: Network, text: str) -> bool:
    """
    Whether an administrator keeps the address from instances.
    """
    return network.ext_reservations[_index(network, text)] == "1"


def keep(network: Network, text: str) -> Network:
    """
    Keep an address from instances.

    @raise OpPrereqError: It is not of the network, or kept already.
    """
    if is_kept(network, text):
        raise refuse(f"Address {text} of network {network.name} is kept from instances already", ECode.STATE)
    return msgspec.structs.replace(
        network, ext_reservations=_marked(network.ext_reservations, network, text, "1")
    )


def let(network: Network, text: str) -> Network:
    """
    Let instances have an address again.

    @raise OpPrereqError: It is not of the network, or not kept.
    """
    if not is_kept(network, text):
        raise refuse(f"Address {text} of network {network.name} is not kept from instances", ECode.STATE)
    return msgspec.structs.replace(
        network, ext_reservations=_marked(network.ext_reservations, network, text, "0")
    )


def reserve(draft: Draft, uuid: str, text: str | None, *, conflicts_check: bool = True) -> str:
    """
    Give an address of a network to an instance.

    @param text: The address, or C{None} for the first that is free.
    @param conflicts_check: Refuse one that administrators keep from instances.
    @return: The address.
    @raise OpPrereqError: It is taken, kept or not of the network, or there is none left.
    """
    network = draft.config.networks[uuid]
    if text is None:
        both = zip(network.reservations, network.ext_reservations, strict=True)
        free = next((index for index, pair in enumerate(both) if pair == ("0", "0")), None)
        if free is None:
            raise refuse(f"Network {network.name} has no address left", ECode.NORES)
        text = str(IPv4Network(network.network)[free])
    if is_taken(network, text):
        raise refuse(f"Address {text} of network {network.name} is in use by an instance", ECode.NOTUNIQUE)
    if conflicts_check and is_kept(network, text):
        raise refuse(f"Address {text} of network {network.name} is kept from instances", ECode.NOTUNIQUE)
    draft.put(
        msgspec.structs.replace(network, reservations=_marked(network.reservations, network, text, "1"))
    )
    return text


def release(draft: Draft, nic: Nic) -> None:
    """
    Take the address that an instance's interface has of a network, if it has one.
    """
    network = None if nic.network is None else draft.config.networks.get(nic.network)
    if network is not None and nic.ip is not None and contains(network, nic.ip) and is_taken(network, nic.ip):
        draft.put(
            msgspec.structs.replace(network, reservations=_marked(network.reservations, network, nic.ip, "0"))
        )


def network_of(draft: Draft, group: str, text: str | None) -> Network | None:
    """
    The network that a group is connected to and that an address is of, if there is one.
    """
    if text is None:
        return None
    for uuid in draft.config.groups[group].networks:
        network = draft.config.networks.get(uuid)
        if network is not None and contains(network, text):
            return network
    return None


def _index(network: Network, text: str) -> int:
    """
    @raise OpPrereqError: The address is not of the network.
    """
    found, whole = address(text, "address"), IPv4Network(network.network)
    if found not in whole:
        raise refuse(f"Address {text} is not of network {network.name} ({network.network})")
    return int(found) - int(whole.network_address)


def _marked(bits: str, network: Network, text: str, mark: str) -> str:
    index = _index(network, text)
    return f"{bits[:index]}{mark}{bits[index + 1 :]}"
