"""
Forgetting the store's history: what no job will read again, and no subscriber will resume from.
"""

from collections.abc import Callable

from attrs import define, field

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.store.interface import Store, StoreClosed

INTERVAL = 300.0
"""
Seconds between two looks: etcd's usual interval for the same.
"""

KEPT = 20_000
"""
Newest revisions that are always kept, for subscribers that come back: at some twenty revisions a job, the last
thousand jobs.
"""


@define(eq=False, slots=False, repr=False)
class Compaction(Service):
    """
    Compacts now and then.

    @ivar _oldest_read: The oldest revision that an unfinished job may read again; C{None} if none does.
    """

    _log = Logger()
    _clock: IReactorTime
    _store: Store
    _oldest_read: Callable[[], int | None]
    _done: int = field(default=0, init=False)
    _looping: LoopingCall | None = field(default=None, init=False)

    def startService(self) -> None:
        super().startService()
        looping = LoopingCall(self._compact)
        looping.clock = self._clock
        looping.start(INTERVAL, now=False)
        self._looping = looping

    def stopService(self) -> None:
        super().stopService()
        if self._looping is not None:
            self._looping.stop()
            self._looping = None

    def _compact(self) -> Deferred[None] | None:
        oldest = self._oldest_read()
        target = self._store.revision - KEPT
        if oldest is not None:
            target = min(target, oldest)
        if target <= self._done:
            return None
        self._done = target
        compacted = self._store.compact(target)
        compacted.addErrback(self._failed)
        return compacted

    def _failed(self, failure: Failure) -> None:
        # The store itself ends the daemon when it has failed; one that is closing only says so.
        failure.trap(StoreClosed)
        self._log.debug("not compacted: {reason}", reason=failure.value)
