"""
The whole configuration as of one revision: an immutable value that shares its parts with its neighbours.

Persistent maps make a changed copy cost what changed, whatever the number of objects.
"""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from attrs import evolve, field, frozen
from rpds import HashTrieMap, HashTrieSet

from gnttwist.errors import ECode, OpPrereqError
from gnttwist.model.objects import (
    Cluster,
    ConfigObject,
    Disk,
    Instance,
    JobFilter,
    Network,
    Node,
    NodeGroup,
)

T = TypeVar("T", Node, NodeGroup, Network, Instance)
AnyObject = Cluster | Node | NodeGroup | Network | Instance | Disk | JobFilter
"""
Everything that is a key of the configuration.
"""


def _empty() -> "HashTrieMap[str, str]":
    return HashTrieMap()


@frozen
class Table(Generic[T]):
    """
    Objects of one kind by UUID, with an index by name.

    @ivar word: What messages call the kind.
    """

    word: str
    by_uuid: "HashTrieMap[str, T]" = field(factory=HashTrieMap)
    uuid_by_name: "HashTrieMap[str, str]" = field(factory=_empty)

    def __len__(self) -> int:
        return len(self.by_uuid)

    def __iter__(self) -> Iterator[T]:
        """
        All objects, by name.
        """
        return iter(sorted(self.by_uuid.values(), key=lambda each: each.name))

    def __contains__(self, uuid: str) -> bool:
        return uuid in self.by_uuid

    def __getitem__(self, uuid: str) -> T:
        return self.by_uuid[uuid]

    def get(self, uuid: str) -> T | None:
        """
        The object of this UUID, if there is one.
        """
        return self.by_uuid.get(uuid)

    def named(self, name: str) -> T | None:
        """
        The object of exactly this name, if there is one.
        """
        uuid = self.uuid_by_name.get(name)
        return None if uuid is None else self.by_uuid[uuid]

    def find(self, name: str) -> T:
        """
        The object that a user means by a UUID, a name, or a name's unambiguous beginning up to a dot.

        @raise OpPrereqError: There is none (C{unknown_entity}), or more than one.
        """
        exact = self.named(name) or self.get(name)
        if exact is not None:
            return exact
        found = sorted(each for each in self.uuid_by_name if name and each.startswith(name + "."))
        if len(found) > 1:
            raise OpPrereqError(
                f"{self.word} name {name} has multiple matches: {', '.join(found)}", ECode.NOTUNIQUE
            )
        if not found:
            raise OpPrereqError(f"{self.word} name {name} not found", ECode.NOENT)
        return self.by_uuid[self.uuid_by_name[found[0]]]

    def with_object(self, value: T) -> "Table[T]":
        """
        A table with C{value} added or replaced.
        """
        names = self.uuid_by_name
        old = self.by_uuid.get(value.uuid)
        if old is not None and old.name != value.name:
            names = names.remove(old.name)
        return evolve(
            self,
            by_uuid=self.by_uuid.insert(value.uuid, value),
            uuid_by_name=names.insert(value.name, value.uuid),
        )

    def without(self, uuid: str) -> "Table[T]":
        """
        A table that lacks the object.

        @raise KeyError: It was not there.
        """
        return evolve(
            self,
            by_uuid=self.by_uuid.remove(uuid),
            uuid_by_name=self.uuid_by_name.remove(self.by_uuid[uuid].name),
        )


def _nodes() -> Table[Node]:
    return Table("Node")


def _groups() -> Table[NodeGroup]:
    return Table("NodeGroup")


def _networks() -> Table[Network]:
    return Table("Network")


def _instances() -> Table[Instance]:
    return Table("Instance")


