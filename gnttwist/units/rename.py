"""
C{OP_INSTANCE_RENAME}.
"""

from collections.abc import Callable

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Disk, Instance, Node
from gnttwist.model.opcode_instance import OpInstanceRename
from gnttwist.units import running
from gnttwist.units.changes import set_state, settle
from gnttwist.units.create_request import instance_name
from gnttwist.units.disk_making import FILE_BASED, directories
from gnttwist.units.encode import disk_dict, group_of, instance_dict
from gnttwist.units.target import locked
from gnttwist.units.values import refuse


async def rename(job: JobContext, op: OpInstanceRename) -> str:
    """
    Rename the directory of the disks' files, then the instance; then let the OS's script rename what is within.

    A script that fails does not undo the renaming, as in Ganeti.

    @return: The new name.
    """
    new = instance_name(op.new_name, "new_name")
    config, instance = await locked(job, op.instance_name, op.instance_uuid, also=new)
    if new != instance.name and config.instances.named(new) is not None:
        raise refuse(f"new_name: instance '{new}' is already in the cluster", ECode.EXISTS)
    node = running.online(config, instance)
    await running.stopped(job, config, instance, "renamed")
    if op.name_check or op.ip_check:
        job.log("The name is not looked up: name_check and ip_check have no effect in this version")
    if op.dry_run:
        return new
    old = instance.name
    await _give_disks_back(job, config, instance)
    await _move_directories(job, node, config.disks_of(instance), old, new)

    async def undo(job: JobContext) -> None:
        await job.change("the old name", _renamed(instance.uuid, new, old))

    job.on_failure("the old name", undo)
    await job.change("the new name", _renamed(instance.uuid, old, new))
    config = await job.config()
    instance = config.instances[instance.uuid]
    await _tell_disks(job, config, node, instance, old, op.debug_level or 0)
    await settle(job, "disks are not active", set_state(instance.uuid, disks_active=False))
    return new


async def _give_disks_back(job: JobContext, config: Snapshot, instance: Instance) -> None:
    """
    What makes disks usable has the instance's name in it.
    """
    if instance.disks_active:

        async def undo(job: JobContext) -> None:
            await running.assemble(job, config, instance)

        job.on_failure("disks usable again", undo)
        await running.deactivate(job, config, instance)


async def _move_directories(job: JobContext, node: Node, disks: list[Disk], old: str, new: str) -> None:
    for before in directories(disks):
        after = _moved(before, old, new)
        if after == before:
            continue

        async def undo(job: JobContext, before: str = before, after: str = after) -> None:
            await job.call(node, "file_storage_dir_rename", [after, before])

        job.on_failure(f"directory {before}", undo)
        job.log(f"* Moving disks from {before} to {after}")
        await job.call(node, "file_storage_dir_rename", [before, after])


def _moved(directory: str, old: str, new: str) -> str:
    """
    Where a directory of an instance's disks is when the instance has its new name. One that has not the instance's
    name is the administrator's, and stays.
    """
    parent, _, leaf = directory.rpartition("/")
    return f"{parent}/{new}" if leaf == old else directory


def _renamed(uuid: str, old: str, new: str) -> Callable[[Draft], None]:
    def edit(draft: Draft) -> None:
        instance = draft.config.instances[uuid]
        if instance.name == new:
            return
        if draft.config.instances.named(new) is not None:
            raise refuse(f"new_name: instance '{new}' is already in the cluster", ECode.EXISTS)
        for disk in draft.config.disks_of(instance):
            if disk.dev_type in FILE_BASED:
                driver, path = disk.logical_id
                directory, _, leaf = str(path).rpartition("/")
                moved = f"{_moved(directory, old, new)}/{leaf}"
                draft.put(msgspec.structs.replace(disk, logical_id=[driver, moved]))
        draft.put(msgspec.structs.replace(instance, name=new))

    return edit


async def _tell_disks(
    job: JobContext, config: Snapshot, node: Node, instance: Instance, old: str, debug: int
) -> None:
    """
    Run the OS's rename script on the disks.
    """
    disks = config.disks_of(instance)
    group = group_of(config, instance)

    async def undo(job: JobContext) -> None:
        await running.deactivate(job, config, instance)

    job.on_failure("disks given back", undo)
    await running.assemble(job, config, instance)
    try:
        for disk in disks:
            await job.call(
                node, "blockdev_setinfo", [disk_dict(config, disk, group), f"originstname+{instance.name}"]
            )
        if instance.os and disks:
            job.log(f"* Running the rename script of {instance.os}")
            await job.call(node, "instance_run_rename", [instance_dict(config, instance, disks), old, debug])
    except NodeError as reason:
        job.log(f"The instance has its new name, but what is on its disks may have the old one: {reason}")
    await running.deactivate(job, config, instance)
    job.undo_no_more("disks given back")
