"""
The links by which a guest finds its disks: C{run/ganeti/instance-disks/NAME:INDEX}.
"""

import os
from contextlib import suppress
from pathlib import Path

from gnttwist.functions.registry import Context, FunctionError

MOST_DISKS = 16
"""
Disks of an instance, at most: Ganeti's limit.
"""


def _directory(context: Context) -> Path:
    return context.paths.run / "instance-disks"


def make(context: Context, instance: str, index: int, target: Path) -> Path:
    """
    Link to a disk, in the place of an older link.

    @param instance: The instance's name, which has been checked.
    @return: The link, on this machine.
    """
    if not 0 <= index < MOST_DISKS:
        raise FunctionError(f"Invalid disk index: {index}")
    directory = _directory(context)
    link = directory / f"{instance}:{index}"
    temporary = directory / f".{instance}:{index}.new"
    try:
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            temporary.unlink()
        temporary.symlink_to(target)
        os.rename(temporary, link)
    except OSError as reason:
        raise FunctionError(f"Cannot create symlink {link} to {target}: {reason.strerror}") from reason
    return link


def remove(context: Context, instance: str) -> None:
    """
    Remove all of an instance's links.
    """
    for index in range(MOST_DISKS):
        with suppress(FileNotFoundError):
            (_directory(context) / f"{instance}:{index}").unlink()


def remove_to(context: Context, target: Path) -> None:
    """
    Remove the links that lead to a disk.
    """
    try:
        found = list(_directory(context).iterdir())
    except FileNotFoundError:
        return
    for link in found:
        with suppress(OSError):  # Not a link, or gone meanwhile.
            if os.readlink(link) == str(target):
                link.unlink()
