"""
The function that copies a disk to another one, whatever their templates.
"""

import os
import stat
from contextlib import suppress
from typing import Any

from gnttwist.functions import arguments
from gnttwist.functions.registry import Context, FunctionError, function
from gnttwist.functions.storage import extents
from gnttwist.functions.storage.table import template
from gnttwist.wire.call_types import DiskArgument


@function("blockdev_convert")
def blockdev_convert(context: Context, bdev_src: Any, bdev_dest: Any) -> None:
    """
    Give a disk, which was just made, the data of another one that nobody writes to meanwhile.

    Where both are files of a file system that can share data (XFS, Btrfs, NFS 4.2 on these), that takes no time
    and no space, unless the new disk's space shall be its own (C{preallocate}). Otherwise data is copied and holes
    are not.

    @raise FunctionError: There is no space, or the new disk is smaller. Then it holds nothing.
    """
    source, target = arguments.disk(bdev_src), arguments.disk(bdev_dest)
    with (
        template(source.dev_type).opened(context, source, writable=False) as old,
        template(target.dev_type).opened(context, target) as new,
    ):
        if os.path.samestat(os.fstat(old), os.fstat(new)):
            raise FunctionError("A disk is not copied to itself")
        # Also of a device, whose status tells no size.
        length, room = os.lseek(old, 0, os.SEEK_END), os.lseek(new, 0, os.SEEK_END)
        if length > room:
            raise FunctionError(
                f"Cannot copy a disk of {length >> 20} MiB to one of {room >> 20} MiB: make it as large"
            )
        try:
            _copy(context, target, old, new, length)
            extents.clear(new, length, room)
            os.fsync(new)
        except OSError as reason:
            _empty(new, room)
            raise FunctionError(
                f"Cannot copy {_shown(source)} to {_shown(target)}: {reason.strerror}"
            ) from reason


def _copy(context: Context, target: DiskArgument, old: int, new: int, length: int) -> None:
    if not target.params.get("preallocate") and extents.share(old, new):
        context.feedback("message", "The new disk shares the old one's data until they differ")
        return
    extents.copy(context, old, new, -(-length // extents.MIB))


def _empty(file: int, size: int) -> None:
    """
    Give back what a copy that failed took, so that others are not left without space until it is removed.
    """
    if stat.S_ISREG(os.fstat(file).st_mode):
        with suppress(OSError):  # Nothing can be done; the disk is removed by whoever made it.
            os.ftruncate(file, 0)
            os.ftruncate(file, size)


def _shown(disk: DiskArgument) -> str:
    return str(disk.logical_id[-1])
