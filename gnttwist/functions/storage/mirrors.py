"""
The functions that concern disks with copies on several nodes. Of the disks that there are none has copies: they are
always complete, can be opened by everybody, and have nothing to pause.
"""

from collections.abc import Iterator
from typing import Any

from gnttwist.functions import arguments
from gnttwist.functions.registry import Context, FunctionError, function
from gnttwist.functions.storage import links
from gnttwist.functions.storage.blockdev import status, usable
from gnttwist.functions.storage.interface import Found
from gnttwist.functions.storage.table import template
from gnttwist.wire.call_types import DiskArgument


@function("blockdev_open")
def blockdev_open(context: Context, instance_name: Any, disks: Any, exclusive: Any) -> None:
    """
    Make an instance's disks usable for it on this node, and link to them.

    @param exclusive: Whether no other node shall be able to use them, which these disks do not see to.
    """
    name = arguments.name(instance_name, "instance name")
    for index, found in enumerate([usable(context, each) for each in _disks(disks)]):
        links.make(context, name, index, found.path)


@function("blockdev_close")
def blockdev_close(context: Context, instance_name: Any, disks: Any) -> None:
    """
    Undo L{blockdev_open}.

    @param instance_name: Whose links to remove; with an empty name they stay.
    """
    name = arguments.name(instance_name, "instance name") if instance_name else None
    for each in _disks(disks):
        usable(context, each)
    if name is not None:
        links.remove(context, name)


@function("blockdev_pause_resume_sync")
def blockdev_pause_resume_sync(context: Context, disks: Any, pause: Any) -> list[tuple[bool, str | None]]:
    """
    Stop making copies the same, or go on with it: nothing to do, if the disks are there.

    @return: C{[done, reason]} for each.
    """
    return [(False, each) if isinstance(each, str) else (True, None) for each in _each(context, disks)]


@function("blockdev_getmirrorstatus")
def blockdev_getmirrorstatus(context: Context, disks: Any) -> list[dict[str, Any]]:
    """
    Disks' states (reference: node daemon RPC, section 4.4).

    @raise FunctionError: One is not there.
    """
    return [status(context, usable(context, each)) for each in _disks(disks)]


@function("blockdev_getmirrorstatus_multi")
def blockdev_getmirrorstatus_multi(context: Context, node_disks: Any) -> list[tuple[bool, Any]]:
    """
    Disks' states as far as they can be told.

    @return: C{[true, state]} or C{[false, reason]} for each.
    """
    return [
        (False, each) if isinstance(each, str) else (True, status(context, each))
        for each in _each(context, node_disks)
    ]


def _disks(value: Any) -> list[DiskArgument]:
    return arguments.shaped(list[DiskArgument], value, "disks")


def _each(context: Context, value: Any) -> Iterator[Found | str]:
    """
    Each disk, or why it cannot be found.
    """
    for each in _disks(value):
        try:
            found = template(each.dev_type).find(context, each)
        except FunctionError as reason:
            yield str(reason)
        else:
            yield found if found is not None else f"Can't find device {each.logical_id}"
