"""
C{OP_CLUSTER_REPAIR_DISK_SIZES}: the configuration gets the sizes that disks really have.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Disk, Instance, Node
from gnttwist.model.opcode_cluster import OpClusterRepairDiskSizes
from gnttwist.units.encode import disk_dict, group_of
from gnttwist.units.locking import SHARED_BGL, instance_lock, resource_locks

MIB = 1 << 20

Sizes = Mapping[str, int]
"""
Sizes in MiB, by the disk's UUID.
"""


async def repair_sizes(job: JobContext, op: OpClusterRepairDiskSizes) -> list[list[Any]]:
    """
    Ask the nodes for the size of each disk, and write down those that differ from the configuration's.

    @return: For each disk whose size was corrected: its instance, its index, C{"size"}, and the size in MiB.
    @raise OpPrereqError: There is no such instance.
    """
    config = await job.config()
    names = [config.instances.find(each).name for each in op.instances]
    names = sorted(names or [each.name for each in config.instances])
    await job.acquire(
        {
            **SHARED_BGL,
            **{instance_lock(each): LockMode.EXCLUSIVE for each in names},
            **resource_locks(_nodes(config, names), LockMode.SHARED),
        }
    )
    config = await job.config()
    found: dict[str, int] = {}
    for sizes in await job.gather(
        *(partial(_on_node, config=config, node=each, names=names) for each in _nodes(config, names))
    ):
        found |= sizes
    changed: list[list[Any]] = []
    for instance in _instances(config, names):
        for index, disk in enumerate(config.disks_of(instance)):
            size = found.get(disk.uuid, disk.size)
            if size != disk.size:
                job.log(f"Disk {index} of instance {instance.name} has {size} MiB, not {disk.size} MiB")
                changed.append([instance.name, index, "size", size])
    if changed and not op.dry_run:
        await job.change("the sizes that disks have", partial(_write_down, found=found))
    return changed


def _instances(config: Snapshot, names: list[str]) -> list[Instance]:
    """
    Those that are still there.
    """
    return [found for each in names if (found := config.instances.named(each)) is not None]


def _nodes(config: Snapshot, names: list[str]) -> list[Node]:
    uuids = {each.primary_node for each in _instances(config, names)}
    return [each for each in config.nodes if each.uuid in uuids]


async def _on_node(job: JobContext, *, config: Snapshot, node: Node, names: list[str]) -> Sizes:
    """
    The sizes of the disks of a node's instances; of those that cannot be told a line is logged.
    """
    if node.offline:
        job.log(f"Node {node.name} is offline; the sizes of its disks stay as they are written down")
        return {}
    asked = [
        (each, index, disk)
        for each in _instances(config, names)
        if each.primary_node == node.uuid
        for index, disk in enumerate(config.disks_of(each))
    ]
    if not asked:
        return {}
    disks = [disk_dict(config, disk, group_of(config, each)) for each, _, disk in asked]
    try:
        answers = await job.call(node, "blockdev_getdimensions", [disks])
    except NodeError as reason:
        job.log(f"Node {node.name} does not tell the sizes of its disks: {reason}")
        return {}
    sizes: dict[str, int] = {}
    for (instance, index, disk), answer in zip(asked, answers, strict=True):
        if answer is None:
            job.log(f"Disk {index} of instance {instance.name} is not on node {node.name}")
        else:
            sizes[disk.uuid] = answer[0] // MIB
    return sizes


def _write_down(draft: Draft, *, found: Sizes) -> None:
    for uuid, size in found.items():
        disk: Disk | None = draft.config.disks.get(uuid)
        if disk is not None and disk.size != size:
            draft.put(msgspec.structs.replace(disk, size=size))
