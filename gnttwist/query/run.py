"""
Answers queries: which rows, which cells, and what nodes must be asked for.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

import msgspec

from gnttwist.errors import ECode, OperationError, OpPrereqError, ParameterError
from gnttwist.model.names import nice_key
from gnttwist.query.fields.cluster import CLUSTER
from gnttwist.query.fields.definition import Field, Missing, Resource, cell, unknown
from gnttwist.query.fields.export import EXPORT
from gnttwist.query.fields.group import GROUP
from gnttwist.query.fields.instance import INSTANCE
from gnttwist.query.fields.job import JOB
from gnttwist.query.fields.job_filter import FILTER
from gnttwist.query.fields.lock import LOCK
from gnttwist.query.fields.network import NETWORK
from gnttwist.query.fields.node import NODE
from gnttwist.query.kept import KeptRows, Make
from gnttwist.query.sources import Sources
from gnttwist.wire import filters

RESOURCES: Mapping[str, Resource[Any]] = {
    "node": NODE,
    "instance": INSTANCE,
    "group": GROUP,
    "job": JOB,
    "lock": LOCK,
    "network": NETWORK,
    "filter": FILTER,
    "export": EXPORT,
}
"""
What can be queried, by Ganeti's names. A new resource is one module in C{fields} and one line here.
"""

IN_JOBS: Mapping[str, Resource[Any]] = {**RESOURCES, "cluster": CLUSTER}
"""
What jobs can query.
"""


TURN = 0.005
"""
Seconds that one turn takes over an answer, in which nobody else is served.
"""

LOOKED_AT = 16
"""
Rows between two looks at the clock: where each is put together from many parameters, a millisecond.
"""


async def query(
    kind: str,
    fields: Sequence[str],
    qfilter: object,
    sources: Sources,
    kept: KeptRows | None = None,
    resources: Mapping[str, Resource[Any]] = RESOURCES,
) -> dict[str, Any]:
    """
    Answer a query (reference: query, section 2.3).

    @param fields: Names, in the order of the answer's columns. One that there is not gives a column without values.
    @param qfilter: The filter as decoded JSON.
    @param resources: What there is.
    @param kept: Rows of earlier answers; with it, rows may be L{msgspec.Raw}, encoded already.
    @return: C{{"fields": [definition], "data": [[[status, value]]]}}.
    @raise OperationError: The kind is not supported.
    @raise ParameterError: The filter is wrong, or looks at a field that there is not.
    @raise OpPrereqError: The filter names something that there is not.
    """
    resource = _resource(kind, "Query", resources)
    wanted = filters.parse(qfilter)
    columns = [resource.fields.get(each) or unknown(each) for each in fields]
    data = await _data(kind, resource, columns, wanted, sources, _cells_of, kept)
    return {"fields": [each.to_wire() for each in columns], "data": data}


def query_fields(
    kind: str, names: Sequence[str] | None = None, resources: Mapping[str, Resource[Any]] = RESOURCES
) -> dict[str, Any]:
    """
    Tell about fields.

    @param names: Those that are asked for, in order; none for all, sorted.
    @return: C{{"fields": [definition]}}.
    @raise OperationError: The kind is not supported.
    """
    fields = _resource(kind, "QueryFields", resources).fields
    wanted = names or sorted((each for each in fields if not fields[each].own), key=nice_key)
    return {"fields": [(fields.get(each) or unknown(each)).to_wire() for each in wanted]}


async def query_values(
    kind: str,
    names: Sequence[str | int],
    fields: Sequence[str],
    sources: Sources,
    kept: KeptRows | None = None,
) -> list[Any]:
    """
    Answer a query of the older form: C{QueryNodes}, C{QueryJobs} and so on.

    @param names: The rows that are asked for, in order; none for all. Those that there are not are left out.
    @param kept: Rows of earlier answers; with it, rows may be L{msgspec.Raw}, encoded already.
    @return: Rows of plain values, C{None} where there is none.
    @raise OpPrereqError: There is no such field, or a name means several rows.
    """
    resource = _resource(kind, "Query", RESOURCES)
    missing = [each for each in fields if each not in resource.fields]
    if missing:
        raise OpPrereqError(f"Unknown output fields selected: {', '.join(missing)}", ECode.INVAL)
    there = [each for each in names if _is_there(resource, each, sources)]
    if names and not there:
        return []
    named = ["|", *(["==", resource.name_field, each] for each in there)] if there else None
    columns = [resource.fields[each] for each in fields]
    return await _data(kind, resource, columns, filters.parse(named), sources, _values_of, kept)


async def _data(
    kind: str,
    resource: Resource[Any],
    columns: Sequence[Field[Any]],
    wanted: filters.Filter,
    sources: Sources,
    make: Make,
    kept: KeptRows | None,
) -> list[Any]:
    rows = await _rows(resource, columns, wanted, sources)
    data: list[Any] = []
    if kept is None:
        async for portion in _portions(rows, sources):
            data.extend(make(columns, row) for row in portion)
        return data
    if resource.keeping is None or wanted != filters.EVERYTHING:
        async for portion in _portions(rows, sources):
            # Each by itself: to encode all of a long answer, and to forget its cells, takes longer than a turn.
            data.extend(msgspec.Raw(msgspec.json.encode(make(columns, row))) for row in portion)
        return data
    selection = (kind, make, *(each.name for each in columns))
    reading = kept.reading(selection, resource.keeping, columns, make)
    async for portion in _portions(rows, sources):
        data.extend(map(reading.encoded, portion))
    kept.keep(selection, reading)
    return data


def _cells_of(columns: Sequence[Field[Any]], row: Any) -> list[Any]:
    return [cell(each.get(row)) for each in columns]


def _values_of(columns: Sequence[Field[Any]], row: Any) -> list[Any]:
    found = (each.get(row) for each in columns)
    return [None if isinstance(each, Missing) else each for each in found]


def _is_there(resource: Resource[Any], name: str | int, sources: Sources) -> bool:
    try:
        resource.named(sources, [name])
    except OpPrereqError as error:
        if error.args[1:] == (ECode.NOENT,):
            return False
        raise
    return True


def _resource(kind: str, method: str, resources: Mapping[str, Resource[Any]]) -> Resource[Any]:
    found = resources.get(kind)
    if found is None:
        raise OperationError(f"{method} '{kind}' not supported")
    return found


async def _rows(
    resource: Resource[Any], columns: Sequence[Field[Any]], wanted: filters.Filter, sources: Sources
) -> Sequence[Any]:
    """
    The rows that match, with what nodes were asked for.

    Nodes are asked only about rows that can still match without their answer.
    """
    looked_at = filters.fields(wanted)
    for name in sorted(looked_at):
        if name not in resource.fields:
            raise ParameterError(f"Can't find field named '{name}'")
    needed = {each.name for each in columns} | looked_at
    names = filters.requested(wanted, resource.name_field)
    if resource.prepare is not None:
        sources = await resource.prepare(sources, names, _names(columns))
    if names is None:
        began = sources.seconds()
        rows = resource.rows(sources, _names(columns))
        if sources.seconds() - began >= TURN / 2:
            # Of ten thousand jobs, that is half a turn; what is made of them begins another one.
            await sources.pause()
        rows = await _matching(resource, wanted, rows, sources, answered=False)
    else:
        rows = resource.named(sources, names)
    live = {each for each in needed if each in resource.fields and resource.fields[each].live}
    if not live or resource.collect is None:
        return rows
    rows = await resource.collect(sources, rows, live)
    return rows if names is not None else await _matching(resource, wanted, rows, sources, answered=True)


def _names(columns: Sequence[Field[Any]]) -> Collection[str]:
    return frozenset(each.name for each in columns)


async def _portions(rows: Sequence[Any], sources: Sources) -> AsyncIterator[Sequence[Any]]:
    """
    Rows, some at a time; others have their turn whenever one has lasted long enough.
    """
    began = sources.seconds()
    for begin in range(0, len(rows), LOOKED_AT):
        yield rows[begin : begin + LOOKED_AT]
        if sources.seconds() - began >= TURN:
            await sources.pause()
            began = sources.seconds()


async def _matching(
    resource: Resource[Any], wanted: filters.Filter, rows: Sequence[Any], sources: Sources, *, answered: bool
) -> Sequence[Any]:
    """
    The rows that are not known to fail.

    @param answered: Whether nodes have been asked.
    """

    def is_host_name(name: str) -> bool:
        return resource.fields[name].host_name

    if wanted == filters.EVERYTHING:
        return rows
    found: list[Any] = []
    async for portion in _portions(rows, sources):
        found.extend(
            row
            for row in portion
            if filters.evaluate(wanted, _cells(resource, row, answered), is_host_name) is not False
        )
    return found


def _cells(resource: Resource[Any], row: Any, answered: bool) -> filters.Cells:
    def value(name: str) -> Any:
        field = resource.fields[name]
        if field.live and not answered:
            return filters.OPEN
        found = field.get(row)
        if found is None or isinstance(found, Missing):
            return filters.GONE
        return found[0] if field.time else found

    return value
