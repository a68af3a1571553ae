"""
Opcodes about networks.
"""

from typing import ClassVar, Literal

from gnttwist.model.opcode import NonEmpty, Opcode

NetworkMode = Literal["bridged", "openvswitch", "pool", "routed"]


class OpNetworkAdd(Opcode, frozen=True, kw_only=True):
    """
    Make a network.

    @ivar network: The range of IPv4 addresses, C{192.0.2.0/24}.
    @ivar add_reserved_ips: Addresses that no instance gets.
    @ivar conflicts_check: Keep the nodes' and the cluster's addresses from instances, too.
    """

    summary_field: ClassVar[str | None] = "network_name"

    network_name: NonEmpty
    network: str
    gateway: str | None = None
    network6: str | None = None
    gateway6: str | None = None
    mac_prefix: NonEmpty | None = None
    add_reserved_ips: list[str] | None = None
    conflicts_check: bool = True
    tags: list[NonEmpty] = []


class OpNetworkSetParams(Opcode, frozen=True, kw_only=True):
    """
    Change a network; the text C{none} takes a value away.
    """

    summary_field: ClassVar[str | None] = "network_name"

    network_name: NonEmpty
    gateway: str | None = None
    network6: str | None = None
    gateway6: str | None = None
    mac_prefix: NonEmpty | None = None
    add_reserved_ips: list[str] | None = None
    remove_reserved_ips: list[str] | None = None


class OpNetworkRemove(Opcode, frozen=True, kw_only=True):
    """
    Remove a network that no group is connected to.
    """

    summary_field: ClassVar[str | None] = "network_name"

    network_name: NonEmpty
    force: bool = False


class OpNetworkConnect(Opcode, frozen=True, kw_only=True):
    """
    Let a group's instances use a network.

    @ivar conflicts_check: Refuse where an instance has an address of the network already.
    """

    summary_field: ClassVar[str | None] = "network_name"

    group_name: NonEmpty
    network_name: NonEmpty
    network_mode: NetworkMode
    network_link: NonEmpty
    network_vlan: str = ""
    conflicts_check: bool = True


class OpNetworkDisconnect(Opcode, frozen=True, kw_only=True):
    """
    Let a group's instances not use a network any more.
    """

    summary_field: ClassVar[str | None] = "network_name"

    group_name: NonEmpty
    network_name: NonEmpty
