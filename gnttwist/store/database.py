"""
The store's tables in SQLite: what the store's two threads do there, without Twisted.

Every write is one row of C{history}, whose id is its revision and its place in the transaction. So ids are in the
order of time, rows are appended, a span of revisions is a span of ids, and the index by key holds no values.
"""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field, frozen

from gnttwist.errors import GnttwistError
from gnttwist.store.interface import (
    Committed,
    Compare,
    Condition,
    Entry,
    Event,
    Put,
    Transaction,
)

APPLICATION_ID = 0x676E7474
"""
C{gntt}: marks the file as ours.
"""

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE history (id INTEGER PRIMARY KEY, key TEXT NOT NULL, created INTEGER NOT NULL, value BLOB);
CREATE INDEX history_by_key ON history (key);
CREATE TABLE progress (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO progress VALUES ('compacted', 0), ('swept', 0);
"""

PLACES = 256
"""
Ids per revision: more than L{gnttwist.store.interface.MAX_OPERATIONS}.
"""

REMEMBERED_KEYS = 100_000
"""
Of how many keys the writer remembers the last write: some 20 MB, and a cluster's live keys several times over.
"""

CHECKPOINT_PAGES = 4096
"""
After how many pages of write-ahead log SQLite moves them into the database: 16 MiB, a few ms of work.
"""

SWEEP_ROWS = 2000
"""
How many rows one step of compaction looks at: some ms, during which commits wait.
"""

_GONE = (0, 0)


class UnusableDatabase(GnttwistError):
    """
    The database cannot be opened or used; the message says which file and why.
    """


class StoreInUse(UnusableDatabase):
    """
    Another process has this database open.
    """


@frozen
class Outcome:
    """
    What became of one transaction of a group.
    """

    committed: Committed
    events: Sequence[Event]


def lock(path: Path) -> int:
    """
    Take the database for this process; the lock goes with the descriptor or the process.

    It is a file of its own, because closing any descriptor of the database would drop SQLite's locks on it.

    @return: The descriptor.
    @raise StoreInUse: Another process holds it.
    """
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as reason:
        os.close(descriptor)
        raise StoreInUse(f"{path} is in use by another process") from reason
    return descriptor


def connect(path: Path) -> sqlite3.Connection:
    """
    A connection that begins and ends no transaction by itself.
    """
    # Two seconds cover the moments in which SQLite itself holds a lock.
    return sqlite3.connect(path, timeout=2, isolation_level=None)


@define
class Writer:
    """
    The one connection that writes.

    @ivar revision: The newest durable revision.
    @ivar compacted: The oldest revision that can be read.
    """

    _connection: sqlite3.Connection
    revision: int
    compacted: int
    _swept: int
    _states: dict[str, tuple[int, int]] = field(factory=dict)

    @classmethod
    def open(cls, path: Path) -> "Writer":
        """
        Open the database, and make it where there is none.

        @raise UnusableDatabase: It is not one of ours, or cannot be written durably.
        @raise sqlite3.Error: SQLite cannot read it.
        """
        # Made here for its mode: SQLite gives its other files the same one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = connect(path)
        try:
            return cls._prepare(connection, path)
        except BaseException:
            connection.close()
            raise

    @classmethod
    def _prepare(cls, connection: sqlite3.Connection, path: Path) -> "Writer":
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and application != APPLICATION_ID:
            raise UnusableDatabase(f"{path} is not a store of this program")
        if version > SCHEMA_VERSION:
            raise UnusableDatabase(f"{path} was written by a newer version (schema {version})")
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise UnusableDatabase(f"{path}: this file system cannot hold a write-ahead log")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        if not tables:
            connection.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id={APPLICATION_ID};"
                f" PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
            )
        progress = dict(connection.execute("SELECT name, position FROM progress").fetchall())
        (newest,) = connection.execute("SELECT coalesce(max(id), 0) FROM history").fetchone()
        # Compaction removes no row above its revision, so one of the two knows the newest.
        return cls(
            connection,
            revision=max(newest // PLACES, progress["compacted"]),
            compacted=progress["compacted"],
            swept=progress["swept"],
        )

    def commit(self, transactions: Sequence[Transaction]) -> list[Outcome]:
        """
        Apply a group, each transaction by itself, and make it durable with one sync.

        What can refuse a single transaction is decided before its first row is written, in memory: so none ever
        needs to be rolled back alone, and an error from here concerns the group and the database as a whole.

        @raise sqlite3.Error: Whether the group is durable is unknown. Only L{close} may follow.
        """
        if len(self._states) > REMEMBERED_KEYS:
            self._states.clear()
        fresh: dict[str, bytes | None] = {}
        rows: list[tuple[int, str, int, bytes | None]] = []
        outcomes = []
        revision = self.revision
        for transaction in transactions:
            if not all(self._holds(condition, fresh) for condition in transaction.compares):
                outcomes.append(Outcome(Committed(False, revision), ()))
                continue
            events = self._apply(transaction, revision + 1, fresh)
            for place, event in enumerate(events):
                created, value = (event.entry.created, event.entry.value) if event.entry else (0, None)
                rows.append((event.revision * PLACES + place, event.key, created, value))
            if events:
                revision += 1
            outcomes.append(Outcome(Committed(True, revision), events))
        if rows:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO history VALUES (?, ?, ?, ?)", rows)
            self._connection.execute("COMMIT")
            self.revision = revision
        return outcomes

    def _apply(self, transaction: Transaction, revision: int, fresh: dict[str, bytes | None]) -> list[Event]:
        events: list[Event] = []
        for write in transaction.writes:
            modified, created = self._state(write.key)
            if isinstance(write, Put):
                created = created if modified else revision
                fresh[write.key] = write.value
                self._states[write.key] = (revision, created)
                entry = Entry(write.key, write.value, created, revision)
                events.append(Event(write.key, entry, revision))
            elif modified:
                fresh[write.key] = None
                self._states[write.key] = _GONE
                events.append(Event(write.key, None, revision))
        return events

    def _holds(self, condition: Condition, fresh: dict[str, bytes | None]) -> bool:
        if isinstance(condition, Compare):
            return self._state(condition.key)[0] == condition.modified
        if condition.key in fresh:
            return fresh[condition.key] == condition.value
        row = self._last(condition.key)
        return row is not None and row[2] == condition.value

    def _state(self, key: str) -> tuple[int, int]:
        """
        When a key was last written and when it was created; zeros where it does not exist.
        """
        known = self._states.get(key)
        if known is None:
            row = self._last(key)
            known = _GONE if row is None or row[2] is None else (row[0] // PLACES, row[1])
            self._states[key] = known
        return known

    def _last(self, key: str) -> tuple[int, int, bytes | None] | None:
        row: tuple[int, int, bytes | None] | None = self._connection.execute(
            "SELECT id, created, value FROM history WHERE key = ? ORDER BY id DESC LIMIT 1", (key,)
        ).fetchone()
        return row

    def compact(self, revision: int) -> None:
        """
        Refuse history before C{revision} from now on; L{sweep} then removes it.
        """
        self._connection.execute("UPDATE progress SET position = ? WHERE name = 'compacted'", (revision,))
        self.compacted = revision

    @property
    def sweeping(self) -> bool:
        """
        Whether there is history to remove.
        """
        return self._swept < (self.compacted + 1) * PLACES - 1

    def sweep(self) -> None:
        """
        Take one step: remove what the next rows up to the compacted revision replaced.

        Each row makes the earlier ones of its key invisible, and a removal also itself.
        """
        target = (self.compacted + 1) * PLACES - 1
        row = self._connection.execute(
            "SELECT id FROM history WHERE id > ? AND id <= ? ORDER BY id LIMIT 1 OFFSET ?",
            (self._swept, target, SWEEP_ROWS - 1),
        ).fetchone()
        step = (self._swept, row[0] if row else target)
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute(
            "DELETE FROM history WHERE id IN (SELECT older.id FROM history AS newer CROSS JOIN history AS older"
            " ON older.key = newer.key AND older.id < newer.id WHERE newer.id > ? AND newer.id <= ?)",
            step,
        )
        self._connection.execute("DELETE FROM history WHERE id > ? AND id <= ? AND value IS NULL", step)
        self._connection.execute("UPDATE progress SET position = ? WHERE name = 'swept'", step[1:])
        self._connection.execute("COMMIT")
        self._swept = step[1]

    def close(self) -> None:
        """
        Release the database.
        """
        self._connection.close()
