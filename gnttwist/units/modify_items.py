"""
Changes to an instance's list of disks or of network interfaces, as users ask for them. Pure.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from attrs import frozen

from gnttwist.errors import ECode
from gnttwist.units.values import refuse

ACTIONS = ("add", "modify", "remove")
UNSUPPORTED = ("attach", "detach")
LAST = -1
"""
The index that means the last item, or the place behind it.
"""


class Item(Protocol):
    """
    A disk or a network interface.
    """

    @property
    def uuid(self) -> str:
        """
        Its UUID.
        """

    @property
    def name(self) -> str | None:
        """
        The name that a user may have given it.
        """


@frozen
class Edit:
    """
    One change.

    @ivar action: One of L{ACTIONS}.
    @ivar which: An index, L{LAST}, or an item's name or UUID.
    """

    action: str
    which: int | str
    members: dict[str, Any]


def edits(given: Sequence[Sequence[Any]], what: str) -> list[Edit]:
    """
    The changes of one list: C{[action, which, members]} each, or Ganeti's older C{[action or index, members]}.

    @param what: C{disks} or C{nics}.
    @raise OpPrereqError: A change has another form, or is not supported.
    """
    return [_edit(each, f"{what}[{index}]") for index, each in enumerate(given)]


def _edit(given: Sequence[Any], what: str) -> Edit:
    match given:
        case [str(action), int() | str() as which, dict(members)] if not isinstance(which, bool):
            pass
        case [str(action), dict(members)] if action in ACTIONS + UNSUPPORTED:
            which = LAST
        case [int() | str() as which, dict(members)] if not isinstance(which, bool):
            action = "modify"
        case _:
            raise refuse(f"{what}: {given!r:.60} is not [action, which, members]")
    if action in UNSUPPORTED:
        raise refuse(f"{what}: {action!r} is not supported by this version; add, modify and remove are")
    if action not in ACTIONS:
        raise refuse(f"{what}: {action!r:.60} is none of {', '.join(ACTIONS)}")
    if action == "remove" and members:
        raise refuse(f"{what}: what is removed cannot be changed as well; leave {', '.join(members)} out")
    if isinstance(which, str) and which.lstrip("-").isdigit():
        which = int(which[:9])
    return Edit(action, which, members)


def place(edit: Edit, items: Sequence[Item], what: str) -> int:
    """
    The index of the item that a change is about, or for an addition the one that it will have.

    @param what: C{disk} or C{nic}.
    @raise OpPrereqError: There is no such item.
    """
    room = len(items) + (edit.action == "add")
    if isinstance(edit.which, str):
        found = [index for index, each in enumerate(items) if edit.which in (each.uuid, each.name)]
        if not found:
            raise refuse(f"{what}: there is none of the name or UUID {edit.which!r:.60}", ECode.NOENT)
        return found[0]
    index = room - 1 if edit.which == LAST else edit.which
    if not 0 <= index < room:
        have = f"0 to {room - 1}" if room else "none"
        raise refuse(
            f"{what}: there is no place {edit.which} to {edit.action}; there are {have}", ECode.NOENT
        )
    return index


def unique_names(items: Sequence[Item], what: str) -> None:
    """
    Check that items can be told apart by their names.

    @raise OpPrereqError: Two have the same name, or one has a number for a name.
    """
    names = [each.name for each in items if each.name is not None]
    for name in names:
        if name.isdigit():
            raise refuse(f"{what}: the name {name!r:.60} would be taken for an index")
        if names.count(name) > 1:
            raise refuse(f"{what}: two would have the name {name!r:.60}", ECode.NOTUNIQUE)
