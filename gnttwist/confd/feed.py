"""
The master's change feed, where there is one: ahead of the exported file, which is written once a second at most.
"""

from pathlib import Path
from typing import Any

import msgspec
from attrs import define, field

from twisted.application.service import Service
from twisted.internet.error import ConnectError
from twisted.internet.inotify import IN_CREATE, IN_MOVED_TO, INotify
from twisted.internet.interfaces import IConnector, IDelayedCall
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.filepath import FilePath

from gnttwist.confd.follow import FollowConfiguration
from gnttwist.errors import RemoteError
from gnttwist.wire.framing import Splitter

MAX_MESSAGE = 256 * 1024 * 1024
"""
Bytes of one message: more than the whole configuration of any cluster. The other side is the master daemon.
"""

RETRIES = (0.05, 0.2, 1.0)
"""
Seconds until the next attempts, after the socket has appeared: between its appearing and its listening there is a
moment.
"""


@define(eq=False, slots=False, repr=False)
class FeedProtocol(Protocol):
    """
    Reads the feed.
    """

    _log = Logger()
    _follow: FollowConfiguration
    _splitter: Splitter = field(factory=lambda: Splitter(MAX_MESSAGE), init=False)

    def dataReceived(self, data: bytes) -> None:
        try:
            for message in self._splitter.feed(data):
                self._follow.fed(msgspec.json.decode(message, type=dict))
        except (RemoteError, msgspec.DecodeError) as reason:
            self._log.error("the master's feed makes no sense: {reason}", reason=reason)
            assert self.transport is not None
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._follow.feed_lost()


@define(eq=False, slots=False, repr=False)
class FollowFeed(Service, ClientFactory):
    """
    Connects to the feed whenever its socket appears.
    """

    noisy = False
    _log = Logger()
    _reactor: Any
    _path: Path
    _follow: FollowConfiguration
    _notifier: INotify | None = field(default=None, init=False)
    _connector: IConnector | None = field(default=None, init=False)
    _retry: IDelayedCall | None = field(default=None, init=False)
    _attempts: int = field(default=0, init=False)

    def startService(self) -> None:
        super().startService()
        directory = self._path.parent
        if not directory.is_dir():
            self._log.info("no {directory}: following the file only", directory=str(directory))
            return
        self._notifier = INotify(self._reactor)
        self._notifier.startReading()
        self._notifier.watch(
            FilePath(str(directory)), mask=IN_CREATE | IN_MOVED_TO, callbacks=[self._appeared]
        )
        if self._path.exists():
            self._connect()

    def stopService(self) -> None:
        super().stopService()
        if self._notifier is not None:
            self._notifier.loseConnection()
            self._notifier = None
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._connector is not None:
            self._connector.disconnect()

    def buildProtocol(self, addr: object) -> FeedProtocol:
        self._attempts = 0
        return FeedProtocol(self._follow)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        reason.trap(ConnectError)
        self._connector = None
        if self.running and self._attempts < len(RETRIES):
            self._retry = self._reactor.callLater(RETRIES[self._attempts], self._connect)
            self._attempts += 1

    def clientConnectionLost(self, connector: IConnector, reason: Failure) -> None:
        self._connector = None
        if self.running and self._path.exists():
            self._attempts = 0
            self._retry = self._reactor.callLater(RETRIES[-1], self._connect)

    def _appeared(self, watched: object, path: "FilePath[str]", mask: int) -> None:
        name = path.basename()
        if (name.decode() if isinstance(name, bytes) else name) == self._path.name:
            self._attempts = 0
            if self._retry is not None:
                self._retry.cancel()
            self._connect()

    def _connect(self) -> None:
        self._retry = None
        if self._connector is None:
            self._connector = self._reactor.connectUNIX(str(self._path), self, 5)
