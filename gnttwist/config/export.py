"""
The configuration in Ganeti's formats: C{config.data} and ssconf's values (reference: configuration). Pure.

Ganeti's schemas are closed: members that it does not know, and optional members without a value, are left out.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from rpds import HashTrieMap

from gnttwist.config.parameters import CONFIG_VERSION, RELEASE_VERSION, fill_nd
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.names import nice_key
from gnttwist.model.objects import COMING_CERTIFICATES, Node
from gnttwist.model.stored import Stored, to_members
from gnttwist.wire.ssconf import certificates

MAX_SSCONF_BYTES = 128 * 1024
"""
The most that Ganeti's readers take of one file.
"""

HYPERVISORS = ("xen-pvm", "kvm", "xen-hvm", "chroot", "lxc", "fake")
NO_MASTER = "NO MASTER"
"""
What ssconf says where the master's name is not known.
"""


def config_data(config: Snapshot) -> dict[str, Any]:
    """
    The document C{config.data}, version 3.0.
    """
    encoded = {
        name: {uuid: encode(each) for uuid, each in objects.items()}
        for name, (objects, encode) in tables(config).items()
    }
    return {**top_members(config), **encoded}


def top_members(config: Snapshot) -> dict[str, Any]:
    """
    What C{config.data} holds beside its tables.
    """
    return {
        "version": CONFIG_VERSION,
        # Counted with every change, not only the cluster's: confd's answers carry it, and of two the newer one wins.
        "cluster": {**_members(config.cluster), "serial_no": config.serial},
        "ctime": config.ctime,
        "mtime": config.mtime,
        "serial_no": config.serial,
    }


def tables(config: Snapshot) -> dict[str, tuple["HashTrieMap[str, Any]", Callable[[Any], dict[str, Any]]]]:
    """
    C{config.data}'s tables: their objects by UUID, and how one of them is written.
    """
    return {
        "nodes": (config.nodes.by_uuid, _with_states),
        "nodegroups": (config.groups.by_uuid, _group),
        "instances": (config.instances.by_uuid, _members),
        "networks": (config.networks.by_uuid, _members),
        "disks": (config.disks, _members),
        "filters": (config.filters, _members),
    }


def config_text(config: Snapshot) -> bytes:
    """
    The file's bytes: one line.
    """
    return msgspec.json.encode(config_data(config))


def _members(value: Stored) -> dict[str, Any]:
    members = _present(to_members(value))
    for name in value.nested:
        members[name] = [_present(each) for each in members[name]]
    return members


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _group(value: Stored) -> dict[str, Any]:
    # Ganeti counts a group's members itself when it reads; its own writer leaves the list empty too.
    return {**_with_states(value), "members": []}


def _with_states(value: Stored) -> dict[str, Any]:
    members = _members(value)
    for name in ("hv_state_static", "disk_state_static"):
        if not members[name]:
            del members[name]
    return members


def ssconf(config: Snapshot) -> dict[str, list[str]]:
    """
    Every simple value, as lines, by key.
    """
    return {**_cluster_values(config), **_node_values(config), **_other_values(config)}


def ssconf_text(lines: list[str]) -> str:
    """
    A file's text: the lines, ended by a newline unless there is nothing.
    """
    text = "\n".join(lines)
    return f"{text}\n" if text else ""


def _cluster_values(config: Snapshot) -> dict[str, list[str]]:
    cluster = config.cluster
    master = config.nodes.get(cluster.master_node)
    return {
        "cluster_name": [cluster.cluster_name],
        "cluster_tags": sorted(cluster.tags),
        "enabled_user_shutdown": [str(cluster.enabled_user_shutdown)],
        "file_storage_dir": [cluster.file_storage_dir],
        "gluster_storage_dir": [cluster.gluster_storage_dir],
        "hypervisor_list": list(cluster.enabled_hypervisors),
        "maintain_node_health": [str(cluster.maintain_node_health)],
        "master_candidates_certs": certificates(
            cluster.candidate_certs, cluster.extra.get(COMING_CERTIFICATES, {})
        ),
        "master_ip": [cluster.master_ip],
        "master_netdev": [cluster.master_netdev],
        "master_netmask": [str(cluster.master_netmask)],
        "master_node": [master.name if master else NO_MASTER],
        "primary_ip_family": [str(cluster.primary_ip_family)],
        "release_version": [RELEASE_VERSION],
        "shared_file_storage_dir": [cluster.shared_file_storage_dir],
        "uid_pool": [f"{low}" if low == high else f"{low}-{high}" for low, high in cluster.uid_pool],
        **{
            f"hvparams_{hypervisor}": [
                f"{name}={value}" for name, value in sorted(cluster.hvparams.get(hypervisor, {}).items())
            ]
            for hypervisor in HYPERVISORS
        },
    }


def _node_values(config: Snapshot) -> dict[str, list[str]]:
    nodes = sorted(config.nodes, key=lambda each: nice_key(each.name))
    candidates = master_candidates(config)
    return {
        "master_candidates": [each.name for each in candidates],
        "master_candidates_ips": [each.primary_ip for each in candidates],
        "node_list": [each.name for each in nodes],
        "node_primary_ips": [f"{each.name} {each.primary_ip}" for each in nodes],
        "node_secondary_ips": [f"{each.name} {each.secondary_ip}" for each in nodes],
        "node_vm_capable": [f"{each.name}={each.vm_capable}" for each in nodes],
        "offline_nodes": [each.name for each in nodes if each.offline],
        "online_nodes": [each.name for each in nodes if not each.offline],
        "ssh_ports": [f"{each.name}={fill_nd(config, each).get('ssh_port', 22)}" for each in nodes],
    }


def _other_values(config: Snapshot) -> dict[str, list[str]]:
    return {
        "instance_list": sorted((each.name for each in config.instances), key=nice_key),
        "networks": [f"{each.uuid} {each.name}" for each in config.networks],
        "nodegroups": [f"{each.uuid} {each.name}" for each in config.groups],
    }


def master_candidates(config: Snapshot) -> list[Node]:
    """
    The master candidates, in order of their names; where there is none, the master.
    """
    found = [each for each in config.nodes if each.master_candidate]
    if not found:
        found = [each for each in config.nodes if each.uuid == config.cluster.master_node]
    return sorted(found, key=lambda each: nice_key(each.name))
