"""
Following the configuration: by notification, never by polling.
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.inotify import IN_CLOSE_WRITE, IN_MOVED_TO, INotify
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.filepath import FilePath

from gnttwist.confd.answers import Answers
from gnttwist.confd.keys import Keys
from gnttwist.confd.loading import Unusable, build, load, patched
from gnttwist.confd.lookups import Lookups
from gnttwist.confd.memory import give_back
from gnttwist.confd.respond import Statistics
from gnttwist.paths import Paths

Work = Callable[[], Lookups | None]


@define(eq=False, slots=False, repr=False)
class FollowConfiguration(Service):
    """
    Keeps the newest good configuration. A damaged file leaves the one before in service.

    On the master there is a feed as well, which is ahead of the file: while it lasts, the file is not read.

    @ivar answers: From the newest good configuration; C{None} before there is one.
    @ivar keys: The keys that are accepted.
    """

    _log = Logger()
    _reactor: Any
    _paths: Paths
    _statistics: Statistics = field(factory=Statistics)
    answers: Answers | None = field(default=None, init=False)
    keys: Keys = field(init=False)
    _fed_config: Mapping[str, Any] = field(factory=dict, init=False)
    _notifier: INotify | None = field(default=None, init=False)
    _fed: bool = field(default=False, init=False)
    _busy: bool = field(default=False, init=False)
    _file_changed: bool = field(default=False, init=False)
    _replaced: bool = field(default=False, init=False)
    _patches: list[Mapping[str, Any]] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.keys = Keys(self._reactor, self._paths.hmac_key)

    def startService(self) -> None:
        super().startService()
        notifier = INotify(self._reactor)
        notifier.startReading()
        # The directory, for the file is replaced whole: what was watched would be the file before.
        notifier.watch(
            FilePath(str(self._paths.data)), mask=IN_MOVED_TO | IN_CLOSE_WRITE, callbacks=[self._changed]
        )
        self._notifier = notifier
        self.keys.read()
        self._file_changed = True
        self._go_on()

    def stopService(self) -> None:
        if self._notifier is not None:
            self._notifier.loseConnection()
            self._notifier = None
        self.keys.stop()
        super().stopService()

    def fed(self, patch: Mapping[str, Any]) -> None:
        """
        Take a change from the master's feed.

        @param patch: As for L{patched}; one with C{"full": true} stands for itself.
        """
        if patch.get("full"):
            self._patches.clear()
        self._fed = True
        # Not many: the feed waits a twentieth of a second between two.
        self._patches.append(patch)
        self._go_on()

    def feed_lost(self) -> None:
        """
        The master's feed has ended; what it told last stays in service until the file changes.
        """
        self._fed = False
        # What was written meanwhile is no newer than what the feed told.
        self._file_changed = False
        self._fed_config = {}
        self._patches.clear()

    def _changed(self, watched: object, path: "FilePath[str]", mask: int) -> None:
        name = path.basename()
        name = name.decode() if isinstance(name, bytes) else name
        if name == self._paths.config_export.name:
            self._file_changed = True
            self._go_on()
        elif name == self._paths.hmac_key.name:
            self.keys.read()

    def _go_on(self) -> None:
        work = None if self._busy or not self.running else self._next()
        if work is None:
            return
        self._busy = True
        done: Deferred[Lookups | None] = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work)
        done.addCallbacks(self._loaded, self._failed)
        done.addErrback(lambda failure: self._log.failure("loading failed", failure))
        done.addCallback(lambda _: self._done())

    def _next(self) -> Work | None:
        if self._patches:
            patches, self._patches = self._patches, []
            for each in patches:
                self._replaced = self._replaced or bool(each.get("full"))
                self._fed_config = patched({} if each.get("full") else self._fed_config, each)
            config = self._fed_config
            return lambda: build(config)
        if self._file_changed and not self._fed:
            self._file_changed = False
            path = self._paths.config_export
            self._replaced = True
            return lambda: load(path)
        return None

    def _loaded(self, found: Lookups | None) -> None:
        if found is None:
            self._statistics.unusable += 1
            self._log.error("there is no {path}", path=str(self._paths.config_export))
            return
        self.answers = Answers(found)
        self._statistics.loaded += 1
        self._log.info("serving configuration {serial}", serial=found.serial)

    def _failed(self, failure: Failure) -> None:
        failure.trap(Unusable)
        self._statistics.unusable += 1
        self._log.error("kept the configuration before: {reason}", reason=failure.value)

    def _done(self) -> None:
        self._busy = False
        if self._replaced:
            # Only now nothing refers to the configuration before.
            self._replaced = False
            pool = self._reactor.getThreadPool()
            deferToThreadPool(self._reactor, pool, give_back).addErrback(self._not_given_back)
        self._go_on()

    def _not_given_back(self, failure: Failure) -> None:
        self._log.failure("giving memory back failed", failure)
