"""
Which parameters hold for an object: its own, over those that it inherits. Pure.
"""

import copy
from collections.abc import Mapping
from typing import Any

from gnttwist.config.defaults import GLOBAL_HYPERVISOR_PARAMETERS
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import Instance, Nic, Node, NodeGroup, Parameters

RELEASE_VERSION = "3.0.2"
"""
The release of Ganeti whose behaviour outsiders see.
"""

CONFIG_VERSION = 3_000_000
"""
The version of C{config.data} that is written: 3.0.
"""


PLAIN = (str, int, float, bool, type(None))
"""
Values that cannot be changed.
"""


def fill(*layers: Mapping[str, Any]) -> Parameters:
    """
    One dictionary of parameters from several, later ones over earlier ones; a copy through and through.
    """
    merged: Parameters = {}
    for layer in layers:
        merged.update(layer)
    # Most are plain: asking each is much cheaper than copying it.
    return {
        name: value if isinstance(value, PLAIN) else copy.deepcopy(value) for name, value in merged.items()
    }


def fill_hv(config: Snapshot, instance: Instance, *, skip_globals: bool = False) -> Parameters:
    """
    An instance's hypervisor parameters: the cluster's, those of its operating system, its own.

    @param skip_globals: Leave out what only the cluster has, as queries of instances do.
    """
    cluster = config.cluster
    filled = fill(
        cluster.hvparams.get(instance.hypervisor, {}),
        cluster.os_hvp.get(instance.os, {}).get(instance.hypervisor, {}),
        instance.hvparams,
    )
    if skip_globals:
        return {name: value for name, value in filled.items() if name not in GLOBAL_HYPERVISOR_PARAMETERS}
    return filled


def fill_be(config: Snapshot, instance: Instance) -> Parameters:
    """
    An instance's backend parameters: memory in MiB, processors.
    """
    return fill(config.cluster.beparams.get("default", {}), instance.beparams)


def fill_nic(config: Snapshot, nic: Nic) -> Parameters:
    """
    A NIC's mode, link and VLAN. One in a network has the network's in its own parameters.
    """
    return fill(config.cluster.nicparams.get("default", {}), nic.nicparams)


def fill_os(config: Snapshot, instance: Instance) -> Parameters:
    """
    An instance's OS parameters: those of the OS, of the OS with its variant, its own.
    """
    return _fill_os(config.cluster.osparams, instance.os, instance.osparams)


def fill_os_private(config: Snapshot, instance: Instance) -> Parameters:
    """
    The same for private OS parameters, which no query shows.
    """
    return _fill_os(config.cluster.osparams_private_cluster, instance.os, instance.osparams_private)


def _fill_os(by_os: Mapping[str, Parameters], os: str, own: Parameters) -> Parameters:
    name = os.partition("+")[0]
    return fill(by_os.get(name, {}), by_os.get(os, {}) if os != name else {}, own)


def fill_nd(config: Snapshot, node: Node) -> Parameters:
    """
    A node's parameters: the cluster's, its group's, its own.
    """
    return fill(config.cluster.ndparams, config.groups[node.group].ndparams, node.ndparams)


def group_nd(config: Snapshot, group: NodeGroup) -> Parameters:
    """
    The node parameters that a group's nodes inherit.
    """
    return fill(config.cluster.ndparams, group.ndparams)


def group_disk(config: Snapshot, group: NodeGroup, template: str) -> Parameters:
    """
    The parameters of a disk template's disks in a group.
    """
    return fill(config.cluster.diskparams.get(template, {}), group.diskparams.get(template, {}))


def group_ipolicy(config: Snapshot, group: NodeGroup) -> Parameters:
    """
    A group's instance policy. Of C{std} single values are inherited, of the rest whole members.
    """
    filled = fill(config.cluster.ipolicy, group.ipolicy)
    if "std" in filled:
        filled["std"] = fill(config.cluster.ipolicy.get("std", {}), group.ipolicy.get("std", {}))
    return filled
