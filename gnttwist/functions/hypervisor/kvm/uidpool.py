"""
Users for guests: each guest whose C{security_model} is C{pool} runs as a user that no other process has.

A user is taken by a lock on the file of its number, which the guest's QEMU inherits: it is given back by the kernel
at the guest's end, however that comes. Ganeti's own launcher, which may share the directory, lets go of its lock when
QEMU has started and looks for processes of the user instead, so both count (reference: KVM, section 10.1).
"""

import fcntl
import os
import pwd
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from gnttwist.functions.registry import FunctionError

MOST = (1 << 32) - 2
"""
The largest user number; one more means "none" to the kernel.
"""

ATTEMPTS = 20_000
"""
Numbers that are tried at most: more guests than run on any node, and a tenth of a second.
"""

_RANGE = re.compile(r"([0-9]{1,10})(?:-([0-9]{1,10}))?")

PROC = Path("/proc")


@frozen
class Pool:
    """
    Numbers of users, in ranges.

    @ivar ranges: First and last number each.
    """

    ranges: Sequence[tuple[int, int]]

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    def __getitem__(self, position: int) -> int:
        for first, last in self.ranges:
            size = last - first + 1
            if position < size:
                return first + position
            position -= size
        raise IndexError(position)


@frozen
class Lease:
    """
    A user that is taken.

    @ivar descriptor: Holds it, as do copies in children; to be closed by the caller.
    """

    uid: int
    descriptor: int


def read(text: str) -> Pool:
    """
    The cluster's pool, as C{ssconf_uid_pool} has it: a number or a range a line.

    @raise FunctionError: A line is neither, or names root or a number that is too large.
    """
    ranges = []
    for line in text.split():
        found = _RANGE.fullmatch(line)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 0 < first <= last <= MOST:
            raise FunctionError(f"The cluster's uid_pool has {line!r}, which is no range of users for guests")
        ranges.append((first, last))
    return Pool(ranges)


def take(pool: Pool, directory: Path, source: random.Random, proc: Path = PROC) -> Lease:
    """
    Take a user that nothing runs as.

    @param directory: Where the files are; made if needed.
    @param source: Whom to try first is drawn, so that launchers that begin together seldom meet.
    @raise FunctionError: The pool is empty, or each of its users has a guest or another process.
    """
    size = len(pool)
    if not size:
        raise FunctionError(
            "security_model=pool needs users: the cluster's uid_pool is empty (gnt cluster modify)"
        )
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    busy = _busy(proc)
    begin = source.randrange(size)
    for step in range(min(size, ATTEMPTS)):
        uid = pool[(begin + step) % size]
        if uid in busy:
            continue
        path = directory / str(uid)
        descriptor = _lock(path)
        if descriptor is None:
            continue
        # Ganeti's launcher may have started a guest between the two looks, and let go of the lock.
        if uid not in _busy(proc):
            return Lease(uid, descriptor)
        os.close(descriptor)
    raise FunctionError(
        f"No user is free in the cluster's uid_pool of {size}: each has a guest or another process on this node"
    )


def release(directory: Path, uid: int) -> None:
    """
    Remove the file of a user whose guest is gone, unless it is taken again already.
    """
    path = directory / str(uid)
    descriptor = _lock(path, create=False)
    if descriptor is not None:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def name_of(uid: int) -> str:
    """
    What QEMU's C{-runas} is given: the user's name, or C{UID:GID} where the system does not know the user.
    """
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return f"{uid}:{uid}"


def _lock(path: Path, *, create: bool = True) -> int | None:
    """
    @return: A descriptor with the lock of the file that is at C{path} now; C{None} where another one has it, or there
        is no file.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    while True:
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        with suppress(FileNotFoundError):
            if os.stat(path).st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        # Who had it before has removed the file: the lock is on none that others see.
        os.close(descriptor)


def _busy(proc: Path) -> set[int]:
    """
    Users that processes run as: real, effective, saved or for files.
    """
    return {uid for entry in proc.iterdir() if entry.name.isdigit() for uid in _users(entry)}


def _users(entry: Path) -> Iterator[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in (entry / "status").read_text(errors="replace").splitlines():
            if line.startswith("Uid:"):
                yield from map(int, line.split()[1:])
                return
