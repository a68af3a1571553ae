"""
Reading Ganeti's C{config.data}, of 3.0 and 3.1 (reference: configuration). Pure.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from attrs import frozen

from gnttwist.config.defaults import HYPERVISOR_PARAMETERS
from gnttwist.config.snapshot import AnyObject, Snapshot
from gnttwist.errors import ConfigurationError
from gnttwist.model.objects import Cluster, Disk, Instance, JobFilter, Network, Node, NodeGroup
from gnttwist.model.stored import Stored, from_members

T = TypeVar("T", bound=Stored)

VERSIONS = (3_000_000, 3_010_000)
"""
What can be read: 3.0 and 3.1. Older files go through Ganeti's own upgrade first.
"""

MOST_JOBS = 2**53
"""
Clients in other languages read no larger numbers exactly.
"""

_KINDS: Mapping[str, type[Any]] = {
    "nodes": Node,
    "nodegroups": NodeGroup,
    "instances": Instance,
    "networks": Network,
    "disks": Disk,
    "filters": JobFilter,
}
_OPTIONAL = frozenset({"networks", "disks", "filters"})
_OWN = frozenset({"version", "cluster", "serial_no", "ctime", "mtime"})


@frozen
class Imported:
    """
    What a file says.

    @ivar serial: The file's serial number, which goes on.
    """

    objects: list[AnyObject]
    serial: int
    ctime: float
    mtime: float

    @property
    def snapshot(self) -> Snapshot:
        """
        The configuration that the objects make.
        """
        (cluster,) = (each for each in self.objects if isinstance(each, Cluster))
        return Snapshot(cluster=cluster, serial=self.serial, ctime=self.ctime, mtime=self.mtime).with_objects(
            self.objects
        )


def read(data: bytes) -> Imported:
    """
    Read a file.

    @raise ConfigurationError: It is not JSON, of a version that cannot be read, or contradicts itself.
    """
    try:
        document = msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.DecodeError as reason:
        raise ConfigurationError(f"the configuration is not a JSON object: {reason}") from reason
    return import_data(document)


def read_job_serial(data: bytes) -> int:
    """
    Read the queue's C{serial} file: the last number that a job was given.

    @raise ConfigurationError: It does not hold a number.
    """
    text = data.strip()
    if not text.isdigit() or not 0 <= int(text) < MOST_JOBS:
        raise ConfigurationError(f"the job queue's serial is not a number of a job: {text[:40]!r}")
    return int(text)


def import_data(document: Mapping[str, Any]) -> Imported:
    """
    Take over a configuration. Members of objects that this version does not know are kept with them.

    @raise ConfigurationError: It is of a version that cannot be read, lacks something, or contradicts itself.
    """
    version = document.get("version")
    if version not in VERSIONS:
        raise ConfigurationError(f"the configuration's version is {version}; 3.0 and 3.1 can be read")
    unknown = sorted(set(document) - set(_KINDS) - _OWN)
    if unknown:
        raise ConfigurationError(f"the configuration has parts that are unknown here: {', '.join(unknown)}")
    try:
        serial, ctime, mtime = int(document["serial_no"]), float(document["ctime"]), float(document["mtime"])
        objects: list[AnyObject] = [_cluster(document["cluster"])]
        for part, kind in _KINDS.items():
            members = document.get(part, {}) if part in _OPTIONAL else document[part]
            objects += (_object(kind, uuid, each) for uuid, each in members.items())
    except KeyError as missing:
        raise ConfigurationError(f"the configuration lacks {missing.args[0]}") from missing
    except (TypeError, AttributeError, ValueError) as reason:
        raise ConfigurationError(f"the configuration is damaged: {reason}") from reason
    found = Imported(objects, serial, ctime, mtime)
    check(found.snapshot)
    return found


def _cluster(members: Mapping[str, Any]) -> Cluster:
    cluster = _from(Cluster, "cluster", members)
    # 3.1 has dropped some parameters that 3.0's programs want to see, and a value of another.
    filled = {
        name: {**defaults, **cluster.hvparams.get(name, {})}
        for name, defaults in HYPERVISOR_PARAMETERS.items()
    }
    return msgspec.structs.replace(cluster, hvparams={**cluster.hvparams, **filled})


def _object(kind: type[T], uuid: str, members: Mapping[str, Any]) -> T:
    if members.get("uuid") != uuid:
        raise ConfigurationError(f"the configuration's {kind.__name__} {uuid} has another UUID inside")
    # A group's list of members is not a fact of its own: nodes say which group they are in.
    return _from(kind, uuid, {name: value for name, value in members.items() if name != "members"})


def _from(kind: type[T], what: str, members: Mapping[str, Any]) -> T:
    try:
        return from_members(kind, {name: value for name, value in members.items() if value is not None})
    except msgspec.ValidationError as reason:
        raise ConfigurationError(f"the configuration's {kind.__name__} {what}: {reason}") from reason


def check(config: Snapshot) -> None:
    """
    See that every reference leads somewhere.

    @raise ConfigurationError: One does not.
    """
    cluster = config.cluster
    missing = [] if cluster.master_node in config.nodes else [f"the master node {cluster.master_node}"]
    for node in config.nodes:
        if node.group not in config.groups:
            missing.append(f"group {node.group} of node {node.name}")
    for instance in config.instances:
        if instance.primary_node not in config.nodes:
            missing.append(f"node {instance.primary_node} of instance {instance.name}")
        missing += (
            f"disk {uuid} of instance {instance.name}" for uuid in instance.disks if uuid not in config.disks
        )
        missing += (
            f"network {nic.network} of instance {instance.name}"
            for nic in instance.nics
            if nic.network is not None and nic.network not in config.networks
        )
    if missing:
        raise ConfigurationError(f"the configuration refers to what it does not have: {'; '.join(missing)}")
