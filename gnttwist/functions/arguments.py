"""
Checks of what calls bring: a wrong argument becomes a L{FunctionError} that names it.

The caller may be hostile, so nothing of an argument reaches a path, a program or a file before it went through
here.
"""

import re
from typing import Any, TypeVar

import msgspec

from gnttwist.functions.registry import FunctionError
from gnttwist.wire.call_types import DiskArgument, InstanceArgument

T = TypeVar("T")

NAME_LIMIT = 200
"""
Most characters of a name that becomes part of a file's name: the kernel's 255 bytes, less what is added to it.
"""

VIRTUAL = "/###-VIRTUAL-PATH-###,"
"""
What masters of virtual clusters put before a path that is without the root: Ganeti's.
"""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")


def name(value: object, what: str) -> str:
    """
    A name that is safe as a file's name: no slash, no leading dot or hyphen, no control character.
    """
    if not isinstance(value, str) or len(value) > NAME_LIMIT or not _NAME.fullmatch(value):
        raise FunctionError(f"Invalid {what}: {_shown(value)}")
    return value


def canonical(path: str) -> str:
    """
    A path without the root, as masters send it: those of virtual clusters mark it.
    """
    return path.removeprefix(VIRTUAL)


def text(value: object, what: str) -> str:
    """
    Any text without a null character, which no path, argument or variable can hold.
    """
    if not isinstance(value, str) or "\0" in value:
        raise FunctionError(f"Invalid {what}: {_shown(value)}")
    return value


def names(value: object, what: str) -> list[str]:
    """
    A list of names.
    """
    return [name(each, what) for each in shaped(list[Any], value, f"list of {what}s")]


def size(value: object, what: str) -> int:
    """
    A positive number of MiB.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise FunctionError(f"Invalid {what}: {_shown(value)} is not a positive whole number of MiB")
    return value


def seconds(value: object, what: str, most: float) -> float:
    """
    A time span between 0 and C{most}.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise FunctionError(f"Invalid {what}: {_shown(value)} is not between 0 and {most:.0f} seconds")
    return value


def shaped(kind: type[T], value: object, what: str) -> T:
    """
    A value of the given type; members that a struct does not name are ignored.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as reason:
        raise FunctionError(f"Invalid {what}: {reason}") from reason


def disk(value: object) -> DiskArgument:
    """
    A disk.
    """
    return shaped(DiskArgument, value, "disk")


def instance(value: object) -> InstanceArgument:
    """
    An instance whose name is safe as a file's name.
    """
    found = shaped(InstanceArgument, value, "instance")
    name(found.name, "instance name")
    return found


def _shown(value: object) -> str:
    """
    The value as messages have it, at a bearable length.
    """
    shown = repr(value)
    return shown if len(shown) <= 100 else f"{shown[:100]}..."
