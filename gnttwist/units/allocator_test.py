"""
C{OP_TEST_ALLOCATOR}: what an allocator is asked, and what it answers.
"""

from typing import Any

import msgspec

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Instance
from gnttwist.model.opcode_cluster import OpTestAllocator
from gnttwist.units.iallocation import BUILT_IN, SHORTCUT, ask
from gnttwist.units.iallocator_input import cluster_document
from gnttwist.units.policy import template_of
from gnttwist.units.spreading import Need, Room, best, less
from gnttwist.units.values import refuse


async def show(job: JobContext, op: OpTestAllocator) -> str:
    """
    Build the request and, if asked for, give it to the allocator. Nothing is locked, as nothing is promised.

    @return: JSON text: the request, or the answer as it came.
    """
    config = await job.config()
    hypervisor = op.hypervisor or config.cluster.enabled_hypervisors[0]
    template = op.disk_template or config.cluster.enabled_disk_templates[0]
    request = _request(config, op, template, hypervisor)
    allocator = op.iallocator
    if op.direction == "out" and allocator is None:
        raise refuse("iallocator: name the allocator that is to answer")
    if allocator == SHORTCUT:
        allocator = config.cluster.default_iallocator or BUILT_IN[0]
    if op.direction == "out" and allocator in BUILT_IN and op.mode not in ("allocate", "multi-allocate"):
        raise refuse(f"mode: the built-in allocator places new instances only, and does not {op.mode}")
    if op.mode == "relocate":
        template = template_of(config.disks_of(config.instances.find(op.name)))
    document = {**await cluster_document(job, config, hypervisor, template), "request": request}
    if op.direction == "in":
        return msgspec.json.encode(document).decode()
    assert allocator is not None, "checked above"
    if allocator in BUILT_IN:
        return msgspec.json.encode(_built_in(document)).decode()
    return await ask(job, config, allocator, document)


def _request(config: Snapshot, op: OpTestAllocator, template: str, hypervisor: str) -> dict[str, Any]:
    match op.mode:
        case "allocate":
            return {**_new(config, op, op.name, template, hypervisor), "type": op.mode}
        case "multi-allocate":
            wanted = [
                _new(config, op, f"{op.name}{index}", template, hypervisor) for index in range(op.count)
            ]
            return {"type": op.mode, "instances": wanted}
        case "relocate":
            instance = config.instances.find(op.name)
            return {"type": op.mode, **_moved(config, instance)}
        case "node-evacuate":
            return {"type": op.mode, "instances": _instances(config, op), "evac_mode": op.evac_mode or "all"}
        case "change-group":
            groups = [config.groups.find(each).uuid for each in op.target_groups or []]
            return {"type": op.mode, "instances": _instances(config, op), "target_groups": groups}
    raise refuse(f"mode: {op.mode} is not supported by this version")


def _new(config: Snapshot, op: OpTestAllocator, name: str, template: str, hypervisor: str) -> dict[str, Any]:
    if config.instances.named(name) is not None:
        raise refuse(f"Instance '{name}' is already in the cluster", ECode.EXISTS)
    disks = op.disks or []
    for each in disks:
        if (
            not isinstance(each, dict)
            or type(each.get("size")) is not int
            or each.get("mode") not in ("ro", "rw")
        ):
            raise refuse(f"disks: {each!r:.60} is no disk with a size in MiB and a mode (ro or rw)")
    return {
        "name": name,
        "disk_template": template,
        "group_name": op.group_name,
        "tags": op.tags,
        "os": op.os or "",
        "vcpus": op.vcpus or 0,
        "memory": op.memory or 0,
        "spindle_use": op.spindle_use,
        "disks": [{**each, "type": template} for each in disks],
        "disk_space_total": sum(each["size"] for each in disks),
        "nics": op.nics or [],
        "required_nodes": 2 if template == "drbd" else 1,
        "hypervisor": hypervisor,
    }


def _moved(config: Snapshot, instance: Instance) -> dict[str, Any]:
    disks = config.disks_of(instance)
    if template_of(disks) not in ("drbd", "sharedfile", "rbd", "ext", "blockdev", "gluster"):
        raise refuse(f"Instance {instance.name} has disks on one node only and cannot be relocated")
    others = sorted({node for each in disks for node in each.nodes} - {instance.primary_node})
    return {
        "name": instance.name,
        "disk_space_total": sum(each.size for each in disks),
        "required_nodes": 1,
        "relocate_from": [config.nodes[each].name for each in others],
    }


def _instances(config: Snapshot, op: OpTestAllocator) -> list[str]:
    if not op.instances:
        raise refuse("instances: name those that are to be moved")
    return [config.instances.find(each).name for each in op.instances]


def _built_in(document: dict[str, Any]) -> dict[str, Any]:
    """
    The built-in allocator's answer to a request to place instances.
    """
    request = document["request"]
    rooms = [
        _room(name, each, document["instances"]) for name, each in document["nodes"].items() if _usable(each)
    ]
    placed, failed = [], []
    for each in request.get("instances", [request]):
        needed = Need(each["memory"], each["disk_space_total"], each["vcpus"])
        found = best(rooms, needed)
        if found is None:
            failed.append(each["name"])
            continue
        rooms = [less(room, needed) if room is found else room for room in rooms]
        placed.append([each["name"], [found.name]])
    if request["type"] == "multi-allocate":
        return {"success": True, "info": "Request processed", "result": [placed, failed]}
    nodes = placed[0][1] if placed else []
    info = f"Chose {nodes[0]}" if nodes else "The instance fits on no node"
    return {"success": bool(nodes), "info": info, "result": nodes}


def _usable(node: dict[str, Any]) -> bool:
    return node["vm_capable"] and not node["offline"] and not node["drained"]


def _room(name: str, node: dict[str, Any], instances: dict[str, Any]) -> Room:
    vcpus = sum(
        each["vcpus"]
        for each in instances.values()
        if each["nodes"][0] == name and each["admin_state"] == "up"
    )
    # A template without space of its own counts none.
    total, free = (node["total_disk"], node["free_disk"]) if node["total_disk"] else (None, None)
    return Room(name, node["total_memory"], node["free_memory"], total, free, node["total_cpus"], vcpus)
