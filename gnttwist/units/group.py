"""
C{OP_GROUP_ADD}, C{OP_GROUP_RENAME}, C{OP_GROUP_REMOVE} and C{OP_GROUP_ASSIGN_NODES}.
"""

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import NodeGroup
from gnttwist.model.opcode_group import (
    OpGroupAdd,
    OpGroupAssignNodes,
    OpGroupRemove,
    OpGroupRename,
)
from gnttwist.units import group_parameters
from gnttwist.units.locking import SHARED_BGL, node_locks
from gnttwist.units.names import new_name
from gnttwist.units.values import refuse


async def add(job: JobContext, op: OpGroupAdd) -> None:
    """
    Make a group.
    """
    _new(await job.config(), op, "")
    await job.acquire(SHARED_BGL)
    if op.dry_run:
        return

    def edit(draft: Draft) -> None:
        draft.put(_new(draft.config, op, draft.new_uuid()))

    await job.change(f"add group {op.group_name}", edit)


async def rename(job: JobContext, op: OpGroupRename) -> str:
    """
    Give a group another name.

    @return: The new name.
    """
    config = await job.config()
    uuid = config.groups.find(op.group_name).uuid
    new_name(op.new_name, "group", _names(config, uuid))
    await job.acquire({**SHARED_BGL, f"nodegroup/{uuid}": LockMode.EXCLUSIVE})
    if op.dry_run:
        return op.new_name

    def edit(draft: Draft) -> None:
        group = _existing(draft.config, uuid)
        new_name(op.new_name, "group", _names(draft.config, uuid))
        if group.name != op.new_name:
            draft.put(msgspec.structs.replace(group, name=op.new_name))

    await job.change("rename the group", edit)
    return op.new_name


async def remove(job: JobContext, op: OpGroupRemove) -> None:
    """
    Remove an empty group, unless it is the last.
    """
    uuid = (await job.config()).groups.find(op.group_name).uuid
    await job.acquire({**SHARED_BGL, f"nodegroup/{uuid}": LockMode.EXCLUSIVE})
    _check_empty(await job.config(), uuid)
    if op.dry_run:
        return

    def edit(draft: Draft) -> None:
        draft.delete(_check_empty(draft.config, uuid))

    await job.change("remove the group", edit)


async def assign(job: JobContext, op: OpGroupAssignNodes) -> None:
    """
    Move nodes to a group, with their instances; those that are there already are fine.

    Instances of the templates that there are have one node, so that none is split by this.
    """
    config = await job.config()
    target = config.groups.find(op.group_name)
    nodes = [config.nodes.find(each) for each in op.nodes]
    groups = {target.uuid, *(each.group for each in nodes)}
    await job.acquire(
        {
            **SHARED_BGL,
            **{f"nodegroup/{each}": LockMode.EXCLUSIVE for each in sorted(groups)},
            **node_locks(nodes, LockMode.EXCLUSIVE),
        }
    )
    config = await job.config()
    if {each.group for each in config.nodes if each.uuid in {one.uuid for one in nodes}} - groups:
        raise refuse("Nodes have changed their groups meanwhile; try again", ECode.TEMP_NORES)
    if op.dry_run:
        return

    def edit(draft: Draft) -> None:
        group = _existing(draft.config, target.uuid)
        for each in nodes:
            node = draft.config.nodes.get(each.uuid)
            if node is None:
                raise refuse(f"Node {each.name} was removed meanwhile", ECode.NOENT)
            _check_networks(draft.config, node.uuid, group)
            if node.group != group.uuid:
                draft.put(msgspec.structs.replace(node, group=group.uuid))

    await job.change("assign the nodes", edit)


def _new(config: Snapshot, op: OpGroupAdd, uuid: str) -> NodeGroup:
    return NodeGroup(
        uuid=uuid,
        name=new_name(op.group_name, "group", _names(config, "")),
        alloc_policy=op.alloc_policy or "preferred",
        **group_parameters.changed(config, NodeGroup(uuid=uuid, name=op.group_name), op),
    )


def _names(config: Snapshot, but: str) -> list[str]:
    return [each.name for each in config.groups if each.uuid != but]


def _existing(config: Snapshot, uuid: str) -> NodeGroup:
    found = config.groups.get(uuid)
    if found is None:
        raise refuse("The group was removed meanwhile", ECode.NOENT)
    return found


def _check_empty(config: Snapshot, uuid: str) -> NodeGroup:
    group = _existing(config, uuid)
    nodes = sorted(each.name for each in config.nodes if each.group == uuid)
    if nodes:
        raise refuse(
            f"Group '{group.name}' not empty, has the following nodes: {', '.join(nodes)}", ECode.STATE
        )
    if len(config.groups) == 1:
        raise refuse(f"Group '{group.name}' is the only group, cannot be removed", ECode.STATE)
    return group


def _check_networks(config: Snapshot, node: str, group: NodeGroup) -> None:
    """
    @raise OpPrereqError: An instance of the node uses a network that the group is not connected to.
    """
    for each in config.instances_on(config.nodes[node]):
        for nic in each.nics:
            if nic.network is not None and nic.network not in group.networks:
                network = config.networks[nic.network].name
                raise refuse(
                    f"Instance {each.name} uses network {network}, which group {group.name} is not connected to",
                    ECode.STATE,
                )
