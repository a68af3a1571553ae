"""
C{OP_INSTANCE_FAILOVER}: an instance goes to another node that sees its disks.
"""

from gnttwist.config.parameters import fill_be
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError, OpExecError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Instance
from gnttwist.model.opcode_instance import OpInstanceFailover
from gnttwist.units import running
from gnttwist.units.destination import moved, reserve, settle
from gnttwist.units.values import refuse


async def failover(job: JobContext, op: OpInstanceFailover) -> None:
    """
    Stop it where it is, record where it goes, and start it there if it should be up.

    If it cannot be started there, it goes back, and is started where it was if it ran.
    """
    running.patience(op.shutdown_timeout, "shutdown_timeout")
    if op.cleanup:
        raise refuse("cleanup: failing over leaves nothing; to mend a migration, use OP_INSTANCE_MIGRATE")
    config, instance, nodes = await reserve(job, op)
    needed = fill_be(config, instance)["maxmem"] if instance.admin_state == "up" else 0
    target = await settle(job, config, instance, nodes, op, needed)
    if op.dry_run:
        return
    await _stop(job, op, config, instance)

    async def undo(job: JobContext) -> None:
        await job.change("where it was", moved(instance, instance.primary_node))

    job.on_failure("where it was", undo)
    job.log(f"* Instance {instance.name} goes to node {target.name}")
    await job.change("where it goes", moved(instance, target.uuid))
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
