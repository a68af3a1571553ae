"""
C{OP_INSTANCE_RECREATE_DISKS}: lost disks made anew, empty.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Disk, Instance, Node
from gnttwist.model.opcode_instance_disks import OpInstanceRecreateDisks
from gnttwist.units import disk_making, placement, running
from gnttwist.units.devices import mode
from gnttwist.units.encode import disk_dict
from gnttwist.units.space import enough_space
from gnttwist.units.target import locked
from gnttwist.units.values import refuse, size


async def recreate(job: JobContext, op: OpInstanceRecreateDisks) -> None:
    """
    Make disks that are lost anew. One that is still there is refused, as its data would be lost.

    With another node named, all disks are made there, and the instance is that node's from then on.
    """
    target = _target(await job.config(), op)
    config, instance = await locked(
        job,
        op.instance_name,
        op.instance_uuid,
        node=LockMode.EXCLUSIVE,
        resources=LockMode.EXCLUSIVE,
        others=[] if target is None else [target],
    )
    here = config.nodes[instance.primary_node]
    node = here if target is None else config.nodes[target.uuid]
    if why := placement.unusable(node):
        raise refuse(f"Node {node.name} {why}; name another one (nodes)", ECode.STATE)
    await running.stopped(job, config, instance, "given new disks")
    wanted = _wanted(config.disks_of(instance), op, node)
    if node != here and len(wanted) < len(instance.disks):
        raise refuse("disks, nodes: on another node all disks are made, not some of them")
    used = [nic.network for nic in instance.nics if nic.network is not None]
    lacking = [each for each in used if each not in config.groups[node.group].networks]
    if lacking:
        raise refuse(
            f"nodes: the group of node {node.name} is not connected to network {config.networks[lacking[0]].name}",
            ECode.STATE,
        )
    await _lost(job, config, node, wanted)
    for template in sorted({each.dev_type for each in wanted.values()}):
        needed = sum(each.size for each in wanted.values() if each.dev_type == template)
        await enough_space(job, config, node, template, needed)
    if op.dry_run:
        return
    if node != here and not here.offline:
        job.log(f"What is left of the disks on node {here.name} stays there")
    await disk_making.make(job, config, node, instance.name, wanted)
    await job.change("the new disks", partial(_record, instance=instance, disks=wanted, node=node.uuid))


def _target(config: Snapshot, op: OpInstanceRecreateDisks) -> Node | None:
    if op.iallocator:
        raise refuse(
            "iallocator: this version makes disks anew on a node that is named (nodes), or where they were"
        )
    named = op.node_uuids or op.nodes
    if len(named) > 1:
        raise refuse("nodes: disks of the templates that are supported are on one node")
    return config.nodes.find(named[0]) if named else None


def _wanted(disks: Sequence[Disk], op: OpInstanceRecreateDisks, node: Node) -> dict[int, Disk]:
    """
    Which disks to make, by index, as they shall be.
    """
    if not disks:
        raise refuse("The instance has no disks to make anew")
    asked = dict((each, {}) if isinstance(each, int) else each for each in op.disks)
    wanted = {}
    for index, given in sorted((asked or {each: {} for each in range(len(disks))}).items()):
        if not 0 <= index < len(disks):
            raise refuse(f"disks: there is no disk {index}; there are 0 to {len(disks) - 1}")
        wanted[index] = _changed(disks[index], f"disks/{index}", given, node)
    return wanted


def _changed(disk: Disk, what: str, given: Mapping[str, Any], node: Node) -> Disk:
    if unknown := sorted(set(given) - {"size", "mode"}):
        raise refuse(f"{what}: {', '.join(unknown)} cannot be given; size and mode can")
    large = size(given.get("size", disk.size), f"{what} size")
    if large <= 0:
        raise refuse(f"{what} size: {given['size']} is not more than zero MiB")
    return msgspec.structs.replace(
        disk, size=large, mode=mode(given.get("mode", disk.mode), what), nodes=[node.uuid]
    )


async def _lost(job: JobContext, config: Snapshot, node: Node, disks: Mapping[int, Disk]) -> None:
    """
    Check that disks are not there.

    @raise OpPrereqError: One is, or the node does not say.
    """
    for index, disk in disks.items():
        try:
            found = await job.call(
                node, "blockdev_find", [disk_dict(config, disk, config.groups[node.group])]
            )
        except NodeError as reason:
            raise refuse(f"Whether disk {index} is lost is not known: {reason}", ECode.ENVIRON) from reason
        if found is not None:
            raise refuse(
                f"disks: disk {index} is not lost but on node {node.name}; name those that are lost",
                ECode.STATE,
            )


def _record(draft: Draft, *, instance: Instance, disks: Mapping[int, Disk], node: str) -> None:
    for disk in disks.values():
        if draft.config.disks.get(disk.uuid) != disk:
            draft.put(disk)
    current = draft.config.instances[instance.uuid]
    draft.put(msgspec.structs.replace(current, primary_node=node))
