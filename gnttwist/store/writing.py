"""
What the writing thread does: groups of transactions, and compaction between them.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

from attrs import define, field, frozen

from twisted.internet.defer import Deferred

from gnttwist.store.database import Outcome, Writer, lock
from gnttwist.store.interface import MAX_TRANSACTION_BYTES, Transaction

GROUP_TRANSACTIONS = 500
"""
The most transactions of one commit: telling the reactor of them takes it 2 to 3 ms.
"""

GROUP_BYTES = 4 * MAX_TRANSACTION_BYTES
"""
When a commit is large enough: it bounds the memory and the time of one sync.
"""


@frozen
class Submitted:
    """
    A transaction to commit.

    @ivar size: In bytes.
    """

    transaction: Transaction
    size: int


@frozen
class Compaction:
    """
    A request to forget history.

    @ivar done: For the reactor's thread to fire.
    """

    revision: int
    done: Deferred[None]


class Stop:
    """
    A request to end, after all that came before it.
    """


Request = Submitted | Compaction | Stop


@define
class Writing:
    """
    The loop of the thread that owns the writing connection. Its callbacks are called in that thread.

    @ivar _ready: Told the revision and the compacted revision once the database is open.
    @ivar _committed: Told the outcomes of each group, when they are durable.
    @ivar _compacted: Told each compaction that is complete.
    """

    _path: Path
    _requests: "SimpleQueue[Request]"
    _ready: Callable[[int, int], None]
    _committed: Callable[[Sequence[Outcome]], None]
    _compacted: Callable[[Compaction], None]
    _sweeping_for: list[Compaction] = field(factory=list)
    _stopping: bool = False

    def run(self) -> None:
        """
        Work until told to stop.

        @raise sqlite3.Error: The database failed. What was not reported may or may not be durable.
        @raise UnusableDatabase: It cannot be opened.
        @raise OSError: Likewise.
        """
        descriptor = lock(self._path)
        try:
            writer = Writer.open(self._path)
            try:
                self._ready(writer.revision, writer.compacted)
                self._work(writer)
            finally:
                writer.close()
        finally:
            os.close(descriptor)

    def _work(self, writer: Writer) -> None:
        while not self._stopping or self._sweeping_for:
            group, other = self._next(wait=not writer.sweeping)
            if group:
                self._committed(writer.commit(group))
            if isinstance(other, Compaction):
                writer.compact(other.revision)
                self._sweeping_for.append(other)
            elif isinstance(other, Stop):
                self._stopping = True
            if writer.sweeping:
                writer.sweep()
            if not writer.sweeping:
                done, self._sweeping_for = self._sweeping_for, []
                for each in done:
                    self._compacted(each)

    def _next(self, *, wait: bool) -> tuple[list[Transaction], Request | None]:
        """
        The transactions that are there, within the bounds of a group, and what follows them if it is none.
        """
        group: list[Transaction] = []
        size = 0
        while len(group) < GROUP_TRANSACTIONS and size < GROUP_BYTES:
            try:
                request = self._requests.get(block=wait and not group)
            except Empty:
                break
            if not isinstance(request, Submitted):
                return group, request
            group.append(request.transaction)
            size += request.size
        return group, None
