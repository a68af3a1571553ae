"""
The fields of instances.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from gnttwist.model.names import nice_key
from gnttwist.model.objects import Instance, Node
from gnttwist.query.fields.common import object_fields
from gnttwist.query.fields.definition import Field, Keeping, Kind, Resource, table
from gnttwist.query.fields.instance_disks import disk_fields, secondary_nodes
from gnttwist.query.fields.instance_live import collect, live_fields
from gnttwist.query.fields.instance_nics import nic_fields
from gnttwist.query.fields.instance_parameters import parameter_fields
from gnttwist.query.fields.instance_row import InstanceRow
from gnttwist.query.sources import Sources


def _rows(sources: Sources, fields: Collection[str]) -> Sequence[InstanceRow]:
    config = sources.config
    found = sorted(config.instances.by_uuid.values(), key=lambda each: (nice_key(each.name), each.name))
    return [InstanceRow(config, each) for each in found]


def _named(sources: Sources, names: Sequence[str | int]) -> Sequence[InstanceRow]:
    return [InstanceRow(sources.config, sources.config.instances.find(str(each))) for each in names]


def _field(name: str, title: str, kind: Kind, doc: str, get: Callable[[Instance], Any]) -> Field[InstanceRow]:
    return Field(name, title, kind, doc, lambda row: get(row.instance))


def _secondaries(get: Callable[[InstanceRow, Node], Any]) -> Callable[[InstanceRow], Any]:
    """
    A list with one value for each secondary node.
    """
    return lambda row: [
        get(row, row.config.nodes[each]) for each in secondary_nodes(row.config, row.instance)
    ]


INSTANCE: Resource[InstanceRow] = Resource(
    name_field="name",
    rows=_rows,
    named=_named,
    collect=collect,
    keeping=Keeping(
        key=lambda row: row.instance.uuid,
        shared=lambda row: (row.config.cluster, row.config.nodes, row.config.groups, row.config.networks),
        # A console's description is never the same object again, so rows with one are always made anew.
        basis=lambda row: (row.instance, row.console, *row.disks),
        seen=lambda row: row.seen,
    ),
    fields=table(
        Field[InstanceRow](
            "name", "Instance", "text", "Instance name", lambda row: row.instance.name, host_name=True
        ),
        *object_fields("Instance", lambda row: row.instance),
        _field("os", "OS", "text", "Operating system", lambda instance: instance.os),
        _field("hypervisor", "Hypervisor", "text", "Hypervisor", lambda instance: instance.hypervisor),
        _field(
            "admin_state",
            "InstanceState",
            "text",
            "State that it should be in: up, down or offline",
            lambda instance: instance.admin_state,
        ),
        _field(
            "admin_state_source",
            "InstanceStateSource",
            "text",
            "Who set that state: admin or user",
            lambda instance: instance.admin_state_source,
        ),
        _field(
            "admin_up",
            "Autostart",
            "bool",
            "Whether it should run",
            lambda instance: instance.admin_state == "up",
        ),
        _field(
            "forthcoming",
            "Forthcoming",
            "bool",
            "Whether it is only planned",
            lambda instance: bool(instance.forthcoming),
        ),
        _field(
            "network_port",
            "Network_port",
            "other",
            "Port of its graphical console",
            lambda instance: instance.network_port,
        ),
        Field("pnode", "Primary_node", "text", "Primary node", lambda row: row.node.name, host_name=True),
        Field("pnode.group", "PrimaryNodeGroup", "text", "Primary node's group", lambda row: row.group.name),
        Field(
            "pnode.group.uuid",
            "PrimaryNodeGroupUUID",
            "text",
            "UUID of the primary node's group",
            lambda row: row.group.uuid,
        ),
        Field(
            "snodes", "Secondary_Nodes", "other", "Secondary nodes", _secondaries(lambda row, node: node.name)
        ),
        Field(
            "snodes.group",
            "SecondaryNodesGroups",
            "other",
            "Secondary nodes' groups",
            _secondaries(lambda row, node: row.config.groups[node.group].name),
        ),
        Field(
            "snodes.group.uuid",
            "SecondaryNodesGroupsUUID",
            "other",
            "UUIDs of the secondary nodes' groups",
            _secondaries(lambda row, node: node.group),
        ),
        *disk_fields(),
        *nic_fields(),
        *parameter_fields(),
        *live_fields(),
    ),
)
