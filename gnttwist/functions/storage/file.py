"""
Disks that are files: C{file} on this node, C{sharedfile} in a directory that several nodes see.

Files are sparse; with the disk parameter C{preallocate} their space is reserved when they are made.
"""

import errno
import os
import stat
from contextlib import suppress
from typing import Any

from attrs import frozen

from gnttwist.functions import files
from gnttwist.functions.registry import Context, FunctionError
from gnttwist.functions.storage.interface import Found
from gnttwist.functions.storage.places import Place, place
from gnttwist.wire.call_types import DiskArgument

MIB = 1 << 20
DRIVERS = frozenset({"loop", "blktap", "blktap2"})
"""
Ganeti's drivers of file disks; they tell Xen how to attach the file and mean nothing here.
"""

STEP = 64
"""
MiB reserved between two progress messages: a tenth of a second or so on a slow disk.
"""


@frozen
class FileTemplate:
    """
    A disk template whose C{logical_id} is C{[driver, path]}.
    """

    name: str

    def create(self, context: Context, disk: DiskArgument, size: int) -> list[Any]:
        """
        Make the file and the directories that lead to it.
        """
        driver, path, wanted = self._place(context, disk)
        leaf = wanted.parts[-1]
        try:
            with files.directory(wanted.base, wanted.parts[:-1], create=True) as parent:
                self._make(context, disk, parent, leaf, size)
                os.fsync(parent)
        except OSError as reason:
            raise FunctionError(f"Cannot create {path}: {_why(reason, size)}") from reason
        return [driver, path]

    def remove(self, context: Context, disk: DiskArgument) -> None:
        """
        Remove the file.
        """
        _, path, wanted = self._place(context, disk)
        try:
            with files.directory(wanted.base, wanted.parts[:-1]) as parent:
                os.unlink(wanted.parts[-1], dir_fd=parent)
                os.fsync(parent)
        except FileNotFoundError:
            return
        except OSError as reason:
            raise FunctionError(f"Cannot remove {path}: {reason.strerror}") from reason

    def assemble(self, context: Context, disk: DiskArgument) -> Found:
        """
        See that the file is there.
        """
        found = self.find(context, disk)
        if found is None:
            raise FunctionError(f"Block device {disk.logical_id[1]} is not there")
        return found

    def shutdown(self, context: Context, disk: DiskArgument) -> None:
        """
        Nothing: a file is always usable.
        """
        self._place(context, disk)

    def find(self, context: Context, disk: DiskArgument) -> Found | None:
        """
        The file, if it is a regular one.
        """
        driver, path, wanted = self._place(context, disk)
        try:
            with files.directory(wanted.base, wanted.parts[:-1]) as parent:
                found = os.stat(wanted.parts[-1], dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as reason:
            raise FunctionError(f"Cannot look at {path}: {reason.strerror}") from reason
        if not stat.S_ISREG(found.st_mode):
            raise FunctionError(f"{path} is not a regular file")
        return Found(wanted.path, found.st_size // MIB, f"file:{driver}")

    def _place(self, context: Context, disk: DiskArgument) -> tuple[str, str, Place]:
        match disk.logical_id:
            case [str(driver), str(path)] if driver in DRIVERS:
                wanted = place(context, path, "path of a disk")
                if not wanted.parts:
                    raise FunctionError(f"{path} is a file storage directory, not a disk")
                return driver, path, wanted
        raise FunctionError(f"Invalid logical_id of a {self.name} disk: {disk.logical_id!r}")

    def _make(self, context: Context, disk: DiskArgument, parent: int, leaf: str, size: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        # A name that holds the disk's own UUID can only be what an earlier attempt at this disk left.
        own = bool(disk.uuid) and disk.uuid in leaf
        file = os.open(leaf, flags | (os.O_TRUNC if own else os.O_EXCL), 0o640, dir_fd=parent)
        try:
            os.ftruncate(file, size * MIB)
            if disk.params.get("preallocate"):
                _reserve(context, file, size)
            os.fsync(file)
        except OSError:
            with suppress(FileNotFoundError):
                os.unlink(leaf, dir_fd=parent)
            raise
        finally:
            os.close(file)


def _reserve(context: Context, file: int, size: int) -> None:
    for done in range(0, size, STEP):
        context.feedback(
            "progress", {"what": "reserving disk space", "done": done, "total": size, "unit": "MiB"}
        )
        os.posix_fallocate(file, done * MIB, min(STEP, size - done) * MIB)


def _why(reason: OSError, size: int) -> str:
    if reason.errno == errno.ENOSPC:
        return f"there is no space for {size} MiB"
    if reason.errno == errno.EFBIG:
        return f"the file system takes no files of {size} MiB"
    if reason.errno == errno.EEXIST:
        return "there is a file of another disk"
    return os.strerror(reason.errno) if reason.errno else str(reason)
