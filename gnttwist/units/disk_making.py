"""
Making disks: allocated on their node, overwritten where the cluster wants that, and gone again if the opcode fails.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Disk, Node
from gnttwist.units.encode import disk_dict

LARGEST_CHUNK = 1024
SMALLEST_PART = 10
"""
How much of a disk is overwritten by one call: 1024 MiB at most, and a tenth of it if that is less, so that progress
shows; Ganeti's.
"""

FILE_BASED = frozenset({"file", "sharedfile"})
"""
The disk templates whose disks are files.
"""

_DIRECTORY, _DISK = "remove the directory of disks {}", "remove disk {}"


def directories(disks: Sequence[Disk]) -> list[str]:
    """
    The directories that files of disks are in.
    """
    paths = [str(each.logical_id[1]) for each in disks if each.dev_type in FILE_BASED]
    return sorted({each.rpartition("/")[0] for each in paths})


async def make(job: JobContext, config: Snapshot, node: Node, owner: str, disks: Mapping[int, Disk]) -> None:
    """
    Make disks; each is destroyed again if the opcode fails later.

    @param owner: The instance's name.
    @param disks: By their index among the instance's disks.
    """
    if not disks:
        return
    sizes = ", ".join(f"{each.size} MiB" for each in disks.values())
    job.log(f"* Creating {len(disks)} disk(s) of {sizes} on {node.name}")
    group = config.groups[node.group]
    for directory in directories([*disks.values()]):

        async def remove_directory(job: JobContext, directory: str = directory) -> None:
            await job.call(node, "file_storage_dir_remove", [directory])

        job.on_failure(_DIRECTORY.format(directory), remove_directory)
    for done, (index, disk) in enumerate(disks.items()):
        members = disk_dict(config, disk, group)

        async def remove(job: JobContext, members: dict[str, Any] = members) -> None:
            await job.call(node, "blockdev_remove", [members])

        job.on_failure(_DISK.format(index), remove)
        job.progress("creating disks", done, len(disks), "disks")
        info = f"originstname+{owner}"
        await job.call(node, "blockdev_create", [members, disk.size, owner, True, info, False])
    job.progress("creating disks", len(disks), len(disks), "disks")
    if config.cluster.prealloc_wipe_disks:
        for index, disk in disks.items():
            await wipe(job, config, node, index, disk)


def keep(job: JobContext, disks: Mapping[int, Disk]) -> None:
    """
    Do not destroy disks that were just made, whatever fails from here on.
    """
    for index in disks:
        job.undo_no_more(_DISK.format(index))
    for directory in directories([*disks.values()]):
        job.undo_no_more(_DIRECTORY.format(directory))


async def destroy(
    job: JobContext, config: Snapshot, node: Node, disks: Sequence[Disk], others: Sequence[Disk]
) -> None:
    """
    Destroy disks, and the directories that they were in. What cannot be destroyed is told, and stays.

    @param others: Disks that stay.
    """
    for disk in disks:
        try:
            await job.call(node, "blockdev_remove", [disk_dict(config, disk, config.groups[node.group])])
        except NodeError as reason:
            job.log(f"Disk {disk.logical_id[-1]} is left on node {node.name}: {reason}")
    for directory in sorted({*directories(disks)} - {*directories(others)}):
        try:
            await job.call(node, "file_storage_dir_remove", [directory])
        except NodeError as reason:
            job.log(f"Directory {directory} was not removed: {reason}")


async def wipe(
    job: JobContext, config: Snapshot, node: Node, index: int, disk: Disk, offset: int = 0
) -> None:
    """
    Overwrite a disk with zeros, from C{offset} MiB on.
    """
    members = disk_dict(config, disk, config.groups[node.group])
    chunk = max(1, min(LARGEST_CHUNK, disk.size * SMALLEST_PART // 100))
    what = f"wiping disk {index}"
    job.log(f"* Wiping disk {index} from {offset} MiB to {disk.size} MiB")
    begin = offset
    while offset < disk.size:
        job.progress(what, offset - begin, disk.size - begin, "MiB")
        part = min(chunk, disk.size - offset)
        await job.call(node, "blockdev_wipe", [members, offset, part])
        offset += part
    job.progress(what, disk.size - begin, disk.size - begin, "MiB")
