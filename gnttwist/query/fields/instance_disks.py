"""
The fields of instances that are about disks.
"""

from collections.abc import Callable
from typing import Any

from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import Disk, Instance
from gnttwist.query.fields.definition import Field, Kind
from gnttwist.query.fields.instance_row import InstanceRow

MOST_DISKS = 16
"""
How many disks have fields of their own: Ganeti's limit for an instance.
"""

DRBD_METADATA = 128
"""
MiB that a replicated disk takes beside its own size.
"""

_NOT_COUNTED = frozenset({"blockdev", "rbd", "ext"})
"""
Templates whose disks lie on nothing that the cluster accounts for.
"""


def secondary_nodes(config: Snapshot, instance: Instance) -> list[str]:
    """
    UUIDs of the nodes, other than the primary one, that hold a copy of replicated disks.
    """
    disks = (each for each in config.disks_of(instance) if each.dev_type == "drbd")
    nodes = dict.fromkeys(node for disk in disks for node in disk.nodes)
    return [each for each in nodes if each != instance.primary_node]


def template(disks: list[Disk]) -> str:
    """
    The one template of all disks, C{diskless} for none, C{mixed} for several.
    """
    found = {each.dev_type for each in disks}
    if len(found) > 1:
        return "mixed"
    return found.pop() if found else "diskless"


def usage(disks: list[Disk]) -> int:
    """
    MiB that the disks take on nodes' storage.
    """
    return sum(
        each.size + (DRBD_METADATA if each.dev_type == "drbd" else 0)
        for each in disks
        if each.dev_type not in _NOT_COUNTED
    )


_EACH: tuple[tuple[str, str, str, Kind, str, Callable[[Disk], Any]], ...] = (
    ("name", "names", "DiskName", "text", "Name", lambda disk: disk.name),
    ("size", "sizes", "Disk", "unit", "Size in MiB", lambda disk: disk.size),
    ("spindles", "spindles", "DiskSpindles", "number", "Number of spindles", lambda disk: disk.spindles),
    ("uuid", "uuids", "DiskUUID", "text", "UUID", lambda disk: disk.uuid),
)
_LIST_TITLES = {
    "names": "Disk_names",
    "sizes": "Disk_sizes",
    "spindles": "Disk_spindles",
    "uuids": "Disk_UUIDs",
}


def _nth(index: int, get: Callable[[Disk], Any]) -> Callable[[InstanceRow], Any]:
    return lambda row: get(row.disks[index]) if index < len(row.disks) else None


def _list(get: Callable[[Disk], Any]) -> Callable[[InstanceRow], Any]:
    return lambda row: [get(each) for each in row.disks]


def disk_fields() -> list[Field[InstanceRow]]:
    """
    All of them.
    """
    result = [
        Field[InstanceRow]("disk.count", "Disks", "number", "Number of disks", lambda row: len(row.disks)),
        Field("disk_template", "Disk_template", "text", "Disk template", lambda row: template(row.disks)),
        Field("disk_usage", "DiskUsage", "unit", "Space that the disks take", lambda row: usage(row.disks)),
        Field(
            "disks_active",
            "DisksActive",
            "bool",
            "Whether the disks are in use",
            lambda row: row.instance.disks_active,
        ),
        Field("sda_size", "Disk/0", "unit", "Size in MiB of disk 0", _nth(0, lambda disk: disk.size)),
        Field("sdb_size", "Disk/1", "unit", "Size in MiB of disk 1", _nth(1, lambda disk: disk.size)),
    ]
    for name, plural, title, kind, doc, get in _EACH:
        result.append(
            Field(f"disk.{plural}", _LIST_TITLES[plural], "other", f"{doc} of each disk", _list(get))
        )
        result.extend(
            Field(
                f"disk.{name}/{index}", f"{title}/{index}", kind, f"{doc} of disk {index}", _nth(index, get)
            )
            for index in range(MOST_DISKS)
        )
    return result
