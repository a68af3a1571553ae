"""
A child of the launcher, as a transport of its L{FunctionProtocol}.
"""

import os
from collections.abc import Callable

from attrs import define, field

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger

from gnttwist.launcher.spool import SpoolCorrupt, find
from gnttwist.noded.descriptors import IReactor, Watched
from gnttwist.noded.function_protocol import WAKE, exit_reason
from gnttwist.noded.processes import Process

LOOK_EVERY = 1.0
"""
Seconds between two looks at a process without a wake pipe or a pidfd: one whose launcher and node daemon were both
killed while it ran. Too rare for anything better.
"""

STATUS_WAIT = 15.0
"""
Seconds that the launcher has for telling how a process ended whose end was seen. It takes over 5 s only with the
remains of an aborted call.
"""


@define(eq=False)
class FollowedProcess:
    """
    One running child.

    Its end is told by the launcher, which alone knows how it ended; without a launcher by the pidfd, and without
    one of those by the lock on its spool.

    @ivar _gone: Called once with this when it has ended, before the protocol is told.
    @ivar _launched: Whether there is a launcher that will tell of the end.
    """

    _log = Logger()
    _reactor: IReactor
    process: Process
    _protocol: ProcessProtocol
    _wake: int | None
    _pidfd: int | None
    _launched: Callable[[], bool]
    _gone: Callable[["FollowedProcess"], None]
    _watched: list[Watched] = field(factory=list, init=False)
    _timer: IDelayedCall | None = field(default=None, init=False)
    _seen_ending: bool = field(default=False, init=False)
    ended: bool = field(default=False, init=False)

    @property
    def pid(self) -> int:
        """
        Its process number.
        """
        return self.process.pid

    def follow(self) -> None:
        """
        Begin.
        """
        self._protocol.makeConnection(self)
        if self._wake is not None:
            os.set_blocking(self._wake, False)
            self._watched.append(Watched(self._reactor, self._wake, self._woken).watch())
        if self._pidfd is not None:
            self._watched.append(Watched(self._reactor, self._pidfd, self._exited).watch())
        if self._wake is None or self._pidfd is None:
            self._later(LOOK_EVERY, self._look)

    def end(self, code: int | None, signal: int | None) -> None:
        """
        It has ended; both are C{None} where nobody can tell how.
        """
        if not self.ended:
            self.drop()
            self._gone(self)
            self._protocol.processExited(exit_reason(code, signal))

    def launcher_lost(self) -> None:
        """
        Nobody will tell how it ends: what can be seen must do.
        """
        if self._seen_ending and not self.ended:
            self.end(None, None)

    def drop(self) -> None:
        """
        Stop following; the process goes on.
        """
        self.ended = True
        self.loseConnection()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def loseConnection(self) -> None:
        """
        Close the descriptors.
        """
        for each in self._watched:
            each.close()

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._reactor.callLater(seconds, action)

    def _woken(self, pipe: Watched) -> None:
        data = pipe.read(4096)
        if data:
            self._protocol.childDataReceived(WAKE, data)
        elif data is not None:
            pipe.close()

    def _exited(self, pidfd: Watched) -> None:
        pidfd.close()
        self._seen_ending = True
        if self._launched():
            self._later(STATUS_WAIT, lambda: self.end(None, None))
        else:
            self.end(None, None)

    def _look(self) -> None:
        self._later(LOOK_EVERY, self._look)
        try:
            found = find(self.process.spool)
        except (OSError, SpoolCorrupt) as reason:
            self._log.error("cannot see the spool of {call}: {reason}", call=self.process.id, reason=reason)
            return
        if found is None or not found.held:
            self._seen_ending = True
            self._later(STATUS_WAIT, lambda: self.end(None, None))
            if not self._launched():
                self.end(None, None)
        else:
            self._protocol.childDataReceived(WAKE, b"\0")
