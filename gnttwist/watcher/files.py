"""
The watcher's files and locks, with Ganeti's names and formats.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gnttwist.paths import Paths


def paused(paths: Paths, now: float) -> bool:
    """
    Whether the watcher is to keep still.
    """
    try:
        until = float(paths.watcher_pause.read_text())
    except (FileNotFoundError, ValueError):
        return False
    return until > now


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """
    Hold a file's lock; it is made if need be.

    @param shared: Share it with others that do.
    @return: Whether it was to be had at once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(number, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(number)


def read(path: Path) -> bytes:
    """
    A file's content; one that is not there is empty.
    """
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return b""


def write(path: Path, data: bytes) -> None:
    """
    Replace a file's content: all of it or nothing.
    """
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with fresh.open("wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def status_text(statuses: Iterable[tuple[str, str]]) -> bytes:
    """
    The file of instances' states: a name and a state a line, sorted, without a newline at the end.
    """
    return "\n".join(f"{name} {status}" for name, status in sorted(statuses)).encode()


def merge_status(paths: Paths, groups: Iterable[str]) -> None:
    """
    Make the file of all instances' states out of the groups' files; what is newer holds.

    @param groups: UUIDs of all groups.
    """
    with locked(paths.run / "instance-status.lock") as ours:
        if not ours:
            return  # who holds it does the same right now
        found: dict[str, tuple[float, str]] = {}
        for group in groups:
            file = paths.watcher_status(group)
            with suppress(FileNotFoundError):
                when = file.stat().st_mtime
                for line in file.read_text().splitlines():
                    name, _, status = line.partition(" ")
                    found[name] = max(found.get(name, (0.0, "")), (when, status))
        write(
            paths.run / "instance-status", status_text((name, status) for name, (_, status) in found.items())
        )
