"""
The fields of the cluster itself, which only jobs can query.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from gnttwist.errors import ECode, OpPrereqError
from gnttwist.query.fields.definition import Field, Kind, Resource
from gnttwist.query.sources import Sources

Row = Mapping[str, Any]

_FIELDS: tuple[tuple[str, str, Kind, str], ...] = (
    ("architecture", "ArchInfo", "other", "Architecture of the master node"),
    ("cluster_name", "Name", "text", "Name of the cluster"),
    ("config_version", "ConfigVersion", "number", "Version of the configuration's format"),
    ("ctime", "CTime", "timestamp", "When the cluster was created"),
    ("drain_flag", "QueueDrained", "bool", "Whether the queue takes no jobs"),
    ("export_version", "ExportVersion", "number", "Version of the format of exports"),
    ("master_node", "Master", "text", "Name of the master node"),
    ("mtime", "MTime", "timestamp", "When the cluster was last changed"),
    ("name", "Name", "text", "Name of the cluster"),
    ("os_api_version", "OsApiVersion", "number", "Version of the interface of operating systems"),
    ("protocol_version", "ProtocolVersion", "number", "Version of the protocol between nodes"),
    ("software_version", "SoftwareVersion", "text", "Version of the software"),
    ("tags", "Tags", "other", "Tags"),
    ("vcs_version", "VCSVersion", "text", "Version of the software's sources"),
    ("volume_group_name", "VgName", "text", "Volume group of logical volumes"),
    ("watcher_pause", "WatcherPause", "timestamp", "Until when the watcher keeps still"),
)


def _field(name: str, title: str, kind: Kind, doc: str) -> Field[Row]:
    get: Callable[[Row], Any] = lambda row: row.get(name)  # noqa: E731  # typed, which a def in a loop is not
    return Field(name, title, kind, doc, get, host_name=name == "master_node")


def _rows(sources: Sources, fields: Collection[str]) -> Sequence[Row]:
    return [sources.cluster()]


def _named(sources: Sources, names: Sequence[str | int]) -> Sequence[Row]:
    row = sources.cluster()
    for each in names:
        if each != row["name"]:
            raise OpPrereqError(f"There is no cluster {each}", ECode.NOENT)
    return [row]


CLUSTER: Resource[Row] = Resource(
    name_field="name", rows=_rows, named=_named, fields={each[0]: _field(*each) for each in _FIELDS}
)
