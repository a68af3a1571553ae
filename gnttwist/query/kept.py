"""
Rows of lists that are kept encoded, so that a list which is asked for again costs what has changed of it.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import is_
from typing import Any

import msgspec
from attrs import define, field, frozen

from gnttwist.query.fields.definition import Field, Keeping

SELECTIONS = 4
"""
Selections of fields whose lists are kept: those of the tools that ask again and again.
"""

LIST_LIMIT = 16 * 1024 * 1024
"""
Bytes of the longest list that is kept.
"""

Make = Callable[[Sequence[Field[Any]], Any], list[Any]]
Selection = tuple[object, ...]


@frozen
class KeptRow:
    """
    A row as it was.

    @ivar basis: What it was made of: the same objects make the same row.
    @ivar seen: What nodes told: an equal value makes the same row.
    """

    basis: tuple[object, ...]
    seen: object
    encoded: msgspec.Raw


@frozen
class KeptList:
    """
    A list as it was.

    @ivar shared: What all of its rows were made of.
    """

    shared: tuple[object, ...]
    rows: Mapping[str, KeptRow]


@define(eq=False, repr=False)
class KeptRows:
    """
    The newest lists, by what was selected of them.

    @ivar _limit: Bytes of the longest one.
    """

    _limit: int = LIST_LIMIT
    _lists: dict[Selection, KeptList] = field(factory=dict, init=False)

    def reading(
        self, selection: Selection, keeping: Keeping[Any], columns: Sequence[Field[Any]], make: Make
    ) -> "Reading":
        """
        Begin an answer.

        @param selection: What tells this list from others.
        @param make: Makes a row's JSON values.
        """
        return Reading(keeping, columns, make, self._lists.get(selection))

    def keep(self, selection: Selection, read: "Reading") -> None:
        """
        Keep an answer that has all rows.
        """
        self._lists.pop(selection, None)
        if read.size <= self._limit and read.shared is not None:
            self._lists[selection] = KeptList(read.shared, read.rows)
        while len(self._lists) > SELECTIONS:
            del self._lists[next(iter(self._lists))]


@define(eq=False, repr=False)
class Reading:
    """
    One answer.

    @ivar rows: Those of it, by key.
    @ivar size: Their bytes.
    @ivar shared: What all were made of; C{None} as long as there are none.
    """

    _keeping: Keeping[Any]
    _columns: Sequence[Field[Any]]
    _make: Make
    _known: KeptList | None
    rows: dict[str, KeptRow] = field(factory=dict, init=False)
    size: int = field(default=0, init=False)
    shared: tuple[object, ...] | None = field(default=None, init=False)

    def encoded(self, row: Any) -> msgspec.Raw:
        """
        A row, made anew only if it has changed.
        """
        keeping = self._keeping
        if self.shared is None:
            self.shared = keeping.shared(row)
            if self._known is not None and not _same(self._known.shared, self.shared):
                self._known = None
        key, basis, seen = keeping.key(row), keeping.basis(row), keeping.seen(row)
        found = None if self._known is None else self._known.rows.get(key)
        if found is None or found.seen != seen or not _same(found.basis, basis):
            found = KeptRow(basis, seen, msgspec.Raw(msgspec.json.encode(self._make(self._columns, row))))
        self.rows[key] = found
        self.size += len(memoryview(found.encoded))
        return found.encoded


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """
    Whether these are the same objects: values of the configuration are replaced, never changed.
    """
    return len(one) == len(other) and all(map(is_, one, other))
