"""
The connection to the launcher, made again whenever it is lost.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from attrs import define, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.errors import RemoteError
from gnttwist.launcher import protocol
from gnttwist.noded.descriptors import IReactor, PacketSocket, close_all
from gnttwist.noded.processes import LauncherGone

RETRY_FIRST, RETRY_MOST = 0.05, 2.0
"""
Seconds between attempts to reach the launcher: the first and, doubled each time, the most. A new one is there
100 ms after it was started.
"""


class LinkUser(Protocol):
    """
    Who speaks with the launcher.
    """

    def linked(self) -> None:
        """
        There is a launcher, perhaps a new one.
        """

    def reply_received(self, reply: protocol.Reply, descriptors: list[int], complete: bool) -> None:
        """
        It says something, with descriptors that are to be closed by whoever gets them.

        @param complete: Whether no descriptor was lost on the way.
        @raise RemoteError: It should not have said that.
        """

    def unlinked(self) -> None:
        """
        There is no launcher now; what was asked for and not answered will not be answered.
        """


@define(eq=False)
class LauncherLink:
    """
    @ivar _path: The launcher's socket.
    @ivar _revive: Starts a launcher where there is none; C{None} where somebody else sees to that.
    @ivar up: Whether there is a launcher.
    """

    _log = Logger()
    _reactor: IReactor
    _path: Path
    _user: LinkUser
    _revive: Callable[[], Deferred[None]] | None = None
    up: bool = field(default=False, init=False)
    _packets: PacketSocket | None = field(default=None, init=False)
    _wanted: bool = field(default=False, init=False)
    _waiting: list[Deferred[None]] = field(factory=list, init=False)
    _retry: float = field(default=RETRY_FIRST, init=False)
    _timer: IDelayedCall | None = field(default=None, init=False)

    def connect(self) -> Deferred[None]:
        """
        Be connected from now on.

        @return: Fires when the launcher has answered.
        """
        waiting: Deferred[None] = Deferred()
        if self.up:
            waiting.callback(None)
            return waiting
        self._waiting.append(waiting)
        if not self._wanted:
            self._wanted = True
            self._try()
        return waiting

    def disconnect(self) -> None:
        """
        Be no longer connected; the user is not told.
        """
        self._wanted = self.up = False
        if self._packets is not None:
            self._packets.close()
            self._packets = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.errback(LauncherGone("disconnected"))

    def send(self, message: protocol.Request, descriptors: Sequence[int] = ()) -> None:
        """
        Send a request.

        @param descriptors: Stay the caller's.
        @raise LauncherGone: There is no launcher.
        @raise QueueFull: It does not read.
        @raise LocalError: The message is too long.
        """
        if not self.up or self._packets is None:
            raise LauncherGone("there is no launcher")
        self._packets.send(protocol.encode(message), descriptors)

    def _try(self) -> None:
        try:
            self._packets = PacketSocket.connect(self._reactor, self._path, self, protocol.HEADER_LIMIT)
        except OSError as reason:
            self._log.debug("no launcher at {path}: {reason}", path=self._path, reason=reason)
            self._again()
        else:
            self._packets.send(protocol.encode(protocol.Hello(protocol.VERSION)))

    def _again(self) -> None:
        if self._revive is None:
            self._try_later()
            return
        reviving = self._revive()
        reviving.addErrback(lambda reason: self._log.failure("cannot start a launcher", failure=reason))
        reviving.addCallback(lambda _: self._try_later())

    def _try_later(self) -> None:
        if self._wanted:
            self._timer = self._reactor.callLater(self._retry, self._try)
            self._retry = min(self._retry * 2, RETRY_MOST)

    def packets_lost(self, reason: Failure) -> None:
        """
        The launcher has gone, or has turned to somebody else.
        """
        self._log.warn("the launcher's connection is lost: {reason}", reason=reason.getErrorMessage())
        self._packets = None
        was_up, self.up = self.up, False
        if was_up:
            self._user.unlinked()
        if self._wanted:
            self._again()

    def packet_received(self, data: bytes, descriptors: Sequence[int], complete: bool) -> None:
        """
        A message of the launcher's.
        """
        try:
            reply = protocol.decode_reply(data)
        except RemoteError:
            close_all(descriptors)
            raise
        match reply:
            case protocol.Welcome(version):
                close_all(descriptors)
                self._welcome(version)
            case protocol.Superseded():
                close_all(descriptors)
                self._log.critical("another node daemon has taken the launcher over")
                self._wanted = False
            case protocol.Refused(None, reason):
                close_all(descriptors)
                raise RemoteError(f"the launcher did not understand: {reason}")
            case _:
                self._user.reply_received(reply, list(descriptors), complete)

    def _welcome(self, version: int) -> None:
        if version != protocol.VERSION:
            raise RemoteError(f"the launcher speaks version {version}")
        self.up = True
        self._retry = RETRY_FIRST
        waiting, self._waiting = self._waiting, []
        self._user.linked()
        for each in waiting:
            each.callback(None)
