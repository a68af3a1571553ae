"""
Converting an instance's disks to another template: copies are made, recorded in the place of the disks, and then
these are destroyed. Until the copies are recorded nothing has happened to the disks; from then on nothing is undone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Disk, Instance, Node
from gnttwist.model.opcode_instance_modify import OpInstanceSetParams
from gnttwist.units import disk_making
from gnttwist.units.create_request import disk_directory
from gnttwist.units.devices import DiskRequest, template_name
from gnttwist.units.encode import disk_dict
from gnttwist.units.modify_devices import Changes, NewDisk
from gnttwist.units.policy import DISKLESS
from gnttwist.units.values import refuse


@frozen
class Place:
    """
    Where the files of new disks go.
    """

    driver: str
    directory: str


def place(config: Snapshot, instance: Instance, op: OpInstanceSetParams) -> Place | None:
    """
    Where disks of another template go; C{None} where no other is asked for.

    @raise OpPrereqError: It cannot be there.
    """
    if op.disk_template is None:
        return None
    template_name(config, op.disk_template, "disk_template")
    if op.disk_template == DISKLESS:
        raise refuse(
            "disk_template: disks are not converted to none; remove them (disks), and the instance is diskless"
        )
    if not instance.disks and not op.disks:
        raise refuse("disk_template: the instance has no disks to convert; add one (disks)")
    directory = disk_directory(config, op.disk_template, instance.name, op.file_storage_dir)
    return Place(op.file_driver or "loop", directory)


def converted(
    config: Snapshot, instance: Instance, op: OpInstanceSetParams, changes: Changes
) -> tuple[list[Disk | NewDisk], list[Disk]]:
    """
    An instance's disks as they shall be, and those that they are the copies of.

    @raise OpPrereqError: There is nothing to convert, or not now.
    """
    template = op.disk_template or ""
    if op.disks:
        raise refuse("disks, disk_template: convert disks and change them in two steps")
    before = config.disks_of(instance)
    old = [each for each in before if each.dev_type != template]
    if not old:
        raise refuse(f"disk_template: the disks of instance {instance.name} are {template} already")
    if instance.disks_active and instance.admin_state != "up":
        raise refuse(
            f"disk_template: the disks of instance {instance.name} are in use; deactivate them", ECode.STATE
        )
    changes.append(["disk_template", template])
    return [_copy_of(each, template) if each in old else each for each in before], old


def _copy_of(disk: Disk, template: str) -> NewDisk:
    return NewDisk(DiskRequest(disk.size, disk.mode, disk.name), template)


async def copy(
    job: JobContext, config: Snapshot, node: Node, disks: Sequence[Disk], copies: Sequence[Disk]
) -> None:
    """
    Give new disks the data of others.
    """
    group = config.groups[node.group]
    for disk, new in zip(disks, copies, strict=True):
        job.log(f"* Copying {new.iv_name} of {disk.size} MiB from template {disk.dev_type} to {new.dev_type}")
        await job.call(
            node, "blockdev_convert", [disk_dict(config, disk, group), disk_dict(config, new, group)]
        )


async def exchange(
    job: JobContext,
    config: Snapshot,
    node: Node,
    instance: Instance,
    copies: Mapping[int, Disk],
    edit: Callable[[Draft], Any],
) -> None:
    """
    Record copies in the place of disks, and destroy these.

    Where it stops on the way, the configuration tells which ones are the instance's; the others are destroyed.

    @param edit: What records them.
    """

    async def settle(job: JobContext) -> None:
        now = await job.config()
        current = now.disks_of(now.instances[instance.uuid])
        known = [each.logical_id for each in current]
        both = [*config.disks_of(instance), *copies.values()]
        spare = [each for each in both if each.logical_id not in known]
        await disk_making.destroy(job, config, node, spare, current)

    job.on_failure("destroy what are not the instance's disks", settle)
    disk_making.keep(job, copies)
    await job.change("the changes", edit)
    job.log("* Destroying the disks that were copied")
    await settle(job)
