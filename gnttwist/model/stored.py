"""
How values go into and out of the store: JSON objects, with what we do not know kept.

A field that a newer version wrote is not lost when this version changes the object: it travels in C{extra}.
"""

from typing import Any, ClassVar, TypeVar

import msgspec

from gnttwist.errors import LocalError


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """
    The base of everything that is one key of the store.

    @ivar extra: Members that this version has no field for, as decoded JSON.
    @cvar nested: Fields that are lists of stored values, which have extra members of their own.
    """

    nested: ClassVar[dict[str, type["Stored"]]] = {}
    extra: dict[str, Any] = {}


T = TypeVar("T", bound=Stored)


class Undecodable(LocalError):
    """
    A stored value is not what its key promises.
    """


def decode(kind: type[T], data: bytes) -> T:
    """
    Read one stored object.

    @raise Undecodable: The bytes are not JSON, or a field has the wrong type.
    """
    try:
        members: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
        return from_members(kind, members)
    except (msgspec.DecodeError, msgspec.ValidationError) as reason:
        raise Undecodable(f"{kind.__name__}: {reason}") from reason


def from_members(kind: type[T], members: dict[str, Any]) -> T:
    """
    Make an object of decoded JSON members.

    @raise msgspec.ValidationError: A member is missing or has the wrong type.
    """
    known = {name: members[name] for name in kind.__struct_fields__ if name in members and name != "extra"}
    unknown = {name: value for name, value in members.items() if name not in known}
    for name, inner in kind.nested.items():
        if name in known:
            known[name] = [_fold(inner, each) for each in known[name]]
    return msgspec.convert({**known, "extra": unknown}, kind)


def _fold(kind: type[Stored], members: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in members.items() if name in kind.__struct_fields__}
    return {**known, "extra": {name: value for name, value in members.items() if name not in known}}


def encode(value: Stored) -> bytes:
    """
    Write one stored object, its extra members beside its own.
    """
    members = msgspec.to_builtins(value)
    for name in value.nested:
        members[name] = [{**each.pop("extra"), **each} for each in members[name]]
    return msgspec.json.encode({**members.pop("extra"), **members})


def to_members(value: Stored) -> dict[str, Any]:
    """
    An object's own members as plain values, without the extra ones: for Ganeti's closed schemas.
    """
    members: dict[str, Any] = msgspec.to_builtins(value)
    for name in value.nested:
        for each in members[name]:
            del each["extra"]
    del members["extra"]
    return members
