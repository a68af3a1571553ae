"""
The fields of node groups.
"""

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any

from attrs import define

from gnttwist.config import parameters
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.names import nice_key
from gnttwist.model.objects import Instance, Node, NodeGroup
from gnttwist.query.fields.common import node_parameter_fields, object_fields
from gnttwist.query.fields.definition import Field, Kind, Resource, table
from gnttwist.query.sources import Sources


@define(eq=False)
class GroupRow:
    """
    A node group.
    """

    config: Snapshot
    group: NodeGroup

    @cached_property
    def nodes(self) -> list[Node]:
        """
        Its nodes.
        """
        found = (each for each in self.config.nodes if each.group == self.group.uuid)
        return sorted(found, key=lambda each: nice_key(each.name))

    @cached_property
    def instances(self) -> list[Instance]:
        """
        The instances whose primary node is in it.
        """
        found = (instance for node in self.nodes for instance in self.config.instances_on(node))
        return sorted(found, key=lambda each: nice_key(each.name))

    @cached_property
    def ndparams(self) -> dict[str, Any]:
        """
        Its node parameters, filled.
        """
        return parameters.group_nd(self.config, self.group)

    @property
    def diskparams(self) -> dict[str, Any]:
        """
        Its disk parameters by template, filled.
        """
        config = self.config
        return {each: parameters.group_disk(config, self.group, each) for each in config.cluster.diskparams}


def _rows(sources: Sources, fields: Collection[str]) -> Sequence[GroupRow]:
    config = sources.config
    return [GroupRow(config, each) for each in sorted(config.groups, key=lambda each: nice_key(each.name))]


def _named(sources: Sources, names: Sequence[str | int]) -> Sequence[GroupRow]:
    return [GroupRow(sources.config, sources.config.groups.find(str(each))) for each in names]


def _field(name: str, title: str, kind: Kind, doc: str, get: Callable[[NodeGroup], Any]) -> Field[GroupRow]:
    return Field(name, title, kind, doc, lambda row: get(row.group))


GROUP: Resource[GroupRow] = Resource(
    name_field="name",
    rows=_rows,
    named=_named,
    fields=table(
        _field("name", "Group", "text", "Group name", lambda group: group.name),
        *object_fields("Group", lambda row: row.group),
        _field(
            "alloc_policy",
            "AllocPolicy",
            "text",
            "Whether new instances are placed here",
            lambda group: group.alloc_policy,
        ),
        Field("node_cnt", "Nodes", "number", "Number of nodes", lambda row: len(row.nodes)),
        Field("node_list", "NodeList", "other", "Nodes", lambda row: [each.name for each in row.nodes]),
        Field(
            "pinst_cnt", "Instances", "number", "Number of primary instances", lambda row: len(row.instances)
        ),
        Field(
            "pinst_list",
            "InstanceList",
            "other",
            "Primary instances",
            lambda row: [each.name for each in row.instances],
        ),
        Field(
            "ndparams",
            "NDParams",
            "other",
            "Node parameters, with those that it inherits",
            lambda row: row.ndparams,
        ),
        _field(
            "custom_ndparams",
            "CustomNDParams",
            "other",
            "Node parameters of its own",
            lambda group: group.ndparams,
        ),
        *node_parameter_fields(lambda row: row.ndparams),
        Field(
            "ipolicy",
            "InstancePolicy",
            "other",
            "Limits of instances, with those that it inherits",
            lambda row: parameters.group_ipolicy(row.config, row.group),
        ),
        _field(
            "custom_ipolicy",
            "CustomInstancePolicy",
            "other",
            "Limits of instances of its own",
            lambda group: group.ipolicy,
        ),
        Field(
            "diskparams",
            "DiskParameters",
            "other",
            "Disk parameters, with those that it inherits",
            lambda row: row.diskparams,
        ),
        _field(
            "custom_diskparams",
            "CustomDiskParameters",
            "other",
            "Disk parameters of its own",
            lambda group: group.diskparams,
        ),
    ),
)
