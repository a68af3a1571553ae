"""
Function processes as gnt-noded sees them: the interface that the launcher's children and plain spawned processes
share. Both pass C{tests/noded/process_conformance.py}.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from attrs import frozen

from twisted.internet.defer import Deferred

from gnttwist.errors import GnttwistError
from gnttwist.wire.limits import NO_LIMITS, CallLimits


class LauncherGone(GnttwistError):
    """
    No process can be started or signalled now; calls that run go on. Answered with 503.
    """


class StartRefused(GnttwistError):
    """
    The launcher refused: unknown function, arguments too large, too many processes.
    """


@frozen
class Start:
    """
    What to start.

    @ivar id_suffix: The C{time:random} part of the function call ID.
    @ivar key: The call's key, or C{None}.
    @ivar arguments: The JSON array of positional arguments, undecoded.
    @ivar spool_limit: Most bytes of the spool file.
    @ivar limits: What it may use.
    """

    function: str
    arguments: bytes
    id_suffix: str
    key: str | None = None
    spool_limit: int = 257 * 1024 * 1024
    limits: CallLimits = NO_LIMITS


@frozen
class Process:
    """
    One function process: running, or ended and not yet dismissed.

    @ivar id: The function call ID, C{ppid:cpid:time:random}.
    @ivar started: Seconds since the epoch.
    @ivar spool: Its spool file.
    """

    id: str
    function: str
    key: str | None
    pid: int
    started: float
    spool: Path


@frozen
class Exit:
    """
    How a process ended. Exactly one of the two is set; both are C{None} where nobody could tell.
    """

    code: int | None
    signal: int | None


class Listener(Protocol):
    """
    What a L{Processes} tells of one process. Always called in the reactor's thread.
    """

    def woken(self) -> None:
        """
        The spool has grown (coalesced: look again).
        """

    def exited(self, how: Exit) -> None:
        """
        The process is gone and its spool final. Called once, last.
        """


class Processes(Protocol):
    """
    Starts function processes and follows them.
    """

    def start(self, request: Start, listener: Listener) -> Deferred[Process]:
        """
        Start one process; fires when it exists.

        @raise LauncherGone: (Deferred) There is nobody to fork it.
        @raise StartRefused: (Deferred) It may not be started.
        """

    def adopt(self, listener_for: Callable[[Process], Listener]) -> Deferred[Sequence[Process]]:
        """
        Take over what an earlier daemon started: for each known process, ask C{listener_for} for a listener.
        Fires with all of them when their listeners are installed.
        """

    def signal(self, process_id: str, signal: int, *, tree: bool) -> Deferred[None]:
        """
        Signal a process, or with C{tree} everything that it started (never a guest). Gone processes are fine.
        """
