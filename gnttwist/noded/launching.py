"""
Starting a launcher where nobody else does: by hand, and in sandboxes.
"""

import subprocess
import sys
from collections.abc import Mapping

from attrs import define, field

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.interfaces import IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from gnttwist.noded.processes import LauncherGone
from gnttwist.paths import Paths

ALREADY_RUNNING = 75
"""
The launcher's exit code when there is one already: as good as having started it.
"""

ERROR_LIMIT = 4096
"""
Bytes kept of what a launcher that cannot start says about it.
"""

START_TIMEOUT = 30.0
"""
Seconds until a launcher must listen; it takes half a second.
"""


@define(eq=False, slots=False)
class _Starter(ProcessProtocol):
    """
    Follows the launcher's first process, which ends when the launcher listens.
    """

    _done: Deferred[None]
    _error: bytes = field(default=b"", init=False)

    def errReceived(self, data: bytes) -> None:
        self._error = (self._error + data)[:ERROR_LIMIT]

    def processEnded(self, reason: Failure) -> None:
        ended = reason.value
        assert isinstance(ended, ProcessDone | ProcessTerminated), "a process ends in no other way"
        if ended.exitCode in (0, ALREADY_RUNNING):
            self._done.callback(None)
        else:
            self._done.errback(LauncherGone(f"no launcher could be started: {_said(self._error)}"))


def start_launcher(
    reactor: IReactorProcess, paths: Paths, environment: Mapping[str, str], functions: str | None = None
) -> Deferred[None]:
    """
    Start a launcher in a session of its own, nobody's child, unless one runs.

    @param environment: For its interpreter; function processes do not see it.
    @param functions: C{module:name} of the functions, where they are not gnttwist's own.
    @return: Fires when it listens.
    @raise LauncherGone: (Deferred) It cannot; the text is what it said.
    """
    done: Deferred[None] = Deferred()
    reactor.spawnProcess(_Starter(done), sys.executable, _command(paths, functions), env=dict(environment))
    return done


def start_launcher_now(paths: Paths, environment: Mapping[str, str], functions: str | None = None) -> None:
    """
    L{start_launcher} for a daemon that is still root and whose reactor does not run yet: waits.

    @raise LauncherGone: It cannot be started; the text is what it said.
    """
    try:
        ended = subprocess.run(
            _command(paths, functions),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=dict(environment),
            timeout=START_TIMEOUT,
        )
    except subprocess.TimeoutExpired as reason:
        raise LauncherGone(f"no launcher could be started within {START_TIMEOUT:.0f} s") from reason
    if ended.returncode not in (0, ALREADY_RUNNING):
        raise LauncherGone(f"no launcher could be started: {_said(ended.stderr)}")


def _command(paths: Paths, functions: str | None) -> list[str]:
    command = [sys.executable, "-m", "gnttwist.launcher", "--daemonize"]
    if str(paths.root) != "/":
        command += ["--root", str(paths.root)]
    if functions is not None:
        command += ["--functions", functions]
    return command


def _said(error: bytes) -> str:
    return error[:ERROR_LIMIT].decode(errors="replace").strip() or "no word of why"
