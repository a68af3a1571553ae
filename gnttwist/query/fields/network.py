"""
The fields of networks.
"""

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any

from attrs import define

from gnttwist.config.snapshot import Snapshot
from gnttwist.model.names import nice_key
from gnttwist.model.objects import Instance, Network, NodeGroup
from gnttwist.query.fields.common import object_fields
from gnttwist.query.fields.definition import Field, Kind, Resource, table
from gnttwist.query.pools import addresses, external, occupied
from gnttwist.query.sources import Sources


@define(eq=False)
class NetworkRow:
    """
    A network.
    """

    config: Snapshot
    network: Network

    @cached_property
    def groups(self) -> list[NodeGroup]:
        """
        The node groups that it is connected to.
        """
        found = (each for each in self.config.groups if self.network.uuid in each.networks)
        return sorted(found, key=lambda each: nice_key(each.name))

    @cached_property
    def instances(self) -> list[Instance]:
        """
        The instances that have an interface in it.
        """
        uuid = self.network.uuid
        found = (each for each in self.config.instances if any(nic.network == uuid for nic in each.nics))
        return sorted(found, key=lambda each: nice_key(each.name))

    @cached_property
    def taken(self) -> list[bool]:
        """
        For each address whether it is in use or kept for somebody.
        """
        return occupied(self.network)

    @property
    def group_list(self) -> list[list[Any]]:
        """
        Each group's name, and how it is connected: mode, link and VLAN.
        """
        return [[each.name, *self._link(each)] for each in self.groups]

    def _link(self, group: NodeGroup) -> list[str]:
        found = group.networks[self.network.uuid]
        return [str(found.get(each, "")) for each in ("mode", "link", "vlan")]


def _rows(sources: Sources, fields: Collection[str]) -> Sequence[NetworkRow]:
    found = sorted(sources.config.networks, key=lambda each: nice_key(each.name))
    return [NetworkRow(sources.config, each) for each in found]


def _named(sources: Sources, names: Sequence[str | int]) -> Sequence[NetworkRow]:
    return [NetworkRow(sources.config, sources.config.networks.find(str(each))) for each in names]


def _field(name: str, title: str, kind: Kind, doc: str, get: Callable[[Network], Any]) -> Field[NetworkRow]:
    return Field(name, title, kind, doc, lambda row: get(row.network))


NETWORK: Resource[NetworkRow] = Resource(
    name_field="name",
    rows=_rows,
    named=_named,
    fields=table(
        _field("name", "Network", "text", "Network name", lambda network: network.name),
        *object_fields("Network", lambda row: row.network),
        _field("network", "Subnet", "text", "Its range of addresses", lambda network: network.network),
        _field("gateway", "Gateway", "other", "Its gateway's address", lambda network: network.gateway),
        _field("network6", "IPv6Subnet", "other", "Its IPv6 range", lambda network: network.network6),
        _field("gateway6", "IPv6Gateway", "other", "Its IPv6 gateway", lambda network: network.gateway6),
        _field(
            "mac_prefix",
            "MacPrefix",
            "other",
            "What its MAC addresses begin with",
            lambda network: network.mac_prefix,
        ),
        _field(
            "external_reservations",
            "ExternalReservations",
            "text",
            "Addresses that are not given to instances",
            lambda network: ", ".join(addresses(network.network, external(network))),
        ),
        Field(
            "free_count",
            "FreeCount",
            "number",
            "Number of addresses that are free",
            lambda row: row.taken.count(False),
        ),
        Field(
            "reserved_count",
            "ReservedCount",
            "number",
            "Number of addresses that are taken",
            lambda row: row.taken.count(True),
        ),
        Field(
            "map",
            "Map",
            "text",
            "One character an address: X where it is taken",
            lambda row: "".join("X" if each else "." for each in row.taken),
        ),
        Field("group_cnt", "NodeGroups", "number", "Number of node groups", lambda row: len(row.groups)),
        Field(
            "group_list",
            "GroupList",
            "other",
            "Node groups: name, mode, link, VLAN",
            lambda row: row.group_list,
        ),
        Field("inst_cnt", "Instances", "number", "Number of instances", lambda row: len(row.instances)),
        Field(
            "inst_list",
            "InstanceList",
            "other",
            "Instances",
            lambda row: [each.name for each in row.instances],
        ),
    ),
)
