"""
Finding the function processes that an earlier launcher has left running.
"""

import os
from pathlib import Path

from gnttwist.launcher import spool, tree


def running(path: Path) -> tuple[spool.Begin | None, int]:
    """
    The function process that an earlier launcher left running.

    The directory is the front end's too, which must not make us believe that somebody else's process is a call,
    for we would signal it: the spool must be ours, and the process must have it open.

    @return: What it says of itself, and a pidfd; C{None} where there is no such process.
    @raise OSError: It cannot be looked at.
    """
    found = spool.find(path)
    if found is None or not found.held or found.begin is None or path.lstat().st_uid != os.geteuid():
        return None, -1
    descriptor = os.pidfd_open(found.begin.pid)
    try:
        # After the pidfd is there: what we look at is what it means.
        if tree.has_open(found.begin.pid, path):
            return found.begin, descriptor
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None, -1
