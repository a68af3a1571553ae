"""
Reading the store's tables, as of any revision that is kept, on a connection of its own.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path

from attrs import define

from gnttwist.store.database import PLACES, connect
from gnttwist.store.interface import Entry, Event, Range
from gnttwist.store.rules import prefix_end


@define
class Reader:
    """
    A connection that only reads.
    """

    _connection: sqlite3.Connection

    @classmethod
    def open(cls, path: Path) -> "Reader":
        """
        Open a database that a L{Writer} has made.
        """
        connection = connect(path)
        connection.execute("PRAGMA query_only=1")
        return cls(connection)

    def range(self, prefix: str, revision: int, limit: int, after: str) -> Range:
        """
        What L{gnttwist.store.interface.Store.range} promises; C{revision} is explicit and its history kept.
        """
        wanted = limit + 1 if limit else -1
        entries: list[Entry] = []
        while True:
            rows = self._newest(prefix, revision, wanted, after)
            entries += (
                Entry(key, value, created, row // PLACES)
                for key, value, created, row in rows
                if value is not None
            )
            # Removed keys count among the rows, so a page may need more than one look.
            if len(rows) != wanted or len(entries) > limit:
                break
            after = rows[-1][0]
        if limit and len(entries) > limit:
            return Range(entries[:limit], revision, more=True)
        return Range(entries, revision)

    def _newest(
        self, prefix: str, revision: int, limit: int, after: str
    ) -> list[tuple[str, bytes, int, int]]:
        """
        The last row of each key, removed ones too, by key.
        """
        end = prefix_end(prefix)
        rows: list[tuple[str, bytes, int, int]] = self._connection.execute(
            "SELECT newest.key, value, created, id FROM"
            " (SELECT key, max(id) AS last FROM history WHERE key >= ? AND key > ?"
            f" {'' if end is None else 'AND key < ?'} AND id < ? GROUP BY key ORDER BY key LIMIT ?) AS newest"
            " CROSS JOIN history ON id = last",
            (prefix, after, *(() if end is None else (end,)), (revision + 1) * PLACES, limit),
        ).fetchall()
        # The join keeps the order but does not promise it, and asking SQLite for it would copy all values.
        rows.sort(key=itemgetter(0))
        return rows

    def events(self, prefix: str, after: int, until: int) -> list[Sequence[Event]]:
        """
        The events of keys under C{prefix} from after revision C{after} up to C{until}, by transaction.
        """
        return list(self._events(prefix, after, until))

    def _events(self, prefix: str, after: int, until: int) -> Iterator[Sequence[Event]]:
        end = prefix_end(prefix)
        rows = self._connection.execute(
            "SELECT id, key, created, value FROM history WHERE id >= ? AND id < ? AND key >= ?"
            f" {'' if end is None else 'AND key < ?'} ORDER BY id",
            ((after + 1) * PLACES, (until + 1) * PLACES, prefix, *(() if end is None else (end,))),
        )
        together: list[Event] = []
        for row, key, created, value in rows:
            revision = row // PLACES
            if together and together[0].revision != revision:
                yield together
                together = []
            entry = None if value is None else Entry(key, value, created, revision)
            together.append(Event(key, entry, revision))
        if together:
            yield together

    def close(self) -> None:
        """
        Release the connection.
        """
        self._connection.close()
