"""
C{OP_INSTANCE_ACTIVATE_DISKS} and C{OP_INSTANCE_DEACTIVATE_DISKS}: an instance's disks usable without the instance.
"""

from gnttwist.errors import ECode
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.opcode_instance_disks import OpInstanceActivateDisks, OpInstanceDeactivateDisks
from gnttwist.units import running
from gnttwist.units.changes import set_state, settle
from gnttwist.units.encode import disk_dict, group_of
from gnttwist.units.target import locked
from gnttwist.units.values import refuse


async def activate(job: JobContext, op: OpInstanceActivateDisks) -> list[list[str | None]]:
    """
    Make the disks usable; those that are already stay so.

    @return: For each disk the node's name, the disk's name among the instance's, and where it is on the node.
    """
    config, instance = await locked(job, op.instance_name, op.instance_uuid, resources=LockMode.EXCLUSIVE)
    node = running.online(config, instance)
    if op.dry_run:
        return []
    places = await running.assemble_for_once(job, config, instance)
    await job.change("disks are active", set_state(instance.uuid, disks_active=True))
    disks = config.disks_of(instance)
    return [[node.name, disk.iv_name, path] for disk, path in zip(disks, places, strict=True)]


async def deactivate(job: JobContext, op: OpInstanceDeactivateDisks) -> None:
    """
    Make the disks unusable, unless a guest uses them.
    """
    config, instance = await locked(job, op.instance_name, op.instance_uuid, resources=LockMode.EXCLUSIVE)
    node = running.online(config, instance)
    if not op.force and await running.runs(job, config, instance):
        raise refuse(
            f"Instance {instance.name} runs on node {node.name}; stop it before its disks are deactivated",
            ECode.STATE,
        )
    if op.dry_run:
        return
    for disk in config.disks_of(instance):
        await job.call(node, "blockdev_shutdown", [disk_dict(config, disk, group_of(config, instance))])
    await settle(job, "disks are not active", set_state(instance.uuid, disks_active=False))
