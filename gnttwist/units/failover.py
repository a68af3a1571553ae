"""
C{OP_INSTANCE_FAILOVER}: an instance goes to another node that sees its disks.
"""

from collections.abc import Callable, Sequence

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.parameters import fill_be, group_ipolicy
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError, OpExecError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Instance, Node
from gnttwist.model.opcode_instance import OpInstanceFailover
from gnttwist.units import os_check, placement, running
from gnttwist.units.iallocation import BUILT_IN, SHORTCUT
from gnttwist.units.policy import specification, violations
from gnttwist.units.target import locked
from gnttwist.units.values import refuse

SHARED = frozenset({"sharedfile"})
"""
The disk templates whose disks other nodes see.
"""


async def failover(job: JobContext, op: OpInstanceFailover) -> None:
    """
    Stop it where it is, record where it goes, and start it there if it should be up.

    If it cannot be started there, it goes back, and is started where it was if it ran.
    """
    running.patience(op.shutdown_timeout, "shutdown_timeout")
    if op.cleanup:
        raise refuse("cleanup: there are no migrations in this version that could have left anything")
    config = await job.config()
    nodes = _candidates(config, running.find(config, op.instance_name, op.instance_uuid), op)
    config, instance = await locked(
        job,
        op.instance_name,
        op.instance_uuid,
        node=LockMode.EXCLUSIVE,
        resources=LockMode.EXCLUSIVE,
        others=nodes,
    )
    locks = {each.uuid for each in nodes}
    nodes = [each for each in _candidates(config, instance, op) if each.uuid in locks]
    target = await _choose(job, config, instance, nodes)
    _allowed(config, instance, target, op)
    await os_check.bridges_there(job, config, target, instance)
    others = [each.uuid for each in nodes if each != target]
    await job.release([name for uuid in others for name in (f"node/{uuid}", f"node-res/{uuid}")])
    if op.dry_run:
        return
    await _stop(job, op, config, instance)

    async def undo(job: JobContext) -> None:
        await job.change("where it was", _moved(instance, instance.primary_node))

    job.on_failure("where it was", undo)
    job.log(f"* Instance {instance.name} goes to node {target.name}")
    await job.change("where it goes", _moved(instance, target.uuid))
    if instance.admin_state != "up":
        return
    await _start(job, op, instance.uuid)


async def _start(job: JobContext, op: OpInstanceFailover, uuid: str) -> None:
    config = await job.config()
    instance = config.instances[uuid]

    async def undo(job: JobContext) -> None:
        await running.deactivate(job, config, instance)

    job.on_failure("disks given back", undo)
    await running.assemble(job, config, instance)
    job.log(f"* Starting instance {instance.name}")
    await running.start(job, op, config, instance)


def _candidates(config: Snapshot, instance: Instance, op: OpInstanceFailover) -> list[Node]:
    """
    The nodes that an instance may go to.

    @raise OpPrereqError: None will do, or its disks are its node's alone.
    """
    here = config.nodes[instance.primary_node]
    alone = sorted({each.dev_type for each in config.disks_of(instance)} - SHARED)
    if alone:
        raise refuse(
            f"Instance {instance.name} has disks of template {', '.join(alone)}, which are on node {here.name} "
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


async def _choose(job: JobContext, config: Snapshot, instance: Instance, nodes: Sequence[Node]) -> Node:
    """
    The node with the most free memory, which must be enough if the instance is to run there.

    @raise OpPrereqError: None has.
    """
    free: list[tuple[int, Node]] = []
    for node in nodes:
        there = msgspec.structs.replace(instance, primary_node=node.uuid)
        try:
            free.append((await running.memory_free(job, config, there), node))
        except NodeError as reason:
            job.log(f"Cannot ask node {node.name} what it has free: {reason}")
    if not free:
        raise refuse("No node that could take the instance answers", ECode.ENVIRON)
    most, node = min(free, key=lambda each: (-each[0], each[1].name))
    needed = fill_be(config, instance)["maxmem"]
    if instance.admin_state == "up" and most < needed:
        raise refuse(
            f"Not enough memory on node {node.name} for instance {instance.name}: needed {needed} MiB, "
            f"free {most} MiB",
            ECode.NORES,
        )
    return node


def _allowed(config: Snapshot, instance: Instance, target: Node, op: OpInstanceFailover) -> None:
    """
    Refuse what the target's group does not allow or lacks.
    """
    group = config.groups[target.group]
    for nic in instance.nics:
        if nic.network is not None and nic.network not in group.networks:
            name = config.networks[nic.network].name
            raise refuse(f"target_node: group {group.name} is not connected to network {name}", ECode.STATE)
    if group.uuid == config.nodes[instance.primary_node].group or op.ignore_ipolicy:
        return
    if wrong := violations(group_ipolicy(config, group), specification(config, instance)):
        raise refuse(
            f"Instance {instance.name} violates the policy of group {group.name}: {'; '.join(wrong)}"
        )


async def _stop(job: JobContext, op: OpInstanceFailover, config: Snapshot, instance: Instance) -> None:
    """
    Stop it where it is; if the opcode fails later, it runs there again.

    @raise OpExecError: It may still run.
    """
    node = config.nodes[instance.primary_node]
    if node.offline:
        job.log(f"Node {node.name} is offline; nothing is stopped there")
        return
    try:
        if await running.runs(job, config, instance):
            running.restart_on_failure(job, op, config, instance)
            job.log(f"* Stopping instance {instance.name} on node {node.name}")
        trail = running.reason_of(op)
        await running.stop(job, config, instance, timeout=op.shutdown_timeout, reason=trail)
    except NodeError as reason:
        if not op.ignore_consistency:
            raise OpExecError(
                f"Could not stop instance {instance.name}: {reason}. Make sure that it does not run there, mark node "
                f"{node.name} offline, or use ignore_consistency"
            ) from reason
        job.log(
            f"Could not stop instance {instance.name}: {reason}; going on, as asked to (ignore_consistency)"
        )
        return
    await running.deactivate(job, config, instance)


def _moved(instance: Instance, node: str) -> Callable[[Draft], None]:
    def edit(draft: Draft) -> None:
        current = draft.config.instances[instance.uuid]
        if current.primary_node == node:
            return
        for disk in draft.config.disks_of(current):
            draft.put(msgspec.structs.replace(disk, nodes=[node]))
        draft.put(msgspec.structs.replace(current, primary_node=node))

    return edit
