"""
What a disk template on a node can do.

Each method may be repeated: a call that died half-way is mended by calling again, or undone by
L{DiskTemplate.remove}.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from gnttwist.functions.registry import Context
from gnttwist.wire.call_types import DiskArgument

OK = 1
"""
The state of local disk data that is complete; others are for replicated disks.
"""


@frozen
class Found:
    """
    A disk that is there.

    @ivar path: The file or device on this machine, the root included.
    @ivar size: In MiB.
    @ivar backend: What OS scripts are told that it is: C{block} or C{file:DRIVER}.
    """

    path: Path
    size: int
    backend: str
    is_degraded: bool = False
    ldisk_status: int = OK


class DiskTemplate(Protocol):
    """
    One kind of disk.
    """

    @property
    def name(self) -> str:
        """
        Its name in the configuration.
        """

    def create(self, context: Context, disk: DiskArgument, size: int) -> list[Any]:
        """
        Make the disk. What an earlier attempt at the same disk (by its UUID) left is used or replaced.

        @param size: In MiB.
        @return: What identifies the disk: its C{logical_id}.
        @raise FunctionError: There is another disk in its place, or no space.
        """

    def remove(self, context: Context, disk: DiskArgument) -> None:
        """
        Destroy the disk; without it, do nothing.
        """

    def assemble(self, context: Context, disk: DiskArgument) -> Found:
        """
        Make the disk usable on this node.

        @raise FunctionError: It is not there.
        """

    def shutdown(self, context: Context, disk: DiskArgument) -> None:
        """
        Undo L{assemble}.
        """

    def find(self, context: Context, disk: DiskArgument) -> Found | None:
        """
        The disk, if it is there and usable.
        """

    def grow(self, context: Context, disk: DiskArgument, size: int, *, dry_run: bool) -> None:
        """
        Make the disk larger; one that is so large already stays as it is.

        @param size: In MiB, what it shall have.
        @param dry_run: Only look whether it could.
        @raise FunctionError: It is not there, or there is no space; then it has the size that it had.
        """

    def wipe(self, context: Context, disk: DiskArgument, offset: int, size: int) -> None:
        """
        Overwrite a part of the disk with zeros.

        @param offset: Where it begins, in MiB.
        @param size: How long it is, in MiB.
        @raise FunctionError: It is not there, or ends before that.
        """

    def opened(
        self, context: Context, disk: DiskArgument, *, writable: bool = True
    ) -> AbstractContextManager[int]:
        """
        A descriptor of the file or device that is the disk, closed when the context is left.

        @raise FunctionError: It is not there.
        """
