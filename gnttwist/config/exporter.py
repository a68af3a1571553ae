"""
Keeps Ganeti's files on the master in step with the configuration.
"""

from collections.abc import Callable
from typing import TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.config.files import write_all
from gnttwist.config.service import Configuration
from gnttwist.config.snapshot import Snapshot
from gnttwist.paths import Paths

T = TypeVar("T")
InThread = Callable[[Callable[[], T]], Deferred[T]]

INTERVAL = 1.0
"""
Seconds between two writes: the architecture's bound.
"""

RETRY = 5.0
"""
Seconds until a write that failed is tried again: a full disk needs somebody to make room.
"""


class Exporter(Service):
    """
    Writes the files when it starts, and after changes: at once, but not more often than L{INTERVAL}.

    The files are copies; the store is the truth. So a failure is logged, tried again, and stops nothing.
    """

    name = "exporter"
    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        in_thread: InThread[list[str]],
        configuration: Configuration,
        paths: Paths,
        readers: int | None = None,
    ) -> None:
        """
        @param in_thread: Runs a function in a thread; its result is the Deferred's.
        @param configuration: Loaded before the service starts.
        @param readers: The group that may read C{config.data}, where it is not this process's.
        """
        self._clock = clock
        self._in_thread = in_thread
        self._configuration = configuration
        self._paths = paths
        self._readers = readers
        self._wanted: Snapshot | None = None
        self._not_before = clock.seconds()
        self._delayed: IDelayedCall | None = None
        self._writing = False
        self._idle: list[Deferred[None]] = []
        self._forget: Callable[[], None] = _nothing

    def startService(self) -> None:
        super().startService()
        self._forget = self._configuration.on_change(self._changed)
        self._changed(self._configuration.snapshot)

    def stopService(self) -> Deferred[None]:
        """
        Write what is still to be written, once; then end.
        """
        super().stopService()
        self._forget()
        if self._delayed is not None:
            self._delayed.cancel()
            self._delayed = None
        if self._wanted is not None and not self._writing:
            self._write()
        if not self._writing:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._idle.append(done)
        return done

    def _changed(self, config: Snapshot) -> None:
        self._wanted = config
        self._consider()

    def _consider(self) -> None:
        if self._writing or self._delayed is not None:
            return
        wait = self._not_before - self._clock.seconds()
        if wait <= 0:
            self._write()
        else:
            self._delayed = self._clock.callLater(wait, self._write)

    def _write(self) -> None:
        config, self._wanted, self._delayed = self._wanted, None, None
        assert config is not None, "there is something to write"
        self._writing = True
        self._not_before = self._clock.seconds() + INTERVAL
        done = self._in_thread(lambda: write_all(self._paths, config, self._readers))
        done.addCallbacks(self._written, self._failed, errbackArgs=(config,))
        done.addErrback(lambda failure: self._log.failure("the exporter failed", failure))

    def _written(self, too_large: list[str]) -> None:
        for key in too_large:
            self._log.error("ssconf_{key} is too large for its readers, and is kept as it was", key=key)
        self._writing = False
        self._go_on()

    def _failed(self, failure: Failure, config: Snapshot) -> None:
        self._log.error(
            "writing the configuration's files failed: {reason}", reason=failure.getErrorMessage()
        )
        self._not_before = self._clock.seconds() + RETRY
        self._wanted = self._wanted or config
        self._writing = False
        if not self.running:
            self._wanted = None  # stopping does not wait for a disk; the next start writes them
        self._go_on()

    def _go_on(self) -> None:
        if self._wanted is not None:
            if self.running:
                self._consider()
            else:
                self._write()
        if not self._writing:
            waiting, self._idle = self._idle, []
            for each in waiting:
                each.callback(None)


def _nothing() -> None:
    pass
