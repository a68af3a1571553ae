"""
The fields of jobs.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from attrs import evolve

from gnttwist.errors import ECode, OpPrereqError
from gnttwist.model.job import QueuedOp, Timestamp
from gnttwist.model.opcodes import summary
from gnttwist.query.fields.definition import Field, Kind, Resource, table
from gnttwist.query.sources import JobView, Sources


class JobRow(NamedTuple):
    """
    A job that was asked for. A tuple: thousands are made in one turn.

    @ivar view: The job, or C{None} where there is none of this id.
    """

    id: int
    view: JobView | None


def _rows(sources: Sources, fields: Collection[str]) -> Sequence[JobRow]:
    """
    All jobs by id; archived ones only where it is asked whether they are.
    """
    found: dict[int, JobView] = {each.id: each for each in sources.jobs.jobs()}
    found.update(sources.loaded_jobs)
    return [JobRow(id, found[id]) for id in sorted(found)]


def _named(sources: Sources, names: Sequence[str | int]) -> Sequence[JobRow]:
    """
    A job that is not there has a row of its own, without values.
    """
    return [
        JobRow(each, sources.loaded_jobs.get(each)) for each in dict.fromkeys(_id(each) for each in names)
    ]


async def _prepare(sources: Sources, names: Sequence[str | int] | None, fields: Collection[str]) -> Sources:
    """
    Read archived jobs from the store, and whatever is asked for by number.
    """
    if names is not None:
        found = {id: await sources.jobs.load(id, False) for id in dict.fromkeys(_id(each) for each in names)}
        return evolve(sources, loaded_jobs={id: each for id, each in found.items() if each is not None})
    if "archived" in fields:
        return evolve(sources, loaded_jobs={each.id: each async for each in sources.jobs.archived()})
    return sources


async def _with_logs(sources: Sources, rows: Sequence[JobRow], live: Collection[str]) -> Sequence[JobRow]:
    return [JobRow(each.id, await sources.jobs.load(each.id, True)) for each in rows]


def _id(name: str | int) -> int:
    try:
        return int(name)
    except ValueError as reason:
        raise OpPrereqError(f"Invalid job ID '{name}'", ECode.INVAL) from reason


def _field(
    name: str, title: str, kind: Kind, doc: str, get: Callable[[JobView], Any], time: bool = False
) -> Field[JobRow]:
    return Field(name, title, kind, doc, lambda row: None if row.view is None else get(row.view), time=time)


def _each_op(name: str, title: str, doc: str, get: Callable[[QueuedOp], Any]) -> Field[JobRow]:
    """
    A field that has one entry for each opcode.
    """
    return _field(name, title, "other", doc, lambda view: [get(each) for each in view.job.ops])


def _time(value: Timestamp | None) -> list[int] | None:
    return None if value is None else list(value)


def _log(view: JobView) -> list[list[Any]]:
    return [
        [entry.to_wire() for entry in view.log if entry.op == index] for index in range(len(view.job.ops))
    ]


def _summary(row: JobRow) -> list[str] | None:
    return None if row.view is None else [summary(each.input) for each in row.view.job.ops]


JOB: Resource[JobRow] = Resource(
    name_field="id",
    rows=_rows,
    named=_named,
    collect=_with_logs,
    prepare=_prepare,
    fields=table(
        Field[JobRow]("id", "ID", "number", "Job ID", lambda row: row.id),
        _field("status", "Status", "text", "Job status", lambda view: view.job.status),
        _field(
            "priority",
            "Priority",
            "number",
            "Most urgent priority of its opcodes",
            lambda view: view.job.priority,
        ),
        _field("archived", "Archived", "bool", "Whether the job is archived", lambda view: view.job.archived),
        _each_op("ops", "OpCodes", "List of all opcodes", lambda op: op.input),
        _each_op("opresult", "OpCode_result", "List of opcodes' results", lambda op: op.result),
        _each_op("opstatus", "OpCode_status", "List of opcodes' states", lambda op: op.status),
        Field(
            "oplog",
            "OpCode_log",
            "other",
            "List of opcodes' log lines",
            lambda row: None if row.view is None else _log(row.view),
            live=True,
        ),
        _each_op(
            "opstart", "OpCode_start", "When each opcode first ran", lambda op: _time(op.start_timestamp)
        ),
        _each_op(
            "opexec", "OpCode_exec", "When each opcode had its locks", lambda op: _time(op.exec_timestamp)
        ),
        _each_op("opend", "OpCode_end", "When each opcode ended", lambda op: _time(op.end_timestamp)),
        _each_op("oppriority", "OpCode_prio", "List of opcodes' priorities", lambda op: op.priority),
        Field("summary", "Summary", "other", "One line for each opcode", _summary),
        _field(
            "received_ts",
            "Received",
            "other",
            "When it was accepted",
            lambda view: _time(view.job.received_timestamp),
            True,
        ),
        _field(
            "start_ts", "Start", "other", "When it began", lambda view: _time(view.job.start_timestamp), True
        ),
        _field("end_ts", "End", "other", "When it ended", lambda view: _time(view.job.end_timestamp), True),
    ),
)
