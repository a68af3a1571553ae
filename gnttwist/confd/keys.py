"""
The cluster's key, and for a while the one before: while a new key is being given to all nodes, both are in use.
"""

from pathlib import Path

from attrs import define, field

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

ROLLOVER = 600.0
"""
Seconds for which the key before is accepted: twice the window in which a question may arrive. A rollover takes
seconds; a node that was not reached in ten minutes is down.
"""

MAX_KEY = 4096
"""
Bytes of a key's file that are read; Ganeti's have 41.
"""


@define(eq=False, repr=False)
class Keys:
    """
    The keys that are accepted.

    @ivar accepted: The newest first; empty before there is one.
    """

    _log = Logger()
    _clock: IReactorTime
    _path: Path
    accepted: tuple[bytes, ...] = field(default=(), init=False)
    _forget: IDelayedCall | None = field(default=None, init=False)

    def read(self) -> None:
        """
        Read the file, which may have changed. A key that cannot be read leaves the one before in service.
        """
        try:
            with self._path.open("rb") as file:
                key = file.read(MAX_KEY)
        except OSError as reason:
            self._log.error("cannot read the cluster's key: {reason}", reason=reason)
            return
        if not key.strip():
            self._log.error("{path} is empty; kept the key before", path=str(self._path))
            return
        if key in self.accepted[:1]:
            return
        self.accepted = (key, *self.accepted[:1])
        self.stop()
        if len(self.accepted) > 1:
            self._log.info("a new key; the one before is accepted for {seconds} s", seconds=ROLLOVER)
            self._forget = self._clock.callLater(ROLLOVER, self._expire)

    def stop(self) -> None:
        """
        Leave no call behind.
        """
        if self._forget is not None:
            self._forget.cancel()
            self._forget = None

    def _expire(self) -> None:
        self._forget = None
        self.accepted = self.accepted[:1]
