"""
Until when the watcher is to keep still.
"""

from collections.abc import Callable
from pathlib import Path

from attrs import define, field

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.config.files import replace
from gnttwist.store.interface import Delete, Put, Store, Transaction

KEY = "/watcher/pause"
"""
The store's key: seconds since the epoch, in decimal.
"""

MODE = 0o644


@define(eq=False, repr=False)
class WatcherPause:
    """
    Kept in the store; beside it is Ganeti's file, which its watcher reads.

    @ivar _path: That file. It holds seconds since the epoch.
    @ivar _in_thread: Runs what blocks.
    @ivar _now: The wall clock, seconds since the epoch.
    @ivar _until: Whatever was set last; it may be over.
    """

    _log = Logger()
    _store: Store
    _path: Path
    _in_thread: Callable[[Callable[[], None]], Deferred[None]]
    _now: Callable[[], float]
    _until: int | None = field(default=None, init=False)

    async def load(self) -> None:
        """
        Read what was set; once, before anything else.
        """
        found = (await self._store.range(KEY)).entries
        self._until = int(found[0].value) if found else None
        await self._export()

    @property
    def until(self) -> int | None:
        """
        Until when, in seconds since the epoch; C{None} when there is no pause, or it is over.
        """
        return None if self._until is None or self._until <= self._now() else self._until

    async def set(self, until: float | None) -> None:
        """
        Begin a pause, change its end, or end it; durable when this returns.
        """
        seconds = None if until is None else int(until)
        write = Delete(KEY) if seconds is None else Put(KEY, b"%d" % seconds)
        await self._store.transact(Transaction([write]))
        self._until = seconds
        await self._export()

    async def _export(self) -> None:
        until = self._until
        await self._in_thread(lambda: _write(self._path, until)).addErrback(self._not_exported)

    def _not_exported(self, failure: Failure) -> None:
        # The file is a copy; what is asked of us is answered from the store.
        failure.trap(OSError)
        self._log.error("cannot write {path}: {reason}", path=self._path, reason=failure.value)


def _write(path: Path, until: int | None) -> None:
    if until is None:
        path.unlink(missing_ok=True)
    else:
        replace(path, b"%d\n" % until, MODE)
