"""
A daemon's pid file: as Ganeti's tools expect it, and the lock that keeps a second daemon out.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from attrs import define, field

from twisted.application.service import Service


@define(eq=False, slots=False, repr=False)
class PidFile(Service):
    """
    Holds the file from start to stop.

    Both kinds of lock are taken, for Ganeti's Python daemons look for one and its Haskell daemons for the other.
    Starting it raises C{SystemExit}, with one line for whoever started the daemon, where another process holds it.
    """

    path: Path
    _descriptor: int | None = field(default=None, init=False)

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        self._hold()

    def startService(self) -> None:
        super().startService()
        self._hold()

    def _hold(self) -> None:
        if self._descriptor is not None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as reason:
            os.close(descriptor)
            raise SystemExit(f"this daemon runs already: {self.path} is locked") from reason
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())
        self._descriptor = descriptor

    def stopService(self) -> None:
        super().stopService()
        if self._descriptor is not None:
            # While it is locked, so that no other daemon's file is removed. Where the directory is not ours to write
            # to, the file stays, and names nobody.
            os.ftruncate(self._descriptor, 0)
            with suppress(FileNotFoundError, PermissionError):
                self.path.unlink()
            os.close(self._descriptor)
            self._descriptor = None
