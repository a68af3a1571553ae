"""
The functions that make, find and remove an instance's disks, whatever their template.
"""

import os
from pathlib import Path
from typing import Any

from gnttwist.functions import arguments
from gnttwist.functions.registry import Context, FunctionError, function
from gnttwist.functions.storage import links
from gnttwist.functions.storage.interface import Found
from gnttwist.functions.storage.table import template
from gnttwist.wire.call_types import DiskArgument


@function("blockdev_create")
def blockdev_create(
    context: Context, bdev: Any, size: Any, owner: Any, on_primary: Any, info: Any, exclusive_storage: Any
) -> list[Any]:
    """
    Make a disk.

    @param size: In MiB.
    @param owner: The instance's name, for messages.
    @param info: Text about the instance, for templates that can keep it with the disk.
    @return: What identifies it: its logical id.
    """
    disk = arguments.disk(bdev)
    wanted = arguments.size(size, "disk size")
    return template(disk.dev_type).create(context, disk, wanted)


@function("blockdev_remove")
def blockdev_remove(context: Context, bdev: Any) -> None:
    """
    Destroy a disk and the links to it; without it, do nothing.
    """
    disk = arguments.disk(bdev)
    kind = template(disk.dev_type)
    found = kind.find(context, disk)
    if found is not None:
        links.remove_to(context, found.path)
    kind.remove(context, disk)


@function("blockdev_assemble")
def blockdev_assemble(context: Context, disk: Any, instance: Any, on_primary: Any, idx: Any) -> list[Any]:
    """
    Make a disk usable on this node and, on its instance's primary node, link to it.

    @param idx: The disk's place among its instance's disks.
    @return: C{[path, link, userspace URI or null]} on the primary node, paths without the root; else
        C{[true, true]}.
    """
    wanted = arguments.disk(disk)
    owner = arguments.instance(instance)
    found = template(wanted.dev_type).assemble(context, wanted)
    if not on_primary:
        return [True, True]
    link = links.make(context, owner.name, arguments.shaped(int, idx, "disk index"), found.path)
    return [_canonical(context, found.path), _canonical(context, link), None]


@function("blockdev_shutdown")
def blockdev_shutdown(context: Context, disk: Any) -> None:
    """
    Make a disk unusable on this node until it is assembled again; its data stays.
    """
    wanted = arguments.disk(disk)
    kind = template(wanted.dev_type)
    found = kind.find(context, wanted)
    if found is not None:
        links.remove_to(context, found.path)
    kind.shutdown(context, wanted)


@function("blockdev_find")
def blockdev_find(context: Context, disk: Any) -> dict[str, Any] | None:
    """
    A disk's state (reference: node daemon RPC, section 4.4), or C{None} where it is not there.
    """
    wanted = arguments.disk(disk)
    found = template(wanted.dev_type).find(context, wanted)
    return None if found is None else status(context, found)


@function("blockdev_grow")
def blockdev_grow(
    context: Context, cf_bdev: Any, amount: Any, dryrun: Any, backingstore: Any, es_flag: Any
) -> None:
    """
    Make a disk larger than it is configured to be; one that has that size already stays as it is.

    @param amount: MiB more than its configured size.
    @param dryrun: Only look whether it could.
    @param backingstore: Whether the storage under the disk is meant. These disks have nothing above it.
    """
    disk = arguments.disk(cf_bdev)
    wanted = arguments.size(disk.size + arguments.size(amount, "amount"), "disk size")
    if backingstore:
        template(disk.dev_type).grow(context, disk, wanted, dry_run=bool(dryrun))


@function("blockdev_getdimensions")
def blockdev_getdimensions(context: Context, disks: Any) -> list[Any]:
    """
    How large disks are.

    @return: C{[bytes, null]} for each, C{null} for one that is not there. The second is a number of spindles, which
        these disks have not.
    """
    found = []
    for each in disks:
        disk = arguments.disk(each)
        known = template(disk.dev_type).find(context, disk)
        found.append(None if known is None else [known.size << 20, None])
    return found


@function("blockdev_wipe")
def blockdev_wipe(context: Context, bdev: Any, offset: Any, size: Any) -> None:
    """
    Overwrite a part of a disk with zeros.

    @param offset: Where it begins, in MiB.
    @param size: How long it is, in MiB.
    """
    disk = arguments.disk(bdev)
    begin, length = arguments.shaped(int, offset, "offset"), arguments.shaped(int, size, "size")
    if begin < 0 or length < 0:
        raise FunctionError(f"Cannot wipe {length} MiB from {begin} MiB on")
    template(disk.dev_type).wipe(context, disk, begin, length)


@function("blockdev_setinfo")
def blockdev_setinfo(context: Context, disk: Any, info: Any) -> None:
    """
    Write a text about the instance to its disk, where the template can keep one. Files keep none.
    """
    wanted = arguments.disk(disk)
    template(wanted.dev_type).find(context, wanted)


def status(context: Context, found: Found) -> dict[str, Any]:
    """
    A disk's state as calls answer it; members without a value are left out.
    """
    state: dict[str, Any] = {
        "dev_path": _canonical(context, found.path),
        "is_degraded": found.is_degraded,
        "ldisk_status": found.ldisk_status,
    }
    device = os.stat(found.path)
    if device.st_rdev:
        state["major"], state["minor"] = os.major(device.st_rdev), os.minor(device.st_rdev)
    return state


def _canonical(context: Context, path: Path) -> str:
    return context.paths.canonical(path)


def usable(context: Context, disk: DiskArgument) -> Found:
    """
    A disk that an instance or a script is about to use.

    @raise FunctionError: It has not been assembled or is gone.
    """
    found = template(disk.dev_type).find(context, disk)
    if found is None:
        raise FunctionError(f"Block device {disk.logical_id} is not set up")
    return found
