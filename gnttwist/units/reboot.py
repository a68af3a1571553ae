"""
C{OP_INSTANCE_REBOOT}.
"""

from gnttwist.config.snapshot import Snapshot
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Instance
from gnttwist.model.opcode_instance import OpInstanceReboot
from gnttwist.units import running
from gnttwist.units.changes import set_state, settle
from gnttwist.units.encode import instance_dict
from gnttwist.units.target import locked


async def reboot(job: JobContext, op: OpInstanceReboot) -> None:
    """
    Restart the guest, or start one that does not run.

    If that fails with the guest stopped, starting it is tried once more. It should be up in any case, so the
    configuration goes on saying so.
    """
    running.patience(op.shutdown_timeout, "shutdown_timeout")
    config, instance = await locked(job, op.instance_name, op.instance_uuid, resources=LockMode.EXCLUSIVE)
    running.startable(instance)
    running.online(config, instance)
    at_work = await running.runs(job, config, instance)
    if not at_work:
        await running.free_memory(job, config, instance)
    if op.dry_run:
        return
    if not at_work:
        job.log(f"Instance {instance.name} does not run; starting it")
        await running.assemble_for_once(job, config, instance)
        await running.start(job, op, config, instance)
        await job.change("mark up", set_state(instance.uuid, **running.UP))
        return
    if op.reboot_type == "full":
        await _stop_and_start(job, op, config, instance)
    else:
        await _in_place(job, op, config, instance)
    await settle(job, "mark up", set_state(instance.uuid, **running.UP))


async def _in_place(job: JobContext, op: OpInstanceReboot, config: Snapshot, instance: Instance) -> None:
    job.log(f"* Rebooting instance {instance.name} ({op.reboot_type})")
    running.restart_on_failure(job, op, config, instance)
    members = instance_dict(config, instance, config.disks_of(instance))
    await job.call(
        config.nodes[instance.primary_node],
        "instance_reboot",
        [members, op.reboot_type, op.shutdown_timeout, running.reason_of(op)],
        limit=op.shutdown_timeout + running.STOPPING,
    )


async def _stop_and_start(
    job: JobContext, op: OpInstanceReboot, config: Snapshot, instance: Instance
) -> None:
    reason = running.reason_of(op)
    running.restart_on_failure(job, op, config, instance)
    job.log(f"* Stopping instance {instance.name}")
    await running.stop(job, config, instance, timeout=op.shutdown_timeout, reason=reason)
    await running.deactivate(job, config, instance)
    await running.assemble(job, config, instance)
    job.log(f"* Starting instance {instance.name}")
    members = instance_dict(config, instance, config.disks_of(instance))
    await job.call(config.nodes[instance.primary_node], "instance_start", [members, False, reason])
