"""
The durable registry of calls with a key: what makes a call happen once, whatever is killed when.

An append-only file (L{gnttwist.noded.records}). Records that come while one write is under way share the next, and
its C{fdatasync}. What is in memory is never ahead of what a caller was told, and the file never behind.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from attrs import define, field

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from gnttwist.errors import GnttwistError
from gnttwist.noded.records import Entry, Forgotten, Record, Registered, apply, decode, encode

KEYS_LIMIT = 10_000
"""
Most keys. Masters acknowledge as soon as they have a result, so this is some hundred times what is usual; as many
spool files, and 10 MB of memory, is what a node should bear for a master that has gone.
"""

COMPACT_FLOOR = 1024 * 1024
"""
Bytes below which the file is not written anew: some milliseconds of reading.
"""

T = TypeVar("T")


class RegistryFull(GnttwistError):
    """
    No further key can be taken until some are forgotten.
    """


class RegistryFailed(GnttwistError):
    """
    A record could not be made durable. After this, nothing is accepted until the daemon has been restarted.
    """


class InThread(Protocol):
    """
    Runs something that waits for the disk away from the reactor.
    """

    def __call__(self, work: Callable[[], T], /) -> "Deferred[T]":
        """
        Fires with what C{work} returns or raises.
        """


@define(eq=False)
class Registry:
    """
    @ivar _limit: Most keys.
    """

    _log = Logger()
    _path: Path
    _in_thread: InThread
    _limit: int = KEYS_LIMIT
    _compact_floor: int = COMPACT_FLOOR
    _file: int = field(default=-1, init=False)
    _size: int = field(default=0, init=False)
    _live: int = field(default=0, init=False)
    _entries: dict[str, Entry] = field(factory=dict, init=False)
    _pending: list[tuple[Record, Deferred[None]]] = field(factory=list, init=False)
    _writing: bool = field(default=False, init=False)
    _failed: RegistryFailed | None = field(default=None, init=False)
    _idle: list[Deferred[None]] = field(factory=list, init=False)

    @classmethod
    def open(
        cls, path: Path, in_thread: InThread, limit: int = KEYS_LIMIT, compact_floor: int = COMPACT_FLOOR
    ) -> "Registry":
        """
        Read the file, and begin a new one with what still counts. Waits for the disk.

        @raise OSError: It cannot be read or written.
        """
        registry = cls(path, in_thread, limit, compact_floor)
        registry._read()
        return registry

    @property
    def entries(self) -> Mapping[str, Entry]:
        """
        What is durable, by key.
        """
        return self._entries

    def register(self, record: Registered) -> Deferred[None]:
        """
        Accept a call. Fires when that is durable.

        @raise RegistryFull: (Deferred) There are too many.
        @raise RegistryFailed: (Deferred) It cannot be made durable.
        """
        underway = sum(isinstance(each, Registered) for each, _ in self._pending)
        if len(self._entries) + underway >= self._limit:
            full: Deferred[None] = Deferred()
            full.errback(
                RegistryFull(f"{self._limit} calls have not been acknowledged, the most that may be")
            )
            return full
        return self.append(record)

    def append(self, record: Record) -> Deferred[None]:
        """
        Add a record. Fires when it is durable, and then counts.

        @raise RegistryFailed: (Deferred) It cannot be made durable.
        """
        done: Deferred[None] = Deferred()
        self._pending.append((record, done))
        if not self._writing:
            self._write()
        return done

    def forget(self, keys: Sequence[str]) -> Deferred[None]:
        """
        Drop keys. Fires when that is durable.

        @raise RegistryFailed: (Deferred) It cannot be made durable.
        """
        return self.append(Forgotten(list(keys)))

    def close(self) -> Deferred[None]:
        """
        Finish what is being written, and close the file.
        """
        closed: Deferred[None] = Deferred()
        closed.addCallback(lambda _: self._close())
        if self._writing:
            self._idle.append(closed)
        else:
            closed.callback(None)
        return closed

    # Writing

    def _write(self) -> None:
        """
        Write all that is pending, together.
        """
        group, self._pending = self._pending, []
        if self._failed is not None:
            for _, done in group:
                done.errback(self._failed)
            return
        self._writing = True
        data = encode(record for record, _ in group)
        written = self._in_thread(lambda: self._put(data))
        written.addCallbacks(
            lambda _: self._written(group, len(data)), lambda why: self._fail(group, why.value)
        )
        written.addErrback(lambda why: self._log.failure("the registry of calls", failure=why))

    def _put(self, data: bytes) -> None:
        # In a thread: nothing else uses the file meanwhile.
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        os.fdatasync(self._file)

    def _written(self, group: Sequence[tuple[Record, Deferred[None]]], size: int) -> None:
        self._size += size
        for record, _ in group:
            apply(self._entries, record)
        if self._size > max(self._compact_floor, 4 * self._live):
            data = self._whole()
            compacted = self._in_thread(lambda: self._replace(data))
            compacted.addCallbacks(lambda _: self._next(), lambda why: self._fail((), why.value))
            compacted.addErrback(lambda why: self._log.failure("the registry of calls", failure=why))
        else:
            self._next()
        for _, done in group:
            done.callback(None)

    def _next(self) -> None:
        self._writing = False
        if self._pending:
            self._write()
        if not self._writing:
            idle, self._idle = self._idle, []
            for each in idle:
                each.callback(None)

    def _fail(self, group: Sequence[tuple[Record, Deferred[None]]], why: BaseException) -> None:
        # What the file holds now is anybody's guess: only reading it anew tells.
        self._failed = RegistryFailed(f"the registry of calls cannot be written: {why}")
        self._log.critical("{reason}", reason=self._failed)
        for _, done in group:
            done.errback(self._failed)
        self._next()

    # The file

    def _whole(self) -> bytes:
        data = encode(record for entry in self._entries.values() for record in entry.records())
        self._live = self._size = len(data)
        return data

    def _read(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        data = self._path.read_bytes() if self._path.exists() else b""
        found = decode(data)
        if found.good < len(data):
            self._log.warn(
                "the registry of calls ended in {bytes} bytes that are no record; nobody was told that they were",
                bytes=len(data) - found.good,
            )
        for record in found.records:
            apply(self._entries, record)
        self._replace(self._whole())

    def _replace(self, data: bytes) -> None:
        """
        Put a file that holds C{data} in the old one's place.
        """
        temporary = self._path.with_name(self._path.name + ".new")
        file = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        old, self._file = self._file, file
        if old >= 0:
            os.close(old)
        self._put(data)
        temporary.rename(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._failed = self._failed or RegistryFailed("the registry of calls is closed")
