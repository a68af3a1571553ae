"""
A sandbox's processes: found by pid and start time, so that a pid used again is never taken for an old one.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from attrs import frozen

from gnttwist.paths import Paths
from gnttwist.sandbox.layout import Daemon, SandboxError

STOP_TIMEOUT = 10.0
"""
Seconds that a daemon may take to end in order before it is killed.
"""

TAIL_BYTES = 4096
TAIL_LINES = 15
"""
How much of a log is shown when a daemon does not start.
"""

_PROC = Path("/proc")


@frozen
class Process:
    """
    A process, for ever.

    @ivar started: Clock ticks from the machine's boot to its start.
    """

    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """
        Whether it still runs; one that ended and was not waited for does not.
        """
        found = start_time(self.pid)
        return found == self.started

    @property
    def memory(self) -> int:
        """
        Resident bytes; 0 when it is gone.
        """
        try:
            pages = int((_PROC / str(self.pid) / "statm").read_text().split()[1])
        except OSError:
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def signal(self, number: int) -> None:
        """
        Send a signal, if it is still there.
        """
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def start_time(pid: int) -> int | None:
    """
    When the process of this pid started, or C{None} where there is none that runs.
    """
    try:
        # The name may hold spaces and parentheses, so fields are counted from the last one.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def start(daemon: str, paths: Paths) -> tuple[Daemon, "subprocess.Popen[bytes]"]:
    """
    Start a daemon: an ordinary C{twistd} process in a session of its own, writing to its usual log.

    @raise SandboxError: There is no C{twistd}.
    """
    twistd = Path(sys.executable).parent / "twistd"
    if not twistd.exists():
        raise SandboxError(f"{twistd} is missing: install Twisted beside {sys.executable}")
    log = paths.daemon_log(daemon)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, str(twistd), "-n", "--pidfile=", daemon, "--root", str(paths.root)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
            start_new_session=True,
        )
    # The child is ours and not waited for yet, so its pid is its own.
    started = start_time(child.pid)
    return Daemon(daemon, paths.hostname, child.pid, -1 if started is None else started), child


def tail(log: Path) -> Sequence[str]:
    """
    The last lines of a log.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
    except OSError:
        return []


def belonging(root: Path) -> Iterator[Process]:
    """
    Processes whose arguments say that they serve the node below C{root}: daemons, launchers and what they forked,
    and guests. Those of other users cannot be looked at and are left out.
    """
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        started = start_time(int(entry.name))
        try:
            arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if started is not None and _serves(arguments, str(root)):
            yield Process(int(entry.name), started)


def _serves(arguments: Sequence[str], root: str) -> bool:
    program = arguments[0].rpartition("/")[2]
    if program.startswith("qemu-"):
        return _after(arguments, "-pidfile").startswith(root + "/")
    ours = any(each == "gnttwist.launcher" or each.endswith("/twistd") for each in arguments)
    return ours and _after(arguments, "--root") == root


def _after(arguments: Sequence[str], option: str) -> str:
    return next((value for name, value in pairwise(arguments) if name == option), "")


def stop(processes: Iterable[Process], timeout: float = STOP_TIMEOUT) -> None:
    """
    End processes: SIGTERM to all, then SIGKILL to those that are left.
    """
    left = [each for each in processes if each.alive]
    for each in left:
        each.signal(signal.SIGTERM)
    wait_until(lambda: not any(each.alive for each in left), timeout)
    for each in left:
        each.signal(signal.SIGKILL)
    wait_until(lambda: not any(each.alive for each in left), timeout)


def wait_until(condition: Callable[[], bool], timeout: float, interval: float = 0.03) -> bool:
    """
    Look until something holds; other processes' state has no event to wait for.

    @return: Whether it came to hold within C{timeout} seconds.
    """
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= end:
            return False
        signal.sigtimedwait([], interval)
    return True
