"""
Writing Ganeti's files on this machine: C{config.data} and C{ssconf_*}. Blocks; meant for a thread or a command.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from gnttwist.config.export import MAX_SSCONF_BYTES, config_text, ssconf, ssconf_text
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import GnttwistError
from gnttwist.paths import Paths

SSCONF_LOCK = "ganeti-ssconf.lock"
SSCONF_MODE = 0o444
CONFIG_MODE = 0o640
"""
The configuration has private OS parameters in it; its group is confd's.
"""


class SsconfBusy(GnttwistError):
    """
    Somebody else is writing the simple values. Try again soon.
    """


def write_all(paths: Paths, config: Snapshot, readers: int | None = None) -> list[str]:
    """
    Write all files of a configuration; what has not changed is not touched.

    @param readers: The group of C{config.data}, where it is not this process's.
    @return: Keys of simple values that are too large for Ganeti's readers; these were not written.
    @raise OSError: A file could not be written. Each is either the old or the new one.
    @raise SsconfBusy: The simple values are locked; C{config.data} is written.
    """
    replace(paths.config_export, config_text(config), CONFIG_MODE, readers)
    return write_ssconf(paths, ssconf(config))


def write_ssconf(paths: Paths, values: Mapping[str, list[str]]) -> list[str]:
    """
    Write simple values, under the lock that all who write them take.

    @return: Keys whose value is too large; these were not written.
    @raise SsconfBusy: Somebody else holds the lock.
    """
    too_large = []
    with _locked(paths.lock / SSCONF_LOCK):
        for key, lines in values.items():
            text = ssconf_text(lines).encode()
            if len(text) > MAX_SSCONF_BYTES:
                too_large.append(key)
            else:
                replace(paths.ssconf(key), text, SSCONF_MODE)
    return too_large


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _open_lock(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as reason:
            raise SsconfBusy(f"{path} is locked") from reason
        yield
    finally:
        os.close(descriptor)


def _open_lock(path: Path) -> int:
    """
    Open a file that others lock too. Of another user's it can only be read, which is enough to lock it.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        # Whatever the umask says. Where somebody else has just made it, they do this.
        with suppress(PermissionError):
            os.fchmod(descriptor, 0o644)
        return descriptor


def replace(path: Path, data: bytes, mode: int, group: int | None = None) -> bool:
    """
    Make C{path} hold C{data}: readers see the old file or the new one, also after a loss of power.

    @param group: Its group, where it is not this process's.

    @return: Whether it had to be written.
    """
    try:
        if path.read_bytes() == data:
            return False
    except FileNotFoundError:
        pass
    # One name per file, so that a killed writer leaves one stray file at most, which the next one removes.
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        if group is not None:
            os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    fresh.rename(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True
