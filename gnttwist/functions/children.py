"""
Programs that a function process starts: those that must not outlive it, and those that must.
"""

import ctypes
import os
import resource
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
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


def without_limits() -> None:
    """
    Take back the limits of the call that this process belongs to, for a guest that outlives it.
    """
    for which in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_NOFILE):
        _, hard = resource.getrlimit(which)
        resource.setrlimit(which, (hard, hard))
