"""
C{OP_INSTANCE_REMOVE}: stop an instance and destroy it.

What is destroyed cannot be brought back, so each disk leaves the configuration with its data: wherever this stops,
the configuration has what is left, and removing again goes on from there. Where it stops in the middle of a call, the
node is asked what became of it.
"""

from collections.abc import Awaitable
from typing import Any

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError, OpExecError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Disk, Instance
from gnttwist.model.opcode_instance import OpInstanceRemove
from gnttwist.units import running
from gnttwist.units.changes import forget_disk, forget_instance, set_state
from gnttwist.units.disk_making import directories
from gnttwist.units.encode import disk_dict, group_of
from gnttwist.units.locking import locks_of, node_locks, resource_locks


async def remove(job: JobContext, op: OpInstanceRemove) -> None:
    """
    Stop it, destroy its disks, forget it.
    """
    running.patience(op.shutdown_timeout, "shutdown_timeout")
    config = await job.config()
    instance = running.find(config, op.instance_name, op.instance_uuid)
    nodes = [config.nodes[instance.primary_node]]
    await job.acquire(
        {
            **locks_of(instance),
            **node_locks(nodes, LockMode.EXCLUSIVE),
            **resource_locks(nodes, LockMode.EXCLUSIVE),
        }
    )
    config = await job.config()
    instance = running.find(config, instance.uuid, None)
    if not op.ignore_failures:
        running.online(config, instance)
    if op.dry_run:
        return
    await _unless_ignored(job, op, f"stop instance {instance.name}", _stop(job, op, config, instance))
    disks = config.disks_of(instance)
    for index, disk in enumerate(disks):
        job.log(f"* Destroying disk {index} of {disk.size} MiB")
        await _unless_ignored(job, op, f"destroy disk {index}", _destroy(job, config, instance, disk))
    await _remove_directories(job, config, instance, disks)
    job.log("* Removing the instance from the configuration")
    await job.change("forget the instance", forget_instance(instance.uuid))


async def _unless_ignored(job: JobContext, op: OpInstanceRemove, what: str, step: Awaitable[Any]) -> None:
    try:
        await step
    except NodeError as reason:
        if not op.ignore_failures:
            raise OpExecError(
                f"Could not {what}: {reason}. To go on all the same, use ignore_failures"
            ) from reason
        job.log(f"Could not {what}: {reason}; going on, as asked to (ignore_failures)")


async def _stop(job: JobContext, op: OpInstanceRemove, config: Snapshot, instance: Instance) -> None:
    down = set_state(instance.uuid, admin_state="down", disks_active=False)

    async def undo(job: JobContext) -> None:
        if not await running.runs(job, config, instance):
            await job.change("mark down", down)

    job.on_failure("mark down", undo)
    job.log(f"* Stopping instance {instance.name}")
    await running.stop(job, config, instance, timeout=op.shutdown_timeout, reason=running.reason_of(op))
    await job.change("mark down", down)
    job.undo_no_more("mark down")


async def _destroy(job: JobContext, config: Snapshot, instance: Instance, disk: Disk) -> None:
    node = config.nodes[instance.primary_node]
    members = disk_dict(config, disk, group_of(config, instance))
    what = f"forget {disk.iv_name}"

    async def undo(job: JobContext) -> None:
        if await job.call(node, "blockdev_find", [members]) is None:
            await job.change(what, forget_disk(disk.uuid))

    job.on_failure(what, undo)
    await job.call(node, "blockdev_remove", [members])
    await job.change(what, forget_disk(disk.uuid))
    job.undo_no_more(what)


async def _remove_directories(
    job: JobContext, config: Snapshot, instance: Instance, disks: list[Disk]
) -> None:
    """
    Remove the directories that the disks' files were in. One that is not empty is the administrator's.
    """
    for directory in directories(disks):
        try:
            await job.call(config.nodes[instance.primary_node], "file_storage_dir_remove", [directory])
        except NodeError as reason:
            job.log(f"Directory {directory} was not removed: {reason}")
