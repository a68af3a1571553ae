"""
The state of the cluster as allocators read it: version 2 of the iallocator protocol.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from gnttwist.config.parameters import fill_be, fill_nd, fill_nic, group_ipolicy
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Instance, Nic, Node
from gnttwist.units.encode import hvparams_by_name
from gnttwist.units.policy import template_of
from gnttwist.units.space import storage

VERSION = 2

Dynamic = Mapping[str, Any]
"""
What only a node itself knows.
"""


async def cluster_document(
    job: JobContext, config: Snapshot, hypervisor: str, template: str
) -> dict[str, Any]:
    """
    All but the request. A node that does not answer is told as offline, so that nothing is put there.

    @param hypervisor: Whose idea of free memory counts.
    @param template: Of which disk template free space counts.
    """
    asked = [each for each in config.nodes if each.vm_capable and not each.offline]
    found = await job.gather(
        *(partial(_ask, config=config, node=each, hypervisor=hypervisor, template=template) for each in asked)
    )
    dynamic = {each.uuid: answer for each, answer in zip(asked, found, strict=True)}
    cluster = config.cluster
    return {
        "version": VERSION,
        "cluster_name": cluster.cluster_name,
        "cluster_tags": sorted(cluster.tags),
        "enabled_hypervisors": list(cluster.enabled_hypervisors),
        "ipolicy": cluster.ipolicy,
        "nodegroups": {each.uuid: _group(config, each) for each in config.groups},
        "nodes": {each.name: _node(config, each, dynamic) for each in config.nodes},
        "instances": {each.name: _instance(config, each) for each in config.instances},
    }


async def _ask(
    job: JobContext, *, config: Snapshot, node: Node, hypervisor: str, template: str
) -> Dynamic | None:
    directory = storage(config, template)
    units = [[template, directory, []]] if directory else []
    specification = [hypervisor, config.cluster.hvparams.get(hypervisor, {})]
    try:
        _, places, [facts] = await job.call(node, "node_info", [units, [specification]])
        guests = await job.call(
            node, "all_instances_info", [config.cluster.enabled_hypervisors, hvparams_by_name(config)]
        )
    except NodeError as reason:
        job.log(f"Node {node.name} does not say what it has and is left out: {reason}")
        return None
    free, memory, up = facts["memory_free"], 0, 0
    for each in config.instances_on(node):
        if each.primary_node == node.uuid:
            most = fill_be(config, each)["maxmem"]
            memory += most
            if each.admin_state == "up":
                up += most
                free -= max(0, most - int(guests.get(each.name, {}).get("memory", 0)))
    place = places[0] if places else {"storage_size": 0, "storage_free": 0}
    return {
        "total_memory": facts.get("memory_total", free),
        "reserved_memory": facts.get("memory_dom0", 0),
        "free_memory": free,
        "total_disk": place["storage_size"],
        "free_disk": place["storage_free"],
        "total_spindles": 0,
        "free_spindles": 0,
        "total_cpus": facts.get("cpu_total", 0),
        "reserved_cpus": facts.get("cpu_dom0", 0),
        "i_pri_memory": memory,
        "i_pri_up_memory": up,
    }


def _node(config: Snapshot, node: Node, dynamic: Mapping[str, Dynamic | None]) -> dict[str, Any]:
    silent = node.uuid in dynamic and dynamic[node.uuid] is None
    return {
        **(dynamic.get(node.uuid) or {}),
        "tags": sorted(node.tags),
        "primary_ip": node.primary_ip,
        "secondary_ip": node.secondary_ip,
        "offline": node.offline or silent,
        "drained": node.drained,
        "master_candidate": node.master_candidate,
        "group": node.group,
        "master_capable": node.master_capable,
        "vm_capable": node.vm_capable,
        "ndparams": fill_nd(config, node),
    }


def _group(config: Snapshot, group: Any) -> dict[str, Any]:
    return {
        "name": group.name,
        "alloc_policy": group.alloc_policy,
        "networks": sorted(group.networks),
        "ipolicy": group_ipolicy(config, group),
        "tags": sorted(group.tags),
    }


def _instance(config: Snapshot, instance: Instance) -> dict[str, Any]:
    disks = config.disks_of(instance)
    backend = fill_be(config, instance)
    others = {node for each in disks for node in each.nodes} - {instance.primary_node}
    return {
        "tags": sorted(instance.tags),
        "admin_state": instance.admin_state,
        "vcpus": backend["vcpus"],
        "memory": backend["maxmem"],
        "spindle_use": backend["spindle_use"],
        "os": instance.os,
        "nodes": [config.nodes[each].name for each in (instance.primary_node, *sorted(others))],
        "nics": nics(config, instance.nics),
        "disks": [
            {"type": each.dev_type, "size": each.size, "mode": each.mode, "spindles": each.spindles}
            for each in disks
        ],
        "disk_template": template_of(disks),
        "disks_active": instance.disks_active,
        "hypervisor": instance.hypervisor,
        "disk_space_total": sum(each.size for each in disks),
    }


def nics(config: Snapshot, given: Sequence[Nic]) -> list[dict[str, Any]]:
    """
    Network interfaces, as allocators see them.
    """
    found = []
    for each in given:
        filled = fill_nic(config, each)
        shown = {"mac": each.mac, "ip": each.ip, "mode": filled.get("mode"), "link": filled.get("link")}
        if shown["mode"] == "bridged":
            shown["bridge"] = shown["link"]
        found.append(shown)
    return found
