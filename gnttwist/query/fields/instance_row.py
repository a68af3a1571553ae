"""
An instance as its fields see it: with what it inherits, and what nodes know of it.
"""

from functools import cached_property
from typing import Any

from attrs import define, frozen

from gnttwist.config import parameters
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import Disk, Instance, Network, Nic, Node, NodeGroup
from gnttwist.query.fields.definition import Missing
from gnttwist.query.fields.live import Guest


@frozen
class FilledNic:
    """
    A network interface.

    @ivar params: Its parameters, filled.
    """

    nic: Nic
    params: dict[str, Any]
    network: Network | None


@frozen
class Seen:
    """
    What nodes know of an instance.

    @ivar guest: On the node where it runs, C{None} where it runs nowhere.
    @ivar elsewhere: Whether that is not its primary node.
    """

    guest: Guest | None
    elsewhere: bool = False


@define(eq=False)
class InstanceRow:
    """
    An instance.

    @ivar seen: What nodes know of it, or why its primary node did not tell.
    @ivar console: How to reach its console.
    """

    config: Snapshot
    instance: Instance
    seen: Seen | Missing = Missing.NO_DATA
    console: dict[str, Any] | Missing = Missing.NO_DATA

    @cached_property
    def hvparams(self) -> dict[str, Any]:
        """
        Hypervisor parameters, filled; without those that only clusters have.
        """
        return parameters.fill_hv(self.config, self.instance, skip_globals=True)

    @cached_property
    def beparams(self) -> dict[str, Any]:
        """
        Backend parameters, filled.
        """
        return parameters.fill_be(self.config, self.instance)

    @cached_property
    def osparams(self) -> dict[str, Any]:
        """
        OS parameters, filled; without private ones.
        """
        return parameters.fill_os(self.config, self.instance)

    @cached_property
    def disks(self) -> list[Disk]:
        """
        Its disks, in order.
        """
        return self.config.disks_of(self.instance)

    @cached_property
    def nics(self) -> list[FilledNic]:
        """
        Its network interfaces, in order.
        """
        return [
            FilledNic(
                each,
                parameters.fill_nic(self.config, each),
                None if each.network is None else self.config.networks.get(each.network),
            )
            for each in self.instance.nics
        ]

    @property
    def node(self) -> Node:
        """
        Its primary node.
        """
        return self.config.nodes[self.instance.primary_node]

    @property
    def group(self) -> NodeGroup:
        """
        Its primary node's group.
        """
        return self.config.groups[self.node.group]
