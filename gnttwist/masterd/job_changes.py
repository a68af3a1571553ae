"""
What WaitForJobChange compares and answers (reference: LUXI, section 1.6). Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from gnttwist.errors import ECode, OpPrereqError
from gnttwist.model.job import Job, LogEntry
from gnttwist.query.fields.definition import Missing
from gnttwist.query.fields.job import JOB, JobRow


class Progress(Protocol):
    """
    How far something is.
    """

    @property
    def done(self) -> float:
        """
        So much is done.
        """

    @property
    def total(self) -> float | None:
        """
        Of so much; C{None} where that is unknown.
        """

    @property
    def unit(self) -> str:
        """
        What is counted.
        """


class View(Protocol):
    """
    A job as of one moment.
    """

    @property
    def id(self) -> int:
        """
        Its number.
        """

    @property
    def job(self) -> Job:
        """
        The job.
        """

    @property
    def log(self) -> Sequence[LogEntry]:
        """
        Its log, in order.
        """

    @property
    def progress(self) -> Mapping[str, Progress]:
        """
        What is going on, by what it is.
        """

    def log_after(self, serial: int) -> Sequence[LogEntry]:
        """
        The lines that came after one; 0 for all.
        """

    def log_since(self, revision: int) -> Sequence[LogEntry]:
        """
        The lines that were stored after a revision; 0 for all.
        """


def _progress(view: View) -> dict[str, Any] | None:
    """
    Our own field: what Ganeti's clients do not ask for, and ours draw bars from.
    """
    shown = {
        what: {"done": far.done, "total": far.total, "unit": far.unit} for what, far in view.progress.items()
    }
    return shown or None


OWN_FIELDS: Mapping[str, Callable[[View], Any]] = {"progress": _progress}
"""
Fields that only WaitForJobChange knows, for they are not stored.
"""


def check_fields(fields: Sequence[str]) -> None:
    """
    @raise OpPrereqError: There are fields among them that jobs do not have.
    """
    unknown = [each for each in fields if each not in JOB.fields and each not in OWN_FIELDS]
    if unknown:
        raise OpPrereqError(f"Unknown output fields selected: {', '.join(unknown)}", ECode.INVAL)


Change = tuple[list[Any], list[Any]]
"""
The fields' values, and the log's new lines.
"""


def change_of(view: View, fields: Sequence[str], serial: int | None) -> Change:
    """
    A job's values and the lines after C{serial}, as clients get them.
    """
    # As they cross the wire, where tuples are lists, for they are compared with what a client sends back.
    values = msgspec.json.decode(msgspec.json.encode(values_of(view, fields)))
    return values, [each.to_wire() for each in view.log_after(serial or 0)]


def values_of(view: View, fields: Sequence[str]) -> list[Any]:
    """
    A job's values.
    """
    return [_value(view, each) for each in fields]


def lines_since(view: View, revision: int) -> list[list[Any]]:
    """
    The lines that a job's log got after a revision, as clients get them.
    """
    return [each.to_wire() for each in view.log_since(revision)]


def _value(view: View, field: str) -> Any:
    own = OWN_FIELDS.get(field)
    found = own(view) if own else JOB.fields[field].get(JobRow(view.job.id, view))
    return None if isinstance(found, Missing) else found
