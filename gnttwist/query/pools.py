"""
Which addresses of a network are taken: its reservations, one character for each address. Pure.
"""

import ipaddress
from collections.abc import Sequence
from itertools import zip_longest

from gnttwist.model.objects import Network


def _bits(text: str) -> list[bool]:
    return [each == "1" for each in text]


def external(network: Network) -> list[bool]:
    """
    The addresses that an administrator has kept from instances.
    """
    return _bits(network.ext_reservations)


def occupied(network: Network) -> list[bool]:
    """
    The addresses that cannot be given to an instance.
    """
    pairs = zip_longest(_bits(network.reservations), external(network), fillvalue=False)
    return [own or kept for own, kept in pairs]


def addresses(subnet: str, chosen: Sequence[bool]) -> list[str]:
    """
    Addresses of a range as text.

    @param chosen: For each address of the range, from its first on, whether it is wanted.
    @raise ValueError: It is no range of IPv4 addresses.
    """
    first = ipaddress.IPv4Network(subnet).network_address
    return [str(first + index) for index, wanted in enumerate(chosen) if wanted]
