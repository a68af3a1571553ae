"""
Programs that a function process starts: those that must not outlive it, and those that must.
"""

import ctypes
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> Callable[[], None]:
    """
    What makes a new process get SIGKILL when its parent ends, for C{preexec_fn}.

    @param parent: The number of this process.
    """

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def adopt(whether: bool) -> None:
    """
    Become the parent of what this process's children leave behind, or cease to: else the init process does.
    """
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, int(whether), 0, 0, 0)


@contextmanager
def nothing_left() -> Iterator[None]:
    """
    At the end kill every process that was started in this context and whatever those left behind, also what has made
    a session of its own.
    """
    own = os.getpid()
    before = set(_children(own))
    adopt(True)
    try:
        yield
    finally:
        # Children of what is killed become ours in turn.
        while children := set(_children(own)) - before:
            for each in children:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(each, 0)
        adopt(False)


def _children(parent: int) -> Iterator[int]:
    # /proc/PID/task/TID/children is there in few kernels.
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                # The name may hold spaces and parentheses, so fields are counted from the last one.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent:
                    yield int(entry.name)


def without_limits() -> None:
    """
    Take back the limits of the call that this process belongs to, for a guest that outlives it.
    """
    for which in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC):
        _, hard = resource.getrlimit(which)
        resource.setrlimit(which, (hard, hard))
