"""
What hooks see of the configuration's objects (reference: OS interface and hooks, section 9.4). Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gnttwist.config.parameters import fill_be, fill_hv, fill_nic
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import Disk, Instance, Network, Nic

BRIDGED = ("bridged", "openvswitch")
FILES = ("file", "sharedfile", "gluster", "blockdev", "rbd")
"""
Disk templates whose disks are a driver and a place.
"""


def instance_variables(
    config: Snapshot,
    instance: Instance,
    disks: Sequence[Disk],
    nics: Sequence[Nic],
    *,
    nodes: Sequence[str],
    made: bool = True,
) -> dict[str, Any]:
    """
    An instance.

    @param nodes: The names of its nodes, the primary one first.
    @param made: Whether its disks are there already.
    """
    backend = fill_be(config, instance)
    primary, *secondary = nodes
    found = {
        "OP_TARGET": instance.name,
        "INSTANCE_NAME": instance.name,
        "INSTANCE_PRIMARY": primary,
        "INSTANCE_SECONDARIES": " ".join(secondary),
        "INSTANCE_OS_TYPE": instance.os,
        "INSTANCE_STATUS": instance.admin_state,
        "INSTANCE_MINMEM": backend["minmem"],
        "INSTANCE_MAXMEM": backend["maxmem"],
        "INSTANCE_MEMORY": backend["maxmem"],
        "INSTANCE_VCPUS": backend["vcpus"],
        "INSTANCE_DISK_TEMPLATE": _template(disks),
        "INSTANCE_HYPERVISOR": instance.hypervisor,
        "INSTANCE_TAGS": " ".join(sorted(instance.tags)),
        "INSTANCE_NIC_COUNT": len(nics),
        "INSTANCE_DISK_COUNT": len(disks),
    }
    for index, nic in enumerate(nics):
        found |= _prefixed(f"INSTANCE_NIC{index}_", _nic(config, nic))
    for index, disk in enumerate(disks):
        found |= _prefixed(f"INSTANCE_DISK{index}_", _disk(disk, made))
    found |= _prefixed("INSTANCE_BE_", backend)
    return found | _prefixed("INSTANCE_HV_", fill_hv(config, instance))


def network_variables(network: Network) -> dict[str, Any]:
    """
    A network; what it has not is left out.
    """
    values = {
        "SUBNET": network.network,
        "GATEWAY": network.gateway,
        "SUBNET6": network.network6,
        "GATEWAY6": network.gateway6,
        "MAC_PREFIX": network.mac_prefix,
    }
    return {
        "NETWORK_NAME": network.name,
        "NETWORK_UUID": network.uuid,
        "NETWORK_TAGS": " ".join(sorted(network.tags)),
        **{f"NETWORK_{name}": value for name, value in values.items() if value},
    }


def _nic(config: Snapshot, nic: Nic) -> dict[str, Any]:
    parameters = fill_nic(config, nic)
    network = None if nic.network is None else config.networks.get(nic.network)
    mode, link = parameters.get("mode"), parameters.get("link")
    return {
        **({"NAME": nic.name} if nic.name else {}),
        "UUID": nic.uuid,
        "IP": nic.ip or "",
        "MAC": nic.mac,
        "MODE": mode,
        "LINK": link,
        "VLAN": parameters.get("vlan"),
        **({"BRIDGE": link} if mode in BRIDGED else {}),
        **({} if network is None else network_variables(network)),
    }


def _disk(disk: Disk, made: bool) -> dict[str, Any]:
    found = {
        **({"NAME": disk.name} if disk.name else {}),
        "UUID": disk.uuid,
        "SIZE": disk.size,
        "MODE": disk.mode,
    }
    if not made:
        return found
    found["DEV_TYPE"] = disk.dev_type
    if len(disk.logical_id) == 2:
        first = {"plain": "VG", "ext": "PROVIDER"}.get(disk.dev_type, "DRIVER")
        if first != "DRIVER" or disk.dev_type in FILES:
            found |= {first: disk.logical_id[0], "ID": disk.logical_id[1]}
    return found


def _template(disks: Sequence[Disk]) -> str:
    templates = {each.dev_type for each in disks}
    return "diskless" if not templates else templates.pop() if len(templates) == 1 else "mixed"


def _prefixed(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}{name}": value for name, value in values.items()}
