"""
Whether there is a process of a guest, from the instant of its fork on.

QEMU holds a lock on a file, which it inherits. So it is known before it has written its pid file, also where the
call that started it was killed meanwhile, and there are never two of one guest. The locks are those of open file
descriptions: asking for one disturbs nobody, unlike trying to take it.
"""

import fcntl
import os
import struct
from pathlib import Path

from gnttwist.functions.registry import FunctionError

_FORMAT = "hhqqi4x"
"""
C{struct flock} on 64-bit Linux: type, whence, start, length, process.
"""


class Taken(FunctionError):
    """
    There is a process of the guest.
    """


def take(path: Path) -> int:
    """
    Take a guest's lock.

    @return: A descriptor that holds it, as do its copies in children.
    @raise Taken: There is a process of the guest.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _whole())
    except (BlockingIOError, PermissionError) as reason:
        os.close(descriptor)
        raise Taken(f"{path} is locked") from reason
    return descriptor


def held(path: Path) -> bool:
    """
    Whether a process holds the lock.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _whole())
    finally:
        os.close(descriptor)
    kind: int = struct.unpack(_FORMAT, answer)[0]
    return kind != fcntl.F_UNLCK


def _whole() -> bytes:
    return struct.pack(_FORMAT, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
