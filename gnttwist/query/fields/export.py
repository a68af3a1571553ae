"""
The fields of exports: what nodes have of instances that were backed up.
"""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from attrs import frozen

from gnttwist.model.names import nice_key
from gnttwist.model.objects import Node
from gnttwist.query.fields.definition import Field, Missing, Resource, table
from gnttwist.query.fields.live import ask
from gnttwist.query.sources import LiveCall, Sources


@frozen
class ExportRow:
    """
    An export on a node, or a node whose exports are not known.

    @ivar export: Its name, or why there is none.
    """

    node: Node
    export: str | Missing = Missing.NO_DATA


def _rows(sources: Sources, fields: Collection[str]) -> Sequence[ExportRow]:
    return [ExportRow(each) for each in sorted(sources.config.nodes, key=lambda each: nice_key(each.name))]


def _named(sources: Sources, names: Sequence[str | int]) -> Sequence[ExportRow]:
    return [ExportRow(sources.config.nodes.find(str(each))) for each in names]


async def _collect(sources: Sources, rows: Sequence[ExportRow], fields: Collection[str]) -> list[ExportRow]:
    """
    A row for each export; one that says why for a node whose exports cannot be had.
    """
    answers = await ask(sources.live, [LiveCall(each.node, "export_list", []) for each in rows])
    return [ExportRow(row.node, export) for row in rows for export in _exports(answers[row.node.uuid])]


def _exports(answer: Any) -> Sequence[str | Missing]:
    if isinstance(answer, Missing):
        return [answer]
    try:
        return sorted(msgspec.convert(answer, list[str]), key=nice_key)
    except msgspec.ValidationError:
        # From a node of another version, or one that has gone wrong: it has told nothing.
        return [Missing.NO_DATA]


EXPORT: Resource[ExportRow] = Resource(
    name_field="node",
    rows=_rows,
    named=_named,
    collect=_collect,
    fields=table(
        # The name, too, is live: which rows there are is not known before nodes have answered.
        Field[ExportRow](
            "node", "Node", "text", "Node", lambda row: row.node.name, live=True, host_name=True
        ),
        Field("export", "Export", "text", "Export", lambda row: row.export, live=True),
    ),
)
