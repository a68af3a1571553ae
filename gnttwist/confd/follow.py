"""
Following the exported configuration: by notification, never by polling.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
from attrs import define, field

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.inotify import IN_CLOSE_WRITE, IN_MOVED_TO, INotify
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.filepath import FilePath

from gnttwist.confd.answers import Answers
from gnttwist.paths import Paths


class Unusable(Exception):
    """
    The file is not a whole configuration.
    """


def load(path: Path) -> Answers | None:
    """
    Read an exported configuration; C{None} where there is none.

    @raise Unusable: It is damaged.
    """
    try:
        return Answers(msgspec.json.decode(path.read_bytes(), type=dict))
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
        raise Unusable(f"{path}: {reason}") from reason
    except (KeyError, TypeError, AttributeError) as reason:
        raise Unusable(f"{path}: not a configuration: {reason!r}") from reason


@define(eq=False, slots=False, repr=False)
class FollowConfiguration(Service):
    """
    Keeps the newest good configuration. A damaged file leaves the one before in service.

    @ivar answers: From the newest good file; C{None} before there is one.
    @ivar _ready: Called when the first attempt to load has ended.
    """

    _log = Logger()
    _reactor: IReactorThreads
    _paths: Paths
    _ready: Callable[[], None] = lambda: None
    answers: Answers | None = field(default=None, init=False)
    _key: bytes | None = field(default=None, init=False)
    _notifier: INotify | None = field(default=None, init=False)
    _loading: bool = field(default=False, init=False)
    _again: bool = field(default=False, init=False)

    def startService(self) -> None:
        super().startService()
        notifier = INotify(self._reactor)
        notifier.startReading()
        # The directory, for the file is replaced whole: what was watched would be the file before.
        notifier.watch(
            FilePath(str(self._paths.data)), mask=IN_MOVED_TO | IN_CLOSE_WRITE, callbacks=[self._changed]
        )
        self._notifier = notifier
        self._load()

    def stopService(self) -> None:
        if self._notifier is not None:
            self._notifier.loseConnection()
            self._notifier = None
        super().stopService()

    def key(self) -> bytes:
        """
        The cluster's key, newline included.

        @raise OSError: It cannot be read.
        """
        if self._key is None:
            self._key = self._paths.hmac_key.read_bytes()
        return self._key

    def _changed(self, watched: object, path: "FilePath[str]", mask: int) -> None:
        name = path.basename()
        name = name.decode() if isinstance(name, bytes) else name
        if name == self._paths.config_export.name:
            self._load()
        elif name == self._paths.hmac_key.name:
            self._key = None

    def _load(self) -> None:
        if self._loading:
            self._again = True
            return
        self._loading = True
        loaded: Deferred[Answers | None] = deferToThreadPool(
            self._reactor, self._reactor.getThreadPool(), load, self._paths.config_export
        )
        loaded.addCallbacks(self._loaded, self._failed)
        loaded.addCallback(lambda _: self._done())

    def _loaded(self, answers: Answers | None) -> None:
        if answers is not None:
            self.answers = answers
            self._log.info("serving configuration {serial}", serial=answers.serial)

    def _failed(self, failure: Failure) -> None:
        failure.trap(Unusable)
        self._log.error("kept the configuration before: {reason}", reason=failure.value)

    def _done(self) -> None:
        self._loading = False
        self._ready()
        if self._again and self.running:
            self._again = False
            self._load()
