"""
What nodes are asked for live fields, and how their answers are read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError
from gnttwist.model.objects import Node
from gnttwist.query.fields.definition import Missing
from gnttwist.query.sources import Live, LiveCall

STORAGE_UNITS: Mapping[str, str] = {
    "file": "file",
    "sharedfile": "sharedfile",
    "gluster": "gluster",
    "plain": "lvm-vg",
    "drbd": "lvm-vg",
}
"""
Which kind of storage unit has the disks of a template; others have none that can be measured.
"""


async def ask(live: Live, calls: Sequence[LiveCall]) -> dict[str, Any]:
    """
    Ask nodes, one call each. A node that is marked offline is not asked.

    @return: By node UUID: the payload, or why there is none.
    """
    online = [each for each in calls if not each.node.offline]
    answers = await live(online) if online else ()
    found: dict[str, Any] = {each.node.uuid: Missing.OFFLINE for each in calls}
    for call, answer in zip(online, answers, strict=True):
        found[call.node.uuid] = Missing.NO_DATA if isinstance(answer, NodeError) else answer
    return found


def node_info_call(config: Snapshot, node: Node) -> LiveCall:
    """
    The question for a node's memory, processors and space.
    """
    hypervisor = config.cluster.enabled_hypervisors[:1]
    specs = [[each, config.cluster.hvparams.get(each, {})] for each in hypervisor]
    return LiveCall(node, "node_info", [storage_units(config), specs])


def storage_units(config: Snapshot) -> list[list[Any]]:
    """
    C{[type, name, parameters]} of what disks of the enabled templates lie on, once each.
    """
    cluster = config.cluster
    names = {
        "file": cluster.file_storage_dir,
        "sharedfile": cluster.shared_file_storage_dir,
        "gluster": cluster.gluster_storage_dir,
        "lvm-vg": cluster.volume_group_name,
    }
    units: list[list[Any]] = []
    for template in cluster.enabled_disk_templates:
        kind = STORAGE_UNITS.get(template)
        unit = [kind, names.get(kind or ""), [False] if kind == "lvm-vg" else []]
        if unit[1] and unit not in units:
            units.append(unit)
    return units


class Memory(msgspec.Struct, frozen=True):
    """
    A hypervisor's numbers, as far as fields show them; memory in MiB.
    """

    memory_total: int
    memory_free: int
    memory_dom0: int
    cpu_total: int
    cpu_nodes: int
    cpu_sockets: int
    cpu_dom0: int


class Unit(msgspec.Struct, frozen=True):
    """
    A storage unit's numbers, in MiB, where they can be had.
    """

    type: str
    storage_size: int | None = None
    storage_free: int | None = None


class NodeInfo(msgspec.Struct, frozen=True, array_like=True):
    """
    A node's answer to C{node_info}.
    """

    boot_id: str
    units: list[Unit] | None
    hypervisors: list[Memory] | None

    @property
    def memory(self) -> Memory | Missing:
        """
        The first hypervisor's numbers.
        """
        return self.hypervisors[0] if self.hypervisors else Missing.NO_DATA

    def unit(self, *, spindles: bool) -> Unit | Missing:
        """
        The first unit of physical volumes, or the first of any other kind.
        """
        found = (each for each in self.units or () if (each.type == "lvm-pv") == spindles)
        return next(found, Missing.NO_DATA)


class Guest(msgspec.Struct, frozen=True):
    """
    What a node knows of a running instance.

    @ivar memory: In MiB.
    @ivar state: 0 for running, 1 for one that ended by itself.
    """

    memory: int
    vcpus: int
    state: int = 0


def node_info(answer: Any) -> NodeInfo | Missing:
    """
    Read an answer to C{node_info}; one that is none is as good as no answer.
    """
    if isinstance(answer, Missing):
        return answer
    try:
        return msgspec.convert(answer, NodeInfo)
    except msgspec.ValidationError:
        return Missing.NO_DATA


def guests(answer: Any) -> Mapping[str, Guest] | Missing:
    """
    Read an answer to C{all_instances_info}.
    """
    if isinstance(answer, Missing):
        return answer
    try:
        return msgspec.convert(answer, dict[str, Guest])
    except msgspec.ValidationError:
        return Missing.NO_DATA


def nodes_of(config: Snapshot, uuids: Iterable[str]) -> list[Node]:
    """
    The nodes of these UUIDs, once each.
    """
    return [config.nodes[each] for each in dict.fromkeys(uuids) if each in config.nodes]
