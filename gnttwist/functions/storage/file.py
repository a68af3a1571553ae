"""
Disks that are files: C{file} on this node, C{sharedfile} in a directory that several nodes see.

Files are sparse; with the disk parameter C{preallocate} their space is reserved when they are made.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from attrs import frozen

from gnttwist.functions import files
from gnttwist.functions.registry import Context, FunctionError
from gnttwist.functions.storage.extents import MIB, clear, reserve
from gnttwist.functions.storage.interface import Found
from gnttwist.functions.storage.places import Place, place
from gnttwist.wire.call_types import DiskArgument

DRIVERS = frozenset({"loop", "blktap", "blktap2"})
"""
Ganeti's drivers of file disks; they tell Xen how to attach the file and mean nothing here.
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

    def grow(self, context: Context, disk: DiskArgument, size: int, *, dry_run: bool) -> None:
        """
        Make the file longer.
        """
        with self.opened(context, disk) as file:
            before = os.fstat(file).st_size
            if size * MIB <= before:
                return
            free = os.fstatvfs(file)
            if disk.params.get("preallocate") and free.f_bavail * free.f_frsize < size * MIB - before:
                raise FunctionError(
                    f"Cannot grow {disk.logical_id[1]}: {_why(OSError(errno.ENOSPC, ''), size)}"
                )
            if dry_run:
                return
            try:
                os.ftruncate(file, size * MIB)
                if disk.params.get("preallocate"):
                    reserve(context, file, size, before // MIB)
                os.fsync(file)
            except OSError as reason:
                os.ftruncate(file, before)
                raise FunctionError(f"Cannot grow {disk.logical_id[1]}: {_why(reason, size)}") from reason

    def wipe(self, context: Context, disk: DiskArgument, offset: int, size: int) -> None:
        """
        Overwrite what has been written; where nothing has, the file is zeros already.
        """
        with self.opened(context, disk) as file:
            begin, end = offset * MIB, (offset + size) * MIB
            if end > os.fstat(file).st_size:
                raise FunctionError(f"Cannot wipe {disk.logical_id[1]} behind its end")
            try:
                clear(file, begin, end)
                os.fdatasync(file)
            except OSError as reason:
                raise FunctionError(f"Cannot wipe {disk.logical_id[1]}: {_why(reason, size)}") from reason

    @contextmanager
    def opened(self, context: Context, disk: DiskArgument, *, writable: bool = True) -> Iterator[int]:
        """
        A descriptor of the file, reached without following a link.
        """
        _, path, wanted = self._place(context, disk)
        flags = (os.O_RDWR if writable else os.O_RDONLY) | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with files.directory(wanted.base, wanted.parts[:-1]) as parent:
                file = os.open(wanted.parts[-1], flags, dir_fd=parent)
        except OSError as reason:
            raise FunctionError(f"Cannot open {path}: {reason.strerror}") from reason
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise FunctionError(f"{path} is not a regular file")
            yield file
        finally:
            os.close(file)

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
                reserve(context, file, size)
            os.fsync(file)
        except OSError:
            with suppress(FileNotFoundError):
                os.unlink(leaf, dir_fd=parent)
            raise
        finally:
            os.close(file)


def _why(reason: OSError, size: int) -> str:
    if reason.errno == errno.ENOSPC:
        return f"there is no space for {size} MiB"
    if reason.errno == errno.EFBIG:
        return f"the file system takes no files of {size} MiB"
    if reason.errno == errno.EEXIST:
        return "there is a file of another disk"
    return os.strerror(reason.errno) if reason.errno else str(reason)
