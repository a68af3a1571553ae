"""
Where file-based disks may be on this node, and the functions that make directories there.

The administrator's C{/etc/ganeti/file-storage-paths} lists the allowed trees, one absolute path a line; without that
file they are Ganeti's two defaults.
"""

import errno
import os
from pathlib import Path, PurePosixPath
from typing import Any

from attrs import frozen

from gnttwist.functions import arguments, files
from gnttwist.functions.registry import Context, FunctionError, function

DEFAULTS = ("/srv/ganeti/file-storage", "/srv/ganeti/shared-file-storage")


@frozen
class Place:
    """
    A path within an allowed tree.

    @ivar base: The tree, on this machine.
    @ivar parts: The names below it; empty for the tree itself.
    """

    base: Path
    parts: tuple[str, ...]

    @property
    def path(self) -> Path:
        """
        Where it is on this machine.
        """
        return self.base.joinpath(*self.parts)


def allowed(context: Context) -> tuple[str, ...]:
    """
    The allowed trees, as paths without the root.
    """
    try:
        text = (context.paths.etc / "file-storage-paths").read_text()
    except FileNotFoundError:
        return DEFAULTS
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def place(context: Context, value: object, what: str) -> Place:
    """
    Where a path (without the root) that a call names is, if it is within an allowed tree.

    @raise FunctionError: It is not, or is not a clean absolute path.
    """
    path = PurePosixPath(arguments.text(value, what))
    if not path.is_absolute() or ".." in path.parts or str(path) != value:
        raise FunctionError(f"Invalid {what}: {value!r} is not a clean absolute path")
    trees = allowed(context)
    for tree in trees:
        if path.is_relative_to(tree):
            return Place(context.paths.real(tree), path.relative_to(tree).parts)
    raise FunctionError(
        f"{value} is outside of the file storage directories of this node: {', '.join(trees)}"
    )


@function("file_storage_dir_create")
def file_storage_dir_create(context: Context, file_storage_dir: Any) -> None:
    """
    Make a directory for disks; one that is there is fine.
    """
    wanted = place(context, file_storage_dir, "file storage directory")
    try:
        with files.directory(wanted.base, wanted.parts, create=True):
            pass
    except OSError as reason:
        raise FunctionError(f"Cannot create {file_storage_dir}: {reason.strerror}") from reason


@function("file_storage_dir_remove")
def file_storage_dir_remove(context: Context, file_storage_dir: Any) -> None:
    """
    Remove an empty directory; one that is not there is fine.
    """
    wanted = place(context, file_storage_dir, "file storage directory")
    if not wanted.parts:
        raise FunctionError(f"{file_storage_dir} holds the disks of all instances and is not removed")
    try:
        with files.directory(wanted.base, wanted.parts[:-1]) as parent:
            os.rmdir(wanted.parts[-1], dir_fd=parent)
    except FileNotFoundError:
        return
    except OSError as reason:
        why = "it is not empty" if reason.errno == errno.ENOTEMPTY else reason.strerror
        raise FunctionError(f"Cannot remove {file_storage_dir}: {why}") from reason


@function("file_storage_dir_rename")
def file_storage_dir_rename(context: Context, old_file_storage_dir: Any, new_file_storage_dir: Any) -> None:
    """
    Rename a directory of disks. Where that was done already, do nothing.
    """
    before = place(context, old_file_storage_dir, "file storage directory")
    after = place(context, new_file_storage_dir, "file storage directory")
    if not before.parts or not after.parts:
        raise FunctionError("The directory of all instances' disks is not renamed")
    if after.path.exists() and not before.path.exists():
        return
    try:
        with (
            files.directory(before.base, before.parts[:-1]) as source,
            files.directory(after.base, after.parts[:-1], create=True) as target,
        ):
            # An empty directory may be replaced by rename(2), so it need not be looked for.
            os.rename(before.parts[-1], after.parts[-1], src_dir_fd=source, dst_dir_fd=target)
            os.fsync(target)
    except OSError as reason:
        why = "there are files" if reason.errno in (errno.ENOTEMPTY, errno.EEXIST) else reason.strerror
        raise FunctionError(
            f"Cannot rename {old_file_storage_dir} to {new_file_storage_dir}: {why}"
        ) from reason


def space(context: Context, value: object) -> tuple[int, int]:
    """
    Size and free space, in MiB, of the file system that a file storage directory is on or will be made on.
    """
    wanted = place(context, value, "file storage directory")
    existing = next(each for each in (wanted.path, *wanted.path.parents) if each.exists())
    found = os.statvfs(existing)
    return found.f_frsize * found.f_blocks >> 20, found.f_frsize * found.f_bavail >> 20
