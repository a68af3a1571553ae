"""
How configuration objects travel to nodes (reference: node daemon RPC, section 4.3). Pure.

Parameters are filled from what they inherit; members without a value are left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gnttwist.config.parameters import fill_be, fill_hv, fill_nic, fill_os, fill_os_private, group_disk
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import Disk, Instance, Nic, NodeGroup, Parameters
from gnttwist.model.stored import Stored, to_members


def instance_dict(
    config: Snapshot,
    instance: Instance,
    disks: Sequence[Disk],
    *,
    hvparams: Mapping[str, Any] | None = None,
    beparams: Mapping[str, Any] | None = None,
    osparams_secret: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """
    An instance.

    @param disks: Its disks, in order; it need not be in the configuration yet.
    @param hvparams: For this call only, over its own.
    @param beparams: For this call only, over its own.
    @param osparams_secret: OS parameters that are nowhere stored.
    """
    group = group_of(config, instance)
    members = _present(instance)
    members["hvparams"] = fill_hv(config, instance) | dict(hvparams or {})
    members["beparams"] = fill_be(config, instance) | dict(beparams or {})
    members["osparams"] = fill_os(config, instance)
    members["osparams_private"] = fill_os_private(config, instance)
    if osparams_secret:
        members["osparams_secret"] = dict(osparams_secret)
    members["nics"] = [nic_dict(config, each) for each in instance.nics]
    members["secondary_nodes"] = sorted(
        {node for each in disks for node in each.nodes} - {instance.primary_node}
    )
    members["disks_info"] = [disk_dict(config, each, group) for each in disks]
    return members


def disk_dict(config: Snapshot, disk: Disk, group: NodeGroup) -> dict[str, Any]:
    """
    A disk, with its group's disk parameters.
    """
    members = _present(disk)
    members["params"] = group_disk(config, group, disk.dev_type) | disk.params
    members["dynamic_params"] = {}
    return members


def nic_dict(config: Snapshot, nic: Nic) -> dict[str, Any]:
    """
    A network interface; one in a network has the network with it.
    """
    members = {name: value for name, value in to_members(nic).items() if value is not None}
    members["nicparams"] = fill_nic(config, nic)
    network = None if nic.network is None else config.networks.get(nic.network)
    if network is not None:
        members["netinfo"] = _present(network)
    return members


def console_request(config: Snapshot, instance: Instance) -> dict[str, Any]:
    """
    An instance, as a node needs it to tell about its console.
    """
    node = config.nodes[instance.primary_node]
    return {
        "instance": _present(instance),
        "node": _present(node),
        "group": _present(config.groups[node.group]),
        "hvParams": fill_hv(config, instance),
        "beParams": fill_be(config, instance),
    }


def group_of(config: Snapshot, instance: Instance) -> NodeGroup:
    """
    The group that an instance's primary node is in.
    """
    return config.groups[config.nodes[instance.primary_node].group]


def hvparams_by_name(config: Snapshot) -> dict[str, Parameters]:
    """
    The cluster's parameters of the hypervisors that are enabled.
    """
    return {each: config.cluster.hvparams.get(each, {}) for each in config.cluster.enabled_hypervisors}


def _present(value: Stored) -> dict[str, Any]:
    return {name: member for name, member in to_members(value).items() if member is not None}
