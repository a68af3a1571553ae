"""
The fields of job filters.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from gnttwist.errors import ECode, OpPrereqError
from gnttwist.model.objects import JobFilter
from gnttwist.query.fields.definition import Field, Resource, table
from gnttwist.query.sources import Sources


def _rows(sources: Sources, fields: Collection[str]) -> Sequence[JobFilter]:
    """
    By UUID: filters have no names.
    """
    return sorted(sources.config.filters.values(), key=lambda each: each.uuid)


def _named(sources: Sources, names: Sequence[str | int]) -> Sequence[JobFilter]:
    return [_find(sources, str(each)) for each in names]


def _find(sources: Sources, uuid: str) -> JobFilter:
    found = sources.config.filters.get(uuid)
    if found is None:
        raise OpPrereqError(f"Filter name {uuid} not found", ECode.NOENT)
    return found


def _field(name: str, title: str, doc: str, get: Callable[[JobFilter], Any]) -> Field[JobFilter]:
    # All of them: Ganeti's own daemon says so.
    return Field(name, title, "other", doc, get)


FILTER: Resource[JobFilter] = Resource(
    name_field="uuid",
    rows=_rows,
    named=_named,
    fields=table(
        _field("uuid", "UUID", "Filter UUID", lambda row: row.uuid),
        _field(
            "watermark", "Watermark", "The newest job's number when it was set", lambda row: row.watermark
        ),
        _field("priority", "Priority", "Filters of smaller ones are tried first", lambda row: row.priority),
        _field("predicates", "Predicates", "What must all be true of a job", lambda row: row.predicates),
        _field("action", "Action", "What happens to such a job", lambda row: row.action),
        _field("reason_trail", "ReasonTrail", "Why it was set", lambda row: row.reason_trail),
    ),
)