@frozen
class Snapshot:
    """
    The configuration as of a revision.

    @ivar revision: The store's revision at the last change.
    @ivar serial: The cluster's serial number: one more per configuration transaction.
    @ivar ctime: When the configuration was made, in seconds since the epoch.
    @ivar mtime: When it was last changed.
    @ivar instances_by_node: Primary node UUID to the UUIDs of its instances.
    @ivar written: Store keys of the objects that the change which made it wrote or removed, if one did.
    """

    cluster: Cluster
    serial: int
    revision: int = 0
    ctime: float = 0.0
    mtime: float = 0.0
    nodes: Table[Node] = field(factory=_nodes)
    groups: Table[NodeGroup] = field(factory=_groups)
    networks: Table[Network] = field(factory=_networks)
    instances: Table[Instance] = field(factory=_instances)
    disks: "HashTrieMap[str, Disk]" = field(factory=HashTrieMap)
    filters: "HashTrieMap[str, JobFilter]" = field(factory=HashTrieMap)
    instances_by_node: "HashTrieMap[str, HashTrieSet[str]]" = field(factory=HashTrieMap)
    written: tuple[str, ...] = field(default=(), eq=False)

    @property
    def master(self) -> Node:
        """
        The master node.
        """
        return self.nodes[self.cluster.master_node]

    def disks_of(self, instance: Instance) -> list[Disk]:
        """
        An instance's disks, in order.
        """
        return [self.disks[uuid] for uuid in instance.disks]

    def instances_on(self, node: Node) -> list[Instance]:
        """
        The instances whose primary node is C{node}, by name.
        """
        found = self.instances_by_node.get(node.uuid) or ()
        return sorted((self.instances[uuid] for uuid in found), key=lambda each: each.name)

    def with_object(self, value: AnyObject) -> "Snapshot":
        """
        A snapshot with C{value} added or replaced.
        """
        match value:
            case Cluster():
                return evolve(self, cluster=value)
            case Node():
                return evolve(self, nodes=self.nodes.with_object(value))
            case NodeGroup():
                return evolve(self, groups=self.groups.with_object(value))
            case Network():
                return evolve(self, networks=self.networks.with_object(value))
            case Disk():
                return evolve(self, disks=self.disks.insert(value.uuid, value))
            case JobFilter():
                return evolve(self, filters=self.filters.insert(value.uuid, value))
            case Instance():
                return evolve(
                    self, instances=self.instances.with_object(value), instances_by_node=self._placed(value)
                )

    def without(self, kind: type[AnyObject], uuid: str) -> "Snapshot":
        """
        A snapshot that lacks an object.

        @raise KeyError: It was not there.
        """
        if kind is Node:
            return evolve(self, nodes=self.nodes.without(uuid))
        if kind is NodeGroup:
            return evolve(self, groups=self.groups.without(uuid))
        if kind is Network:
            return evolve(self, networks=self.networks.without(uuid))
        if kind is Disk:
            return evolve(self, disks=self.disks.remove(uuid))
        if kind is JobFilter:
            return evolve(self, filters=self.filters.remove(uuid))
        if kind is Instance:
            return evolve(
                self, instances=self.instances.without(uuid), instances_by_node=self._unplaced(uuid)
            )
        raise KeyError(f"{kind.__name__} cannot be removed")

    def _placed(self, value: Instance) -> "HashTrieMap[str, HashTrieSet[str]]":
        old = self.instances.get(value.uuid)
        if old is not None and old.primary_node == value.primary_node:
            return self.instances_by_node
        placed = self._unplaced(value.uuid)
        there = placed.get(value.primary_node) or HashTrieSet()
        return placed.insert(value.primary_node, there.insert(value.uuid))

    def _unplaced(self, uuid: str) -> "HashTrieMap[str, HashTrieSet[str]]":
        old = self.instances.get(uuid)
        if old is None:
            return self.instances_by_node
        there = self.instances_by_node[old.primary_node].remove(uuid)
        return self.instances_by_node.insert(old.primary_node, there)

    def with_objects(self, values: Iterable[AnyObject]) -> "Snapshot":
        """
        A snapshot with all of C{values}.
        """
        result = self
        for each in values:
            result = result.with_object(each)
        return result


def key_of(value: AnyObject) -> str:
    """
    The store key of an object.
    """
    return "/config/cluster" if isinstance(value, Cluster) else f"{PREFIXES[type(value)]}{value.uuid}"


PREFIXES: dict[type[ConfigObject] | type[JobFilter], str] = {
    Node: "/config/node/",
    NodeGroup: "/config/group/",
    Network: "/config/network/",
    Instance: "/config/instance/",
    Disk: "/config/disk/",
    JobFilter: "/config/filter/",
}
"""
Under which prefix each kind's objects are; the cluster is C{/config/cluster}, the serial C{/config/serial}.
"""

SERIAL_KEY = "/config/serial"
"""
The key whose value is the cluster's serial number, in decimal.
"""

TIMES_KEY = "/config/times"
"""
The key whose value is when the configuration was made and when it was last changed: a JSON list of seconds since the
epoch. The objects' own times cannot tell, because removed objects take theirs along.
"""
