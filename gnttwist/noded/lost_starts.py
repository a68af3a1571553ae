"""
Starts of function processes whose answer was lost with the launcher.

They are not in doubt: the launcher makes a call's spool before it forks, and does nothing after its socket is closed.
The process holds a lock on the spool while it lives, and writes who it is before it looks at its function. So without
a spool, or with an empty one that nobody holds, nothing was run, and the call may be started again.
"""

from collections.abc import Callable
from pathlib import Path

from attrs import define, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from gnttwist.launcher import protocol, spool
from gnttwist.noded.processes import LauncherGone, Listener, Process, Start

BEGIN_WAIT = 0.05
"""
Seconds until a process is asked again who it is that has only just been forked.
"""


@define(eq=False)
class Starting:
    """
    A start that the launcher has been asked for.
    """

    request: Start
    listener: Listener
    deferred: Deferred[Process]


@define(eq=False)
class LostStarts:
    """
    Finds out what became of them.

    @ivar _spools: The directory of spools.
    @ivar _on_process: Called where there is a process, with what the launcher would have said of it.
    """

    _log = Logger()
    _clock: IReactorTime
    _spools: Path
    _on_process: Callable[[Starting, protocol.Child], None]
    _timers: set[IDelayedCall] = field(factory=set, init=False)

    def settle(self, starting: Starting) -> None:
        """
        Find out from its spool what became of a start; where there is no process, it fails with L{LauncherGone}.
        """
        path = self._spools / starting.request.id_suffix
        try:
            found = _begun(path)
        except (OSError, spool.SpoolCorrupt):
            self._log.failure("cannot see what became of a start")
            # What may have run is not run again: it counts as a process that has ended without a word.
            found = spool.Found(None, held=False)
        if found is None:
            starting.deferred.errback(LauncherGone("the launcher went away before it started the process"))
            return
        if found.held and found.begin is None:
            self._timers = {each for each in self._timers if each.active()}
            self._timers.add(self._clock.callLater(BEGIN_WAIT, self.settle, starting))
            return
        self._on_process(starting, _child(starting.request, path, found))

    def drop(self) -> None:
        """
        Look after none any more.
        """
        for timer in self._timers:
            if timer.active():
                timer.cancel()


def _begun(path: Path) -> spool.Found | None:
    """
    What is known of a process by its spool; C{None} where none has begun, nor will.

    @raise OSError: The spool cannot be read.
    @raise SpoolCorrupt: It is not one.
    """
    found = spool.find(path)
    if found == spool.NEVER_BEGAN:
        # The launcher was killed between the two, or its child was before it had begun.
        path.unlink()
        return None
    return found


def _child(request: Start, path: Path, found: spool.Found) -> protocol.Child:
    begin = found.begin
    if begin is None:
        begin = spool.Begin(f"0:0:{request.id_suffix}", request.function, request.key, 0, 0.0)
    return protocol.Child(
        0, begin.id, begin.function, begin.key, begin.pid, begin.started, str(path), ended=not found.held
    )
