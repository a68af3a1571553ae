"""
The launcher's files and directories, made and opened so that nobody who may write beside them gains by it.

The launcher may be root, and daemons of other users may make, rename and remove files in the run and log
directories. So nothing there is opened through a symbolic link, and nothing is trusted that is not our own.
"""

import fcntl
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from gnttwist.paths import Paths
from gnttwist.privileges.accounts import Accounts, is_root

ALREADY_RUNNING = 75
"""
The exit code when another launcher of this node runs (sysexits' C{EX_TEMPFAIL}).
"""

BACKLOG = 16
"""
Connections that may wait: there is one front end, and its successor.
"""

SOCKET_PATH_LIMIT = 107
"""
Bytes of the longest path that a unix socket can have (Linux, unix(7), without the final zero).
"""


class CannotStart(Exception):
    """
    The launcher cannot run here; C{args} are a sentence and the exit code.
    """


@frozen
class FrontEnd:
    """
    Whom the launcher works for, where that is another user.

    @ivar gid: Its group, which may read spools.
    """

    uid: int
    gid: int


def front_end(accounts: Accounts) -> FrontEnd | None:
    """
    The front end's user; C{None} where it is our own.
    """
    if not accounts.separate or not is_root():
        return None
    return FrontEnd(accounts.uid("noded"), accounts.gid("noded"))


def open_own(path: Path, flags: int, mode: int) -> int:
    """
    Open a file of ours, or make it.

    @raise CannotStart: It is somebody else's, or no plain file.
    @raise OSError: It cannot be opened; a symbolic link never is.
    """
    flags |= os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(path, flags, mode)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink > 1:
        os.close(descriptor)
        raise CannotStart(f"{path} is not a file of this user's own", 1)
    return descriptor


def lock(paths: Paths) -> None:
    """
    Become the launcher of this node: the pid file's lock is held to the end of the process.

    @raise CannotStart: There is one.
    """
    while True:
        descriptor = open_own(paths.launcher_pid, os.O_RDWR, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as reason:
            raise CannotStart("a launcher runs already", ALREADY_RUNNING) from reason
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), paths.launcher_pid.lstat()):
                break
        # The launcher before was just removing its file when we opened it.
        os.close(descriptor)
    # Who looks for the launcher need not be its user.
    os.fchmod(descriptor, 0o644)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, b"%d\n" % os.getpid())


def listen(paths: Paths, user: FrontEnd | None) -> socket.socket:
    """
    The socket, in a directory of its own. The lock is held, so an old socket is a dead launcher's.

    @raise CannotStart: That is not possible.
    """
    place = paths.launcher_socket
    os.close(_directory(place.parent, 0o700 if user is None else 0o710, user))
    place.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    before = os.umask(0o177)
    try:
        listener.bind(str(place))
    except OSError as reason:
        raise CannotStart(f"cannot listen on {place}: {reason}", 1) from reason
    finally:
        os.umask(before)
    if user is not None:
        os.chown(place, user.uid, -1, follow_symlinks=False)
    listener.listen(BACKLOG)
    return listener


def spools(paths: Paths, user: FrontEnd | None) -> Path:
    """
    The directory of spools, by a path that goes on to mean it whatever is renamed.

    The front end removes spools, so it may write there. It cannot replace the directory: the one above is sticky.

    @raise CannotStart: One of the two is not ours.
    """
    paths.spool.parent.parent.mkdir(parents=True, exist_ok=True)
    if user is not None:
        os.close(_directory(paths.spool.parent, 0o1770, user))
    descriptor = _directory(paths.spool, 0o700 if user is None else 0o770, user)
    return Path(f"/proc/self/fd/{descriptor}")


def _directory(path: Path, mode: int, user: FrontEnd | None) -> int:
    """
    Make a directory, or check that it is ours, and give it its mode and group.

    @return: A descriptor of it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as reason:
        raise CannotStart(f"cannot use the directory {path}: {reason.strerror}", 1) from reason
    if os.fstat(descriptor).st_uid != os.geteuid():
        os.close(descriptor)
        raise CannotStart(f"the directory {path} is another user's (see gnt node ensure-dirs)", 1)
    if user is not None:
        os.fchown(descriptor, -1, user.gid)
    os.fchmod(descriptor, mode)
    return descriptor
