"""
C{OP_INSTANCE_GROW_DISK}.
"""

import msgspec

from gnttwist.config.parameters import group_ipolicy
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError, OpExecError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Disk, Instance, Node
from gnttwist.model.opcode_instance_disks import OpInstanceGrowDisk
from gnttwist.units import disk_making, running
from gnttwist.units.changes import set_disk
from gnttwist.units.encode import disk_dict, group_of, instance_dict
from gnttwist.units.policy import specification, violations
from gnttwist.units.space import enough_space
from gnttwist.units.target import locked
from gnttwist.units.values import refuse

MIB = 1 << 20


async def grow(job: JobContext, op: OpInstanceGrowDisk) -> None:
    """
    Make a disk larger, whether its instance runs or not.

    Disks do not shrink: if it fails after the disk has grown, the configuration gets the size that the disk has.
    """
    config, instance = await locked(
        job, op.instance_name, op.instance_uuid, node=LockMode.SHARED, resources=LockMode.EXCLUSIVE
    )
    node = running.online(config, instance)
    disk, amount = _wanted(config, instance, op)
    if amount == 0:
        job.log(f"Disk {op.disk} has {disk.size} MiB already")
        return
    _policy(job, config, instance, disk, amount, op)
    await enough_space(job, config, node, disk.dev_type, amount)
    members = disk_dict(config, disk, group_of(config, instance))
    if not op.dry_run:
        await running.assemble_for_once(job, config, instance)
    await job.call(node, "blockdev_grow", [members, amount, True, True, False])
    if op.dry_run:
        return
    job.log(f"* Growing disk {op.disk} of {instance.name} by {amount} MiB to {disk.size + amount} MiB")
    await _grow(job, config, node, disk, members, amount)
    if config.cluster.prealloc_wipe_disks:
        config = await job.config()
        await disk_making.wipe(job, config, node, op.disk, config.disks[disk.uuid], disk.size)
    if instance.disks_active:
        await _tell_guest(job, instance.uuid, disk.uuid)
    else:
        await running.deactivate(job, config, instance)


def _wanted(config: Snapshot, instance: Instance, op: OpInstanceGrowDisk) -> tuple[Disk, int]:
    """
    The disk, and how many MiB are added to it.
    """
    disks = config.disks_of(instance)
    if op.disk >= len(disks):
        have = f"0 to {len(disks) - 1}" if disks else "none"
        raise refuse(f"disk: instance {instance.name} has no disk {op.disk}; it has {have}")
    disk = disks[op.disk]
    if not op.absolute:
        return disk, op.amount
    if op.amount < disk.size:
        raise refuse(
            f"amount: disk {op.disk} has {disk.size} MiB and cannot shrink to {op.amount} MiB", ECode.STATE
        )
    return disk, op.amount - disk.size


def _policy(
    job: JobContext, config: Snapshot, instance: Instance, disk: Disk, amount: int, op: OpInstanceGrowDisk
) -> None:
    grown = config.with_object(msgspec.structs.replace(disk, size=disk.size + amount))
    group = group_of(config, instance)
    policy = group_ipolicy(config, group)
    before = violations(policy, specification(config, instance))
    wrong = [each for each in violations(policy, specification(grown, instance)) if each not in before]
    if not wrong:
        return
    text = f"Growing disk {op.disk} violates the policy of group {group.name}: {'; '.join(wrong)}"
    if not op.ignore_ipolicy:
        raise refuse(text)
    job.log(text)


async def _grow(
    job: JobContext, config: Snapshot, node: Node, disk: Disk, members: dict[str, object], amount: int
) -> None:
    async def undo(job: JobContext) -> None:
        [found] = await job.call(node, "blockdev_getdimensions", [[members]])
        if found is None:
            raise OpExecError(f"What size disk {disk.uuid} has now is not known")
        size = found[0] // MIB
        if size > disk.size:
            job.log(f"The disk has {size} MiB now and keeps them")
            await job.change("the size that it has", set_disk(disk.uuid, size=size))

    job.on_failure("the size that it has", undo)
    for backing in (True, False):
        await job.call(node, "blockdev_grow", [members, amount, False, backing, False])
    await job.change("the new size", set_disk(disk.uuid, size=disk.size + amount))


async def _tell_guest(job: JobContext, uuid: str, disk: str) -> None:
    """
    Let a guest that runs see the new size. One that cannot sees it when it is started the next time.
    """
    config = await job.config()
    instance, grown = config.instances[uuid], config.disks[disk]
    members = instance_dict(config, instance, config.disks_of(instance))
    arguments = [members, disk_dict(config, grown, group_of(config, instance)), grown.size * MIB]
    try:
        await job.call(config.nodes[instance.primary_node], "resize_disk", arguments)
    except NodeError as reason:
        job.log(f"The guest sees the new size when it is started the next time: {reason}")
