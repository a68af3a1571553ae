"""
The types that the table of node functions is written in: plain JSON types, and the configuration's objects.

Objects are given with what functions use of them; other members may be there and are not looked at. What the table
cannot say (names that must be safe, paths that must be in a tree) is each function's own to check.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gnttwist.errors import RemoteError


class WrongArguments(RemoteError):
    """
    A call's arguments are not what the table says. Its text names the function, the argument and the type.
    """


class DiskArgument(msgspec.Struct, frozen=True, kw_only=True):
    """
    What functions use of a disk.

    @ivar size: In MiB.
    """

    dev_type: str
    logical_id: Sequence[Any] = ()
    size: int = 0
    uuid: str = ""
    mode: str = "rw"
    name: str | None = None
    params: dict[str, Any] = {}


class NetworkArgument(msgspec.Struct, frozen=True, kw_only=True):
    """
    What functions use of the network that a NIC is in.
    """

    name: str
    uuid: str
    network: str | None = None
    gateway: str | None = None
    network6: str | None = None
    gateway6: str | None = None
    mac_prefix: str | None = None
    tags: list[str] = []


class NicArgument(msgspec.Struct, frozen=True, kw_only=True):
    """
    What functions use of a network interface; its parameters are filled.
    """

    mac: str
    uuid: str = ""
    name: str | None = None
    ip: str | None = None
    nicparams: dict[str, Any] = {}
    netinfo: NetworkArgument | None = None


class InstanceArgument(msgspec.Struct, frozen=True, kw_only=True):
    """
    What functions use of an instance; its parameters are filled.
    """

    name: str
    hypervisor: str
    uuid: str = ""
    os: str = ""
    primary_node: str = ""
    secondary_nodes: list[str] = []
    ctime: float | None = None
    mtime: float | None = None
    hvparams: dict[str, Any] = {}
    beparams: dict[str, Any] = {}
    osparams: dict[str, Any] = {}
    osparams_private: dict[str, Any] = {}
    osparams_secret: dict[str, Any] = {}
    nics: list[NicArgument] = []
    disks_info: list[DiskArgument] = []
    network_port: int | None = None
    tags: list[str] = []


OBJECTS: tuple[type[msgspec.Struct], ...] = (InstanceArgument, DiskArgument, NicArgument, NetworkArgument)
"""
The objects that calls carry, for their description in the documentation.
"""


def check_types(function: str, types: Mapping[str, Any], values: Sequence[Any]) -> None:
    """
    See that positional arguments are of the types that the table has for them.

    @param types: The table's types by argument's name, in their order.
    @param values: The arguments, of which the last may be missing.
    @raise WrongArguments: One is not.
    """
    for (name, kind), value in zip(types.items(), values, strict=False):
        try:
            msgspec.convert(value, kind)
        except (msgspec.ValidationError, RecursionError) as reason:
            raise WrongArguments(
                f"wrong argument {name} for {function}, which is {shown(kind)}: {reason}"
            ) from reason


def shown(kind: Any) -> str:
    """
    A type as documentation and messages have it.
    """
    if kind is None or kind is type(None):
        return "null"
    text = inspect.formatannotation(kind)
    for noise in ("gnttwist.wire.call_types.", "collections.abc.", "typing."):
        text = text.replace(noise, "")
    return text.replace("None", "null")
