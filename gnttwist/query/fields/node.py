"""
The fields of nodes.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from typing import Any

from attrs import define, evolve

from gnttwist.config import parameters
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.names import nice_key
from gnttwist.model.objects import Node
from gnttwist.query.fields.common import node_parameter_fields, object_fields
from gnttwist.query.fields.definition import Field, Kind, Missing, Resource, table
from gnttwist.query.fields.instance_disks import secondary_nodes
from gnttwist.query.fields.live import NodeInfo, ask, node_info, node_info_call
from gnttwist.query.sources import Sources


@define(eq=False)
class Secondaries:
    """
    Which instances have which secondary nodes, found once for all rows of a query.
    """

    config: Snapshot

    @cached_property
    def by_node(self) -> dict[str, list[str]]:
        """
        By node UUID: names of instances, in order.
        """
        found: dict[str, list[str]] = {}
        for instance in self.config.instances:
            for node in secondary_nodes(self.config, instance):
                found.setdefault(node, []).append(instance.name)
        return found


@define(eq=False)
class NodeRow:
    """
    A node.

    @ivar live: What it answered.
    """

    config: Snapshot
    node: Node
    secondaries: Secondaries
    live: NodeInfo | Missing = Missing.NO_DATA

    @cached_property
    def ndparams(self) -> dict[str, Any]:
        """
        Its parameters, filled.
        """
        return parameters.fill_nd(self.config, self.node)

    @property
    def secondary_instances(self) -> list[str]:
        """
        Names of the instances whose secondary node it is.
        """
        return sorted(self.secondaries.by_node.get(self.node.uuid, ()), key=nice_key)

    @property
    def primary_instances(self) -> list[str]:
        """
        Names of the instances whose primary node it is.
        """
        return sorted((each.name for each in self.config.instances_on(self.node)), key=nice_key)


def _rows_of(config: Snapshot, nodes: Iterable[Node]) -> list[NodeRow]:
    secondaries = Secondaries(config)
    return [NodeRow(config, each, secondaries) for each in nodes]


def _rows(sources: Sources, fields: Collection[str]) -> Sequence[NodeRow]:
    config = sources.config
    return _rows_of(config, sorted(config.nodes, key=lambda each: nice_key(each.name)))


def _named(sources: Sources, names: Sequence[str | int]) -> Sequence[NodeRow]:
    return _rows_of(sources.config, [sources.config.nodes.find(str(each)) for each in names])


async def _collect(sources: Sources, rows: Sequence[NodeRow], fields: Collection[str]) -> list[NodeRow]:
    capable = [each.node for each in rows if each.node.vm_capable]
    answers = await ask(sources.live, [node_info_call(sources.config, each) for each in capable])
    # A node that cannot have instances is not asked, and has no numbers.
    return [evolve(each, live=node_info(answers.get(each.node.uuid, Missing.UNAVAILABLE))) for each in rows]


def role(config: Snapshot, node: Node) -> str:
    """
    One letter: master, candidate, regular, drained or offline.
    """
    if node.uuid == config.cluster.master_node:
        return "M"
    if node.offline:
        return "O"
    if node.drained:
        return "D"
    return "C" if node.master_candidate else "R"


def _field(name: str, title: str, kind: Kind, doc: str, get: Callable[[Node], Any]) -> Field[NodeRow]:
    return Field(name, title, kind, doc, lambda row: get(row.node))


def _live(name: str, title: str, kind: Kind, doc: str, get: Callable[[NodeInfo], Any]) -> Field[NodeRow]:
    def read(row: NodeRow) -> Any:
        if isinstance(row.live, Missing):
            return row.live
        # A number that the node does not know is no data, not one that does not apply.
        found = get(row.live)
        return Missing.NO_DATA if found is None else found

    return Field(name, title, kind, doc, read, live=True)


def _memory(name: str, title: str, kind: Kind, doc: str, member: str) -> Field[NodeRow]:
    return _live(name, title, kind, doc, lambda live: getattr(live.memory, member, None))


def _space(name: str, title: str, kind: Kind, doc: str, member: str, spindles: bool) -> Field[NodeRow]:
    return _live(name, title, kind, doc, lambda live: getattr(live.unit(spindles=spindles), member, None))


def _powered(row: NodeRow) -> bool | None:
    return row.node.powered if row.ndparams.get("oob_program") else None


NODE: Resource[NodeRow] = Resource(
    name_field="name",
    rows=_rows,
    named=_named,
    collect=_collect,
    fields=table(
        Field[NodeRow]("name", "Node", "text", "Node name", lambda row: row.node.name, host_name=True),
        *object_fields("Node", lambda row: row.node),
        _field("pip", "PrimaryIP", "text", "Primary IP address", lambda node: node.primary_ip),
        _field("sip", "SecondaryIP", "text", "Secondary IP address", lambda node: node.secondary_ip),
        _field(
            "master_candidate",
            "MasterC",
            "bool",
            "Whether it is a master candidate",
            lambda node: node.master_candidate,
        ),
        _field(
            "master_capable",
            "MasterCapable",
            "bool",
            "Whether it can become a candidate",
            lambda node: node.master_capable,
        ),
        _field(
            "vm_capable", "VMCapable", "bool", "Whether it can have instances", lambda node: node.vm_capable
        ),
        _field("drained", "Drained", "bool", "Whether it takes no new instances", lambda node: node.drained),
        _field("offline", "Offline", "bool", "Whether it is marked offline", lambda node: node.offline),
        Field("powered", "Powered", "bool", "Whether it is thought to be powered on", _powered),
        Field(
            "master",
            "IsMaster",
            "bool",
            "Whether it is the master",
            lambda row: row.node.uuid == row.config.cluster.master_node,
        ),
        Field(
            "role",
            "Role",
            "text",
            "Its role: M for master, C for candidate, R for regular, D for drained, O for offline",
            lambda row: role(row.config, row.node),
        ),
        Field("group", "Group", "text", "Node group", lambda row: row.config.groups[row.node.group].name),
        _field("group.uuid", "GroupUUID", "text", "UUID of the node group", lambda node: node.group),
        Field(
            "pinst_cnt",
            "Pinst",
            "number",
            "Number of instances with it as primary node",
            lambda row: len(row.primary_instances),
        ),
        Field(
            "pinst_list",
            "PriInstances",
            "other",
            "Instances with it as primary node",
            lambda row: row.primary_instances,
        ),
        Field(
            "sinst_cnt",
            "Sinst",
            "number",
            "Number of instances with it as secondary node",
            lambda row: len(row.secondary_instances),
        ),
        Field(
            "sinst_list",
            "SecInstances",
            "other",
            "Instances with it as secondary node",
            lambda row: row.secondary_instances,
        ),
        Field(
            "ndparams",
            "NodeParameters",
            "other",
            "Node parameters, with those that it inherits",
            lambda row: row.ndparams,
        ),
        _field(
            "custom_ndparams",
            "CustomNodeParameters",
            "other",
            "Node parameters of its own",
            lambda node: node.ndparams,
        ),
        *node_parameter_fields(lambda row: row.ndparams),
        _field("hv_state", "HypervisorState", "other", "Static hypervisor state", lambda node: None),
        _field("disk_state", "DiskState", "other", "Static disk state", lambda node: None),
        _live("bootid", "BootID", "text", "A UUID that changes with each boot", lambda live: live.boot_id),
        _memory("mtotal", "MTotal", "unit", "Memory of the machine", "memory_total"),
        _memory("mfree", "MFree", "unit", "Memory that instances could have", "memory_free"),
        _memory("mnode", "MNode", "unit", "Memory that the node itself uses", "memory_dom0"),
        _memory("ctotal", "CTotal", "number", "Number of logical processors", "cpu_total"),
        _memory("cnodes", "CNodes", "number", "Number of NUMA domains", "cpu_nodes"),
        _memory("csockets", "CSockets", "number", "Number of processor sockets", "cpu_sockets"),
        _memory(
            "cnos", "CNOs", "number", "Number of logical processors that the node itself uses", "cpu_dom0"
        ),
        _space("dtotal", "DTotal", "unit", "Space for disks", "storage_size", False),
        _space("dfree", "DFree", "unit", "Free space for disks", "storage_free", False),
        _space("sptotal", "SpTotal", "number", "Number of spindles", "storage_size", True),
        _space("spfree", "SpFree", "number", "Number of free spindles", "storage_free", True),
    ),
)
