"""
Files on a node: written whole or not at all, locked with a deadline, and reached without leaving a tree.
"""

import fcntl
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from gnttwist.functions.registry import FunctionError


def replace(path: Path, content: bytes, *, mode: int, owner: tuple[int, int] | None = None) -> None:
    """
    Give a file new content at once: readers see the old or the new, also after a loss of power.

    @param owner: User and group id.
    @raise OSError: It cannot be written; the old content stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    # Left by a process of the same number, or put there by a daemon that may write to the directory.
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """
    Make a directory's entries durable.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, timeout: float) -> Iterator[None]:
    """
    Hold an exclusive flock(2) on a file, which is made where it is missing.

    @param timeout: Seconds after which to give up. The wait uses SIGALRM: for the main thread only.
    @raise FunctionError: Somebody else holds it for longer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _open_lock(path)
    try:
        _lock(descriptor, path, timeout)
        yield
    finally:
        os.close(descriptor)


def _open_lock(path: Path) -> int:
    """
    Open a file that daemons of other users lock too: to read, which is enough to lock it.
    """
    try:
        # Everybody may write to the system's directory of locks: opening a FIFO there would wait for ever.
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        # Whatever the umask says. Where somebody else has just made it, they do this.
        with suppress(PermissionError):
            os.fchmod(descriptor, 0o644)
        return descriptor


def _lock(descriptor: int, path: Path, timeout: float) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        previous = signal.signal(signal.SIGALRM, _give_up)
        # Again every 50 ms, lest the one signal comes between this line and the next.
        signal.setitimer(signal.ITIMER_REAL, timeout, 0.05)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except _Late as reason:
            raise FunctionError(
                f"{path} is locked by somebody else for more than {timeout:.0f} s"
            ) from reason
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)


class _Late(Exception):
    pass


def _give_up(number: int, frame: FrameType | None) -> None:
    raise _Late


@contextmanager
def directory(base: Path, parts: Sequence[str], *, create: bool = False) -> Iterator[int]:
    """
    A descriptor of a directory below C{base}, reached without following a symbolic link.

    C{base} itself is the administrator's and may be a link; nothing below it can lead elsewhere.

    @param create: Make what is missing, C{base} included.
    @raise FunctionError: A part is a link or a file, or cannot be made.
    @raise FileNotFoundError: It is not there.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    if create:
        base.mkdir(mode=0o755, parents=True, exist_ok=True)
    current = os.open(base, flags)
    try:
        for part in parts:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o750, dir_fd=current)
            below = _descend(current, part, flags)
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)


def _descend(current: int, part: str, flags: int) -> int:
    try:
        return os.open(part, flags | os.O_NOFOLLOW, dir_fd=current)
    except FileNotFoundError:
        raise
    except OSError as reason:
        # ELOOP or ENOTDIR.
        raise FunctionError(f"{part!r} in the way is not a directory: {reason.strerror}") from reason
