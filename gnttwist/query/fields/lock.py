"""
The fields of locks.
"""

from collections.abc import Collection, Sequence

from gnttwist.errors import ECode, OpPrereqError
from gnttwist.jobs.locks import LockRow
from gnttwist.model.names import nice_key
from gnttwist.query.fields.definition import Field, Resource, table
from gnttwist.query.sources import Sources


def _owners(jobs: Sequence[int]) -> list[str]:
    """
    Owners on the wire are texts, as clients of several kinds could hold locks.
    """
    return [str(each) for each in jobs]


def _since(row: LockRow) -> float | None:
    """
    When the first of those who hold it got it, in seconds since the epoch.
    """
    known = [each for each in row.since if each is not None]
    return min(known)[0] if known else None


def _rows(sources: Sources, fields: Collection[str]) -> Sequence[LockRow]:
    return sorted(sources.locks(), key=lambda each: nice_key(each.name))


def _named(sources: Sources, names: Sequence[str | int]) -> Sequence[LockRow]:
    found = {each.name: each for each in sources.locks()}
    for name in names:
        if name not in found:
            raise OpPrereqError(f"Lock name {name} not found", ECode.NOENT)
    return [found[str(name)] for name in names]


LOCK: Resource[LockRow] = Resource(
    name_field="name",
    rows=_rows,
    named=_named,
    fields=table(
        Field[LockRow]("name", "Name", "other", "Lock name", lambda row: row.name),
        Field(
            "mode",
            "Mode",
            "other",
            "How it is held: exclusive or shared",
            lambda row: None if row.mode is None else row.mode.value,
        ),
        Field("owner", "Owner", "other", "Jobs that hold it", lambda row: _owners(row.owners)),
        Field(
            "pending",
            "Pending",
            "other",
            "Jobs that wait for it, by the mode they want",
            lambda row: [[mode.value, _owners([job])] for mode, job in row.pending],
        ),
        Field("since", "Since", "timestamp", "Since when it is held", _since, own=True),
    ),
)
