"""
Where an instance goes that leaves its node, by being stopped and started or by migrating.
"""

from collections.abc import Callable, Sequence

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.parameters import fill_be, group_ipolicy
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Instance, Node, NodeGroup
from gnttwist.model.opcode_instance import OpInstanceFailover, OpInstanceMigrate
from gnttwist.units import os_check, placement, running
from gnttwist.units.iallocation import BUILT_IN, SHORTCUT
from gnttwist.units.policy import DISKLESS, specification, violations
from gnttwist.units.spreading import Need
from gnttwist.units.target import locked
from gnttwist.units.values import refuse

Leaving = OpInstanceFailover | OpInstanceMigrate
"""
The opcodes by which an instance leaves its node.
"""

SHARED = frozenset({"sharedfile"})
"""
The disk templates whose disks other nodes see.
"""


def candidates(config: Snapshot, instance: Instance, op: Leaving) -> list[Node]:
    """
    The nodes that an instance may go to.

    @raise OpPrereqError: None will do, or its disks are its node's alone.
    """
    here = config.nodes[instance.primary_node]
    if fixed := alone(config, instance):
        raise refuse(
            f"Instance {instance.name} has disks of template {', '.join(fixed)}, which are on node {here.name} "
            "alone; only sharedfile disks are seen by other nodes"
        )
    named = op.target_node_uuid or op.target_node
    if named:
        node = config.nodes.find(named)
        if node == here:
            raise refuse(f"target_node: instance {instance.name} is on node {node.name} already", ECode.STATE)
        if why := placement.unusable(node):
            raise refuse(f"target_node: node {node.name} {why}", ECode.STATE)
        return [node]
    allocator = op.iallocator or config.cluster.default_iallocator
    if allocator not in (*BUILT_IN, SHORTCUT):
        raise refuse("target_node, iallocator: name a node, or an allocator ('.') to choose one")
    found = [
        each
        for each in config.nodes
        if each.group == here.group and each != here and placement.unusable(each) is None
    ]
    if not found:
        raise refuse(f"No other node of node {here.name}'s group can take an instance", ECode.NORES)
    return found


async def reserve(job: JobContext, op: Leaving) -> tuple[Snapshot, Instance, list[Node]]:
    """
    Get the locks of an instance and of all nodes that it may go to.

    @return: What the configuration has then, and those nodes that still will do.
    @raise OpPrereqError: There is none.
    """
    config = await job.config()
    nodes = candidates(config, running.find(config, op.instance_name, op.instance_uuid), op)
    config, instance = await locked(
        job,
        op.instance_name,
        op.instance_uuid,
        node=LockMode.EXCLUSIVE,
        resources=LockMode.EXCLUSIVE,
        others=nodes,
    )
    locks = {each.uuid for each in nodes}
    return config, instance, [each for each in candidates(config, instance, op) if each.uuid in locks]


async def settle(
    job: JobContext, config: Snapshot, instance: Instance, nodes: Sequence[Node], op: Leaving, needed: int
) -> Node:
    """
    Choose one of the nodes, see that all is well there, and give back the others' locks.

    @param needed: MiB of memory; 0 for an instance that is not started there.
    @raise OpPrereqError: It is not.
    """
    # Disks that all nodes see take no more space where the instance goes.
    found = await placement.survey(job, config, nodes, instance.hypervisor, DISKLESS)
    need = Need(needed, 0, fill_be(config, instance)["vcpus"]) if needed else Need(0)
    target = placement.choose(config, found, instance.name, need)
    allowed(config, instance, target, op)
    await os_check.bridges_there(job, config, target, instance)
    others = [each.uuid for each in nodes if each != target]
    await job.release([name for uuid in others for name in (f"node/{uuid}", f"node-res/{uuid}")])
    return target


def allowed(config: Snapshot, instance: Instance, target: Node, op: Leaving) -> None:
    """
    Refuse what the target's group does not allow or lacks.
    """
    group = config.groups[target.group]
    for name in disconnected(config, instance, group):
        raise refuse(f"target_node: group {group.name} is not connected to network {name}", ECode.STATE)
    if group.uuid == config.nodes[instance.primary_node].group or op.ignore_ipolicy:
        return
    if wrong := violations(group_ipolicy(config, group), specification(config, instance)):
        raise refuse(
            f"Instance {instance.name} violates the policy of group {group.name}: {'; '.join(wrong)}"
        )


def disconnected(config: Snapshot, instance: Instance, group: NodeGroup) -> list[str]:
    """
    The names of an instance's networks that a group is not connected to.
    """
    used = [each.network for each in instance.nics if each.network is not None]
    return [config.networks[each].name for each in used if each not in group.networks]


def alone(config: Snapshot, instance: Instance) -> list[str]:
    """
    The templates of an instance's disks that no other node sees.
    """
    return sorted({each.dev_type for each in config.disks_of(instance)} - SHARED)


def moved(instance: Instance, node: str) -> Callable[[Draft], None]:
    """
    Record that an instance is on a node, by UUID.
    """

    def edit(draft: Draft) -> None:
        current = draft.config.instances[instance.uuid]
        if current.primary_node == node:
            return
        for disk in draft.config.disks_of(current):
            draft.put(msgspec.structs.replace(disk, nodes=[node]))
        draft.put(msgspec.structs.replace(current, primary_node=node))

    return edit
