"""
Fields that several resources have.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gnttwist.model.objects import Instance, Network, Node, NodeGroup
from gnttwist.query.fields.definition import Field, Kind

R = TypeVar("R")

NODE_PARAMETERS: Mapping[str, tuple[str, Kind, str]] = {
    "cpu_speed": ("ndp/cpu_speed", "float", "Speed of a processor, relative to others"),
    "exclusive_storage": ("ExclusiveStorage", "bool", "Whether each disk has physical volumes of its own"),
    "oob_program": ("OutOfBandProgram", "other", "Program for out-of-band power control"),
    "ovs": ("OpenvSwitch", "bool", "Whether Open vSwitch is used"),
    "ovs_link": ("OpenvSwitchLink", "other", "Interface that Open vSwitch is connected to"),
    "ovs_name": ("OpenvSwitchName", "other", "Name of the Open vSwitch"),
    "spindle_count": ("SpindleCount", "number", "Number of spindles"),
    "ssh_port": ("ndp/ssh_port", "number", "Port of the ssh daemon"),
}
"""
Node parameters: title, kind and description of their fields.
"""


def object_fields(word: str, get: Callable[[R], Node | NodeGroup | Network | Instance]) -> list[Field[R]]:
    """
    The fields of everything that is an object of the configuration and has tags.
    """
    return [
        Field("uuid", "UUID", "text", f"{word} UUID", lambda row: get(row).uuid),
        Field(
            "serial_no",
            "SerialNo",
            "number",
            f"{word} serial number, one more with each change",
            lambda row: get(row).serial_no,
        ),
        Field(
            "ctime", "CTime", "timestamp", f"When the {word.lower()} was created", lambda row: get(row).ctime
        ),
        Field(
            "mtime",
            "MTime",
            "timestamp",
            f"When the {word.lower()} was last changed",
            lambda row: get(row).mtime,
        ),
        Field("tags", "Tags", "other", "Tags", lambda row: sorted(get(row).tags)),
    ]


def node_parameter_fields(get: Callable[[R], Mapping[str, Any]]) -> list[Field[R]]:
    """
    One field for each node parameter.

    @param get: A row's filled node parameters.
    """

    def reader(name: str) -> Callable[[R], Any]:
        return lambda row: get(row).get(name)

    return [
        Field(f"ndp/{name}", title, kind, doc, reader(name))
        for name, (title, kind, doc) in NODE_PARAMETERS.items()
    ]
