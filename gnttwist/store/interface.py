"""
What a store is: one ordered, revisioned key-value space.

Keys are C{/}-separated text, values are bytes, and every committed transaction that writes makes one new
revision. Backends pass the conformance suite in C{tests/store/conformance.py}; the limits are etcd's, so that what
works on one backend works on all.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import frozen

from twisted.internet.defer import Deferred

from gnttwist.errors import LocalError

MAX_OPERATIONS = 128
"""
The most comparisons, and the most writes, of one transaction: etcd's default.
"""

MAX_TRANSACTION_BYTES = 1_500_000
"""
The most bytes (keys and values) of one transaction: etcd's default request size.
"""


class TooLarge(LocalError):
    """
    A transaction is over L{MAX_OPERATIONS} or L{MAX_TRANSACTION_BYTES}.
    """


class Compacted(LocalError):
    """
    The revision asked for is older than the history that is kept.
    """


class FutureRevision(LocalError):
    """
    The revision asked for is newer than the newest durable one.
    """


class StoreClosed(LocalError):
    """
    The store is closed, or has stopped after a write that could not be made durable.
    """


@frozen
class Entry:
    """
    A key's value as of some revision.

    @ivar created: The revision at which the key came into being.
    @ivar modified: The revision of its last write.
    """

    key: str
    value: bytes
    created: int
    modified: int


@frozen
class Compare:
    """
    A condition: the key's last write was at C{modified}; 0 means that the key does not exist.
    """

    key: str
    modified: int


@frozen
class CompareValue:
    """
    A condition: the key exists and has this value.

    It can be written before the revision of the key's last write is known, so a chain of transactions can be
    submitted without waiting for each other.
    """

    key: str
    value: bytes


Condition = Compare | CompareValue


@frozen
class Put:
    """
    Write a value.
    """

    key: str
    value: bytes


@frozen
class Delete:
    """
    Remove a key, if it is there.
    """

    key: str


Write = Put | Delete


@frozen
class Transaction:
    """
    Writes that happen all together, if every comparison holds.

    A key may be written once in a transaction. One that changes nothing, because it only removes what is not
    there, makes no revision.
    """

    writes: Sequence[Write]
    compares: Sequence[Condition] = ()


@frozen
class Committed:
    """
    The outcome of a transaction.

    @ivar succeeded: Whether the comparisons held. Where they did not, nothing was written.
    @ivar revision: The store's revision right after it.
    """

    succeeded: bool
    revision: int


@frozen
class Event:
    """
    One durable change of one key.

    @ivar entry: The new entry, or C{None} where the key was removed.
    """

    key: str
    entry: Entry | None
    revision: int


@frozen
class Range:
    """
    Entries in key order, as of C{revision}.

    @ivar more: Whether the limit left entries out.
    """

    entries: Sequence[Entry]
    revision: int
    more: bool = False


class Watch(Protocol):
    """
    A subscription to changes.
    """

    def stop(self) -> None:
        """
        No more events after this returns.
        """


class Store(Protocol):
    """
    The store. Its methods are called in the reactor's thread, and so are its callbacks.
    """

    @property
    def revision(self) -> int:
        """
        The newest durable revision; 0 for a store that was never written.
        """

    def transact(self, transaction: Transaction) -> Deferred[Committed]:
        """
        Commit C{transaction}; fires when it is durable.

        Transactions take effect in the order of the calls, and their Deferreds fire in that order. Watchers see
        a transaction's events just before its Deferred fires. Cancelling the Deferred does nothing.

        @raise TooLarge: It is over a limit.
        @raise StoreClosed: The store has stopped; C{Failure} of the Deferred where it stops meanwhile.
        """

    def range(self, prefix: str, *, revision: int = 0, limit: int = 0, after: str = "") -> Deferred[Range]:
        """
        The entries whose keys begin with C{prefix}, in key order.

        @param revision: As of which revision; 0 means the newest durable one.
        @param limit: At most so many; 0 means all.
        @param after: Only keys greater than this one, to page on.
        @raise Compacted: (Deferred) That revision's history is gone.
        @raise FutureRevision: That revision is not durable yet.
        """

    def watch(self, prefix: str, callback: Callable[[Sequence[Event]], None], *, revision: int = 0) -> Watch:
        """
        Call C{callback} with the events of each durable transaction that touches C{prefix}, in order, once each.

        @param revision: Also replay what came after this revision; 0 means from now on.
        @raise Compacted: That revision's history is gone.
        @raise FutureRevision: That revision is not durable yet.
        """

    def compact(self, revision: int) -> Deferred[None]:
        """
        Forget history before C{revision}; reading at C{revision} and later still works.
        """

    def close(self) -> Deferred[None]:
        """
        Finish what was submitted, then release everything.
        """
