"""
C{OP_INSTANCE_STARTUP} and C{OP_INSTANCE_SHUTDOWN}.

Each leaves what the configuration says should be and what is on the node in agreement, also when it fails or is
cancelled.
"""

from functools import partial

from gnttwist.config.defaults import BACKEND_PARAMETERS, known_hypervisor_parameters
from gnttwist.errors import ECode
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.opcode_instance import OpInstanceShutdown, OpInstanceStartup
from gnttwist.units import os_check, running
from gnttwist.units.changes import set_state, settle
from gnttwist.units.locking import locks_of, resource_locks
from gnttwist.units.values import refuse, typed


async def startup(job: JobContext, op: OpInstanceStartup) -> None:
    """
    Start an instance; one that runs is fine.
    """
    config = await job.config()
    instance = running.find(config, op.instance_name, op.instance_uuid)
    node = config.nodes[instance.primary_node]
    await job.acquire({**locks_of(instance), **resource_locks([node], LockMode.EXCLUSIVE)})
    config = await job.config()
    instance = running.find(config, instance.uuid, None)
    node = config.nodes[instance.primary_node]
    hvparams = typed(op.hvparams, known_hypervisor_parameters(instance.hypervisor), "hvparams")
    beparams = typed(op.beparams, BACKEND_PARAMETERS, "beparams", sizes={"minmem", "maxmem"})
    running.startable(instance)
    up = {} if op.no_remember else {"admin_state": "up", "admin_state_source": "admin"}
    if node.offline and op.ignore_offline_nodes:
        if not op.dry_run:
            job.log(f"Node {node.name} is offline; instance {instance.name} is only marked up")
            await job.change("mark up", set_state(instance.uuid, **up))
        return
    node = running.online(config, instance)
    # Asked at the same time: where it runs already, the memory is of no interest, but questions do no harm.
    runs, free = await job.gather(
        partial(running.runs, config=config, instance=instance),
        partial(running.memory_free, config=config, instance=instance),
    )
    if runs:
        if not op.dry_run:
            job.log(f"Instance {instance.name} runs already")
            await settle(job, "mark up", set_state(instance.uuid, disks_active=True, **up))
        return
    running.suffices(config, instance, free, beparams)
    await os_check.bridges_there(job, config, node, instance)
    if op.dry_run:
        return
    await running.assemble_for_once(job, config, instance)
    await running.start(
        job, op, config, instance, paused=op.startup_paused, hvparams=hvparams, beparams=beparams
    )
    await job.change("mark up", set_state(instance.uuid, disks_active=True, **up))


async def shutdown(job: JobContext, op: OpInstanceShutdown) -> None:
    """
    Stop an instance: ask it, and after the timeout end it. One that does not run is fine.
    """
    running.patience(op.timeout, "timeout")
    config = await job.config()
    instance = running.find(config, op.instance_name, op.instance_uuid)
    await job.acquire(locks_of(instance))
    config = await job.config()
    instance = running.find(config, instance.uuid, None)
    node = config.nodes[instance.primary_node]
    if instance.admin_state == "offline" and not op.force:
        raise refuse(f"Instance {instance.name} is marked offline: it is down already (force)", ECode.STATE)
    down = (
        {}
        if op.no_remember
        else {"admin_state": "down", "admin_state_source": op.admin_state_source or "admin"}
    )
    if node.offline and op.ignore_offline_nodes:
        if not op.dry_run:
            job.log(f"Node {node.name} is offline; instance {instance.name} is only marked down")
            await job.change("mark down", set_state(instance.uuid, **down))
        return
    running.online(config, instance)
    if op.dry_run:
        return
    await _stop(job, op, instance.uuid, down)


async def _stop(job: JobContext, op: OpInstanceShutdown, uuid: str, down: dict[str, str]) -> None:
    """
    First say that it should be down, so that nobody starts it again; take that back if it cannot be stopped.
    """
    config = await job.config()
    instance = config.instances[uuid]
    before = {name: getattr(instance, name) for name in down}

    async def undo(job: JobContext) -> None:
        if await running.runs(job, config, instance):
            await job.change("mark as before", set_state(uuid, **before))

    job.on_failure("mark as before", undo)
    await job.change("mark down", set_state(uuid, **down))
    await running.stop(
        job, config, instance, timeout=0 if op.force else op.timeout, reason=running.reason_of(op)
    )
    job.undo_no_more("mark as before")
    await running.deactivate(job, config, instance)
    await settle(job, "disks are not active", set_state(uuid, disks_active=False))
