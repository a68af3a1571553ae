"""
C{OP_INSTANCE_MIGRATE} with C{cleanup}: after a migration that nobody finished, record where the guest is.
"""

import msgspec

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Instance, Node
from gnttwist.model.opcode_instance import OpInstanceMigrate
from gnttwist.units import placement, running
from gnttwist.units.destination import alone, moved
from gnttwist.units.target import locked
from gnttwist.units.values import refuse


async def clean_up(job: JobContext, op: OpInstanceMigrate) -> None:
    """
    Look on all nodes of the group where the guest runs, and record that.

    @raise OpPrereqError: It runs nowhere, or twice, or a node does not say.
    """
    config = await job.config()
    others = _group(config, running.find(config, op.instance_name, op.instance_uuid))
    config, instance = await locked(
        job, op.instance_name, op.instance_uuid, node=LockMode.EXCLUSIVE, others=others
    )
    there = await _runs_on(job, config, instance, _group(config, instance))
    if not there:
        raise refuse(f"Instance {instance.name} runs nowhere; start it or fail it over", ECode.STATE)
    if len(there) > 1:
        raise refuse(
            f"Instance {instance.name} runs on {' and '.join(each.name for each in there)}; end it on one of "
            "them by hand, and clean up again",
            ECode.STATE,
        )
    [node] = there
    if node.uuid == instance.primary_node:
        job.log(f"Instance {instance.name} runs on node {node.name}, as it is recorded")
        return
    if fixed := alone(config, instance):
        raise refuse(
            f"Instance {instance.name} runs on node {node.name}, which cannot see its disks of template "
            f"{', '.join(fixed)}; end it there by hand",
            ECode.STATE,
        )
    if op.dry_run:
        return
    job.log(f"* Instance {instance.name} runs on node {node.name}; recording that")
    await job.change("where it is", moved(instance, node.uuid))


def _group(config: Snapshot, instance: Instance) -> list[Node]:
    """
    The nodes on which a guest may be after a migration.
    """
    group = config.nodes[instance.primary_node].group
    return [
        each
        for each in config.nodes
        if each.group == group and (each.uuid == instance.primary_node or not placement.unusable(each))
    ]


async def _runs_on(job: JobContext, config: Snapshot, instance: Instance, nodes: list[Node]) -> list[Node]:
    async def ask(job: JobContext, node: Node) -> bool:
        try:
            return await running.runs(job, config, msgspec.structs.replace(instance, primary_node=node.uuid))
        except NodeError as reason:
            raise refuse(
                f"Whether instance {instance.name} runs on node {node.name} is not known: {reason}",
                ECode.ENVIRON,
            ) from reason

    found = await job.gather(*(lambda job, node=each: ask(job, node) for each in nodes))
    return [node for node, runs in zip(nodes, found, strict=True) if runs]
