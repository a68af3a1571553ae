"""
What a field and a resource are (reference: query, sections 2.3 and 2.4). Pure.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from enum import IntEnum
from typing import Any, Generic, Literal, TypeVar

from attrs import field, frozen

from gnttwist.query.sources import Sources

R = TypeVar("R")

Kind = Literal["unknown", "text", "bool", "number", "float", "unit", "timestamp", "other"]
"""
What a field's values are, for clients that print them; C{unit} are MiB, C{timestamp} seconds since the epoch.
"""

NORMAL = 0


class Missing(IntEnum):
    """
    Why a cell has no value.
    """

    UNKNOWN = 1
    NO_DATA = 2
    UNAVAILABLE = 3
    OFFLINE = 4


Cell = list[Any]
"""
C{[status, value]}.
"""


def cell(value: Any) -> Cell:
    """
    The cell for what a field gave: C{None} is a value that is not set, which is L{Missing.UNAVAILABLE}.
    """
    if isinstance(value, Missing):
        return [int(value), None]
    if value is None:
        return [int(Missing.UNAVAILABLE), None]
    return [NORMAL, value]


@frozen
class Field(Generic[R]):
    """
    One column.

    @ivar title: What heads it; without blanks.
    @ivar get: The value in a row, C{None} or a L{Missing}.
    @ivar live: Whether it must be asked for: nodes, or the store.
    @ivar host_name: Whether filters may give its value's beginning up to a dot.
    @ivar time: Whether its values are C{[seconds, microseconds]}, of which filters compare the seconds.
    @ivar own: Whether Ganeti has no such field: whoever asks which there are is not told, for he knows Ganeti's.
    """

    name: str
    title: str
    kind: Kind
    doc: str
    get: Callable[[R], Any]
    live: bool = field(default=False, kw_only=True)
    host_name: bool = field(default=False, kw_only=True)
    time: bool = field(default=False, kw_only=True)
    own: bool = field(default=False, kw_only=True)

    def to_wire(self) -> dict[str, str]:
        """
        The field as clients are told: exactly these members.
        """
        return {"name": self.name, "title": self.title, "kind": self.kind, "doc": self.doc}


@frozen
class Keeping(Generic[R]):
    """
    When a row is the same as before.

    @ivar key: What tells a row from the others.
    @ivar shared: Objects that all rows of a list are made of.
    @ivar basis: Objects that this row is made of besides.
    @ivar seen: What nodes told of it.
    """

    key: Callable[[R], str]
    shared: Callable[[R], tuple[object, ...]]
    basis: Callable[[R], tuple[object, ...]]
    seen: Callable[[R], object]


@frozen
class Resource(Generic[R]):
    """
    One kind of thing that can be queried.

    @ivar name_field: What rows are named by.
    @ivar fields: By name.
    @ivar rows: All rows, in order, for a selection of these fields.
    @ivar named: The rows of these names, in this order. Raises L{OpPrereqError} for a name that is not there.
    @ivar collect: Asks for what these live fields need, and gives the rows with it.
    @ivar prepare: Reads what rows need that is not in memory: those of these names, or where there are no names all
        for a selection of these fields.
    @ivar keeping: How rows are known again that are kept encoded; without it none are.
    """

    name_field: str
    fields: Mapping[str, Field[R]]
    rows: Callable[[Sources, Collection[str]], Sequence[R]]
    named: Callable[[Sources, Sequence[str | int]], Sequence[R]]
    collect: Callable[..., Any] | None = None
    prepare: Callable[[Sources, Sequence[str | int] | None, Collection[str]], Awaitable[Sources]] | None = (
        None
    )
    keeping: Keeping[R] | None = None


def table(*fields: Field[R]) -> dict[str, Field[R]]:
    """
    Fields by name.
    """
    return {each.name: each for each in fields}


def unknown(name: str) -> Field[Any]:
    """
    The definition of a field that there is not.
    """
    return Field(name, name, "unknown", f"Unknown field '{name}'", lambda row: Missing.UNKNOWN)
