"""
What disks that are files hold: data, holes, zeros, reserved space, and the same data as another one.

Works on descriptors, so what a path means was settled before.
"""

import errno
import fcntl
import os
from collections.abc import Iterator

from gnttwist.functions.registry import Context

MIB = 1 << 20

STEP = 64
"""
MiB reserved or copied between two progress messages: a tenth of a second or so on a slow disk.
"""

FICLONE = 0x40049409
"""
ioctl(2) that makes a file share another's data until one of them is written to: C{_IOW(0x94, 9, int)} of linux/fs.h.
"""

_NO_SHARING = frozenset(
    {errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EPERM}
)
"""
What file systems that cannot share data, or not between these two files, answer.
"""


def written(file: int, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """
    The parts of a file, between two offsets, that hold data and not a hole.
    """
    while begin < end:
        try:
            first = os.lseek(file, begin, os.SEEK_DATA)
        except OSError as reason:
            if reason.errno == errno.ENXIO:
                # Nothing but holes up to the end.
                return
            raise
        begin = os.lseek(file, first, os.SEEK_HOLE)
        if first < end:
            yield first, min(begin, end)


def clear(file: int, begin: int, end: int) -> None:
    """
    Overwrite with zeros what has been written between two offsets; holes and reserved space stay.
    """
    zeros = bytes(MIB)
    for first, last in written(file, begin, end):
        while first < last:
            first += os.pwrite(file, zeros[: last - first], first)


def reserve(context: Context, file: int, size: int, begin: int = 0) -> None:
    """
    Reserve the space of a file, telling of the progress.

    @param size: MiB that it has.
    @param begin: MiB from which on to reserve.
    @raise OSError: There is not enough.
    """
    for done in range(begin, size, STEP):
        _tell(context, "reserving disk space", done, size)
        os.posix_fallocate(file, done * MIB, min(STEP, size - done) * MIB)


def share(source: int, target: int) -> bool:
    """
    Make a file share all of another's data, which takes no time and no space, if their file system can do that.
    """
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError as reason:
        if reason.errno in _NO_SHARING:
            return False
        raise
    return True


def copy(context: Context, source: int, target: int, size: int) -> None:
    """
    Give a file another's data, telling of the progress. Holes take neither time nor space.

    @param size: MiB to copy; the target is so large already.
    @raise OSError: There is not enough space.
    """
    for done in range(0, size, STEP):
        _tell(context, "copying a disk", done, size)
        begin, end = done * MIB, min(done + STEP, size) * MIB
        for first, last in written(source, begin, end):
            # What an earlier attempt wrote where the source has a hole.
            clear(target, begin, first)
            _transfer(source, target, first, last)
            begin = last
        clear(target, begin, end)


def _transfer(source: int, target: int, begin: int, end: int) -> None:
    while begin < end:
        try:
            # In the kernel, or on the file server where both are its files.
            done = os.copy_file_range(source, target, end - begin, begin, begin)
        except OSError as reason:
            if reason.errno not in _NO_SHARING:
                raise
            done = os.pwrite(target, os.pread(source, min(MIB, end - begin), begin), begin)
        if done == 0:
            raise OSError(errno.EIO, "the disk that is copied became shorter")
        begin += done


def _tell(context: Context, what: str, done: int, total: int) -> None:
    context.feedback("progress", {"what": what, "done": done, "total": total, "unit": "MiB"})
