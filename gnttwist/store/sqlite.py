"""
The store on SQLite: one thread commits, one reads, and the reactor waits for neither.

Transactions that are submitted while a commit is under way form the next group, which is made durable with one sync.
Queues keep the order: the reading thread answers first come, first served, and compactions pass through it on
their way to the writing thread, so that no read loses the history that it was promised.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from sqlite3 import Error as SQLiteError
from threading import Thread
from typing import Any

from attrs import frozen

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

from gnttwist.store.database import Outcome, UnusableDatabase
from gnttwist.store.interface import Committed, Range, StoreClosed, Transaction, Watch
from gnttwist.store.reading import Reader
from gnttwist.store.rules import check, check_revision
from gnttwist.store.watches import Callback, Subscription, Watches
from gnttwist.store.writing import Compaction, Request, Stop, Submitted, Writing


@frozen
class _Reading:
    """
    Something to read: C{what} runs in the reading thread, C{then} gets its result in the reactor's.
    """

    what: Callable[[Reader], Any]
    then: Callable[[Any], None]


class SQLiteStore:
    """
    L{gnttwist.store.interface.Store} in one file.

    What waits to be written has no bound of its own: every waiting transaction is somebody's Deferred, and
    those who submit (connections, running jobs) are bounded.
    """

    def __init__(self, reactor: IReactorFromThreads, path: Path, on_fatal: Callable[[Failure], None]) -> None:
        """
        Use L{open}.
        """
        self._reactor = reactor
        self._path = path
        self._on_fatal = on_fatal
        self._opened: Deferred[SQLiteStore] | None = Deferred()
        self._watches = Watches()
        self._requests: SimpleQueue[Request] = SimpleQueue()
        self._readings: SimpleQueue[_Reading | Compaction | Stop] = SimpleQueue()
        # Every Deferred that has not fired, oldest first; those of transactions fire in this order.
        self._transactions: dict[Deferred[Committed], None] = {}
        self._others: dict[Deferred[Any], None] = {}
        self._revision = 0
        self._compacted = 0
        self._refusal = ""
        self._failed = False
        self._threads = 0
        self._closing: list[Deferred[None]] = []

    @classmethod
    def open(
        cls, reactor: IReactorFromThreads, path: Path, on_fatal: Callable[[Failure], None]
    ) -> "Deferred[SQLiteStore]":
        """
        Open the database C{path}, and make it where there is none; its directory exists.

        @param on_fatal: Called once, in the reactor's thread, if the store has to stop because something could not
            be written or read. Nothing that was not durable has been reported by then; when it returns, every
            Deferred that still waits fails with L{StoreClosed}. The process should end.
        @raise gnttwist.store.database.StoreInUse: (Deferred) Another process has it open.
        @raise gnttwist.store.database.UnusableDatabase: (Deferred) It is not a store, or is damaged.
        """
        store = cls(reactor, path, on_fatal)
        assert store._opened is not None
        store._start(store._write_all)
        return store._opened

    @property
    def revision(self) -> int:
        """
        The newest durable revision.
        """
        return self._revision

    def transact(self, transaction: Transaction) -> Deferred[Committed]:
        """
        Commit C{transaction}; fires when it is durable.
        """
        size = check(transaction)
        self._check_open()
        result: Deferred[Committed] = Deferred()
        self._transactions[result] = None
        self._requests.put(Submitted(transaction, size))
        return result

    def range(self, prefix: str, *, revision: int = 0, limit: int = 0, after: str = "") -> Deferred[Range]:
        """
        The entries whose keys begin with C{prefix}, in key order.
        """
        self._check_open()
        wanted = revision or self._revision
        check_revision(wanted, self._revision, self._compacted)
        result: Deferred[Range] = Deferred()
        self._others[result] = None
        self._readings.put(
            _Reading(
                lambda reader: reader.range(prefix, wanted, limit, after),
                lambda found: self._fire(result, found),
            )
        )
        return result

    def watch(self, prefix: str, callback: Callback, *, revision: int = 0) -> Watch:
        """
        Call C{callback} with the events of each durable transaction that touches C{prefix}, in order, once each.
        """
        self._check_open()
        if revision:
            check_revision(revision, self._revision, self._compacted)
        subscription = self._watches.add(prefix, callback)
        if revision and revision < self._revision:
            self._replay(subscription, revision, self._revision)
        return subscription

    def _replay(self, subscription: Subscription, after: int, until: int) -> None:
        subscription.hold()
        self._readings.put(
            _Reading(
                lambda reader: reader.events(subscription.prefix, after, until),
                subscription.replayed,
            )
        )

    def compact(self, revision: int) -> Deferred[None]:
        """
        Forget history before C{revision}; reading at C{revision} and later still works.
        """
        self._check_open()
        check_revision(revision, self._revision, self._compacted)
        self._compacted = revision
        result: Deferred[None] = Deferred()
        self._others[result] = None
        self._readings.put(Compaction(revision, result))
        return result

    def close(self) -> Deferred[None]:
        """
        Finish what was submitted, then release everything. May be called again, and after a failure.
        """
        if not self._refusal:
            self._refusal = "the store is closed"
            self._readings.put(Stop())
        if not self._threads:
            return succeed(None)
        result: Deferred[None] = Deferred()
        self._closing.append(result)
        return result

    def _check_open(self) -> None:
        if self._refusal:
            raise StoreClosed(self._refusal)

    # In the reactor's thread, asked for by the others.

    def _ready(self, revision: int, compacted: int) -> None:
        self._revision = revision
        self._compacted = compacted
        self._start(self._read_all)
        opened, self._opened = self._opened, None
        assert opened is not None
        opened.callback(self)

    def _committed(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self._revision = outcome.committed.revision
            if outcome.events:
                self._watches.deliver(outcome.events)
            result = next(iter(self._transactions))
            del self._transactions[result]
            result.callback(outcome.committed)

    def _fire(self, result: Deferred[Any], value: object) -> None:
        # After a failure the Deferred has been told already.
        if result in self._others:
            del self._others[result]
            result.callback(value)

    def _fail(self, failure: Failure) -> None:
        """
        Stop for good. The owner hears of it first: a process that ends tells its clients the truth, which is that
        the outcome is unknown.
        """
        if self._failed:
            return
        self._failed = True
        self._refusal = f"the store has stopped: {failure.getErrorMessage()}"
        if self._opened is not None:
            opened, self._opened = self._opened, None
            opened.errback(failure)
            return
        self._readings.put(Stop())
        self._requests.put(Stop())
        self._on_fatal(failure)
        waiting: list[Deferred[Any]] = [*self._transactions, *self._others]
        self._transactions.clear()
        self._others.clear()
        for each in waiting:
            each.errback(StoreClosed(self._refusal))

    def _start(self, body: Callable[[], None]) -> None:
        self._threads += 1
        # Not waited for at exit: what is not reported need not be durable.
        Thread(target=self._watched, args=(body,), name=f"store {self._path.name}", daemon=True).start()

    def _ended(self) -> None:
        self._threads -= 1
        if not self._threads:
            waiting, self._closing = self._closing, []
            for each in waiting:
                each.callback(None)

    # In the store's threads.

    def _watched(self, body: Callable[[], None]) -> None:
        """
        Run a thread's body. Whatever ends it early stops the store: a store that hangs helps nobody.
        """
        try:
            body()
        except UnusableDatabase:
            self._reactor.callFromThread(self._fail, Failure())
        except (SQLiteError, OSError) as reason:
            self._reactor.callFromThread(self._fail, Failure(_named(reason, self._path)))
        except BaseException:
            self._reactor.callFromThread(self._fail, Failure())
            raise
        finally:
            self._reactor.callFromThread(self._ended)

    def _write_all(self) -> None:
        tell = self._reactor.callFromThread
        Writing(
            self._path,
            self._requests,
            ready=lambda revision, compacted: tell(self._ready, revision, compacted),
            committed=lambda outcomes: tell(self._committed, outcomes),
            compacted=lambda request: tell(self._fire, request.done, None),
        ).run()

    def _read_all(self) -> None:
        reader = Reader.open(self._path)
        try:
            while not isinstance(request := self._readings.get(), Stop):
                if isinstance(request, Compaction):
                    self._requests.put(request)
                else:
                    self._reactor.callFromThread(request.then, request.what(reader))
        finally:
            reader.close()
            self._requests.put(Stop())


def _named(reason: Exception, path: Path) -> UnusableDatabase:
    """
    An error that says which file, and keeps its cause.
    """
    error = UnusableDatabase(f"{path}: {reason}")
    error.__cause__ = reason
    return error
