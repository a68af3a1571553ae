"""
Spool files: how a function process writes its own, and how the node daemon reads it.

The spool is the truth about a call: whoever forked or follows the process may be gone, the file stays. Its writer
holds an exclusive C{flock} on it from before the fork until its end, so that anybody can see whether the process
lives, without trusting a process number.
"""

import fcntl
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from gnttwist.errors import GnttwistError, LocalError
from gnttwist.launcher.records import (
    RECORD_LIMIT,
    RESULT_PREFIX,
    RESULT_SUFFIX,
    Begin,
    Feedback,
    SpoolCorrupt,
    encode_begin,
    encode_feedback,
    encode_result,
    parse,
)
from gnttwist.wire.framing import SEPARATOR

__all__ = [
    "Begin",
    "Feedback",
    "Found",
    "SpoolCorrupt",
    "SpoolReader",
    "SpoolWriter",
    "Value",
    "create",
    "find",
]

READ_SIZE = 256 * 1024
"""
Most bytes read at once, so that a long spool does not hold up a reactor. Larger than any record.
"""

RESERVE = 4096
"""
Kept free below the limit for a result that says why there is no other.
"""


class SpoolFull(GnttwistError):
    """
    A record does not fit below the spool's limit.
    """


def create(directory: Path, name: str) -> int:
    """
    Make an empty spool and lock it.

    @return: A descriptor for appending, which the function process inherits as its standard output.
    @raise OSError: It cannot be made, or exists: names are used once.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(directory / name, flags, 0o600)
    # Waits only for somebody within find(), for microseconds: nobody else can have the new file.
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


@define
class SpoolWriter:
    """
    The function process's side.

    @ivar _descriptor: Opened by L{create}.
    @ivar _limit: Most bytes of the file.
    @ivar _now: Reads the wall clock.
    @ivar _wake: Called after each feedback. The first record interests nobody yet, and after the last the
        process's own end wakes.
    """

    _descriptor: int
    _limit: int
    _now: Callable[[], float]
    _wake: Callable[[], None]
    _size: int = field(default=0, init=False)
    _serial: int = field(default=0, init=False)

    def begin(self, begin: Begin) -> None:
        """
        Say who writes here.
        """
        self._append(encode_begin(begin), self._limit)

    def feedback(self, type: str, payload: Any) -> None:
        """
        Append a feedback.

        @raise SpoolFull: The file would leave no room for a result.
        @raise LocalError: It is longer than L{RECORD_LIMIT}.
        @raise OSError: It cannot be written.
        """
        self._feedback(type, payload, self._limit - RESERVE)

    def last_feedback(self, text: str) -> None:
        """
        Append a short message although L{feedback} said that there is no room.
        """
        self._feedback("message", text, self._limit - RESERVE // 2)

    def _feedback(self, type: str, payload: Any, limit: int) -> None:
        record = encode_feedback(self._serial + 1, self._now(), type, payload)
        if len(record) > RECORD_LIMIT:
            raise LocalError(f"a feedback of {len(record)} bytes, at most {RECORD_LIMIT} are possible")
        self._append(record, limit)
        self._serial += 1
        self._wake()

    def result(self, success: bool, payload: Any) -> None:
        """
        Append the result; nothing may follow.

        @raise SpoolFull: It does not fit; a shorter one still can.
        @raise OSError: It cannot be written.
        """
        self._append(encode_result(success, payload), self._limit)

    def _append(self, record: bytes, limit: int) -> None:
        if self._size + len(record) > limit:
            raise SpoolFull(f"{self._size + len(record)} bytes, at most {limit} are allowed")
        rest = memoryview(record)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            # A torn record would hide whatever follows it, such as the result that tells of this.
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(record)


@frozen
class Value:
    """
    Where a result's JSON, C{[success, payload]}, is in its file.

    @ivar start: The offset of its first byte.
    @ivar length: In bytes; may be hundreds of millions: send it from the file.
    """

    path: Path
    start: int
    length: int


@define
class SpoolReader:
    """
    The node daemon's side: reads on from where it stopped.

    @ivar behind: Whether more may be there to read now.
    @ivar begin: The first record, once it was read.
    """

    path: Path
    behind: bool = field(default=True, init=False)
    begin: Begin | None = field(default=None, init=False)
    _offset: int = field(default=0, init=False)
    _result: bool = field(default=False, init=False)

    def read(self) -> Sequence[Feedback]:
        """
        The feedback that was appended since, of at most L{READ_SIZE} bytes; L{behind} says whether to call again.

        @raise OSError: The file cannot be read.
        @raise SpoolCorrupt: It holds what no function process writes.
        """
        if self._result:
            return ()
        with self.path.open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), READ_SIZE, self._offset)
        found = parse(data)
        self._offset += found.consumed
        self._result = found.result
        self.begin = found.begin or self.begin
        self.behind = len(data) == READ_SIZE and not found.result
        return found.feedback

    def result(self) -> Value | None:
        """
        The result's place, or C{None} while it is not there: ask after L{read} has read all there is.

        Reads only the end of the file, however long the result is.

        @raise OSError: The file cannot be read.
        """
        if not self._result:
            return None
        with self.path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            tail = os.pread(file.fileno(), len(RESULT_SUFFIX), size - len(RESULT_SUFFIX))
        start = self._offset + len(RESULT_PREFIX)
        length = size - len(RESULT_SUFFIX) - start
        return Value(self.path, start, length) if tail == RESULT_SUFFIX and length > 0 else None


@frozen
class Found:
    """
    What an unattended spool tells.

    @ivar begin: Whose it is; C{None} where its process has not got that far.
    @ivar held: Whether its process lives.
    """

    begin: Begin | None
    held: bool


NEVER_BEGAN = Found(None, False)
"""
Its process has not looked at its function, and never will: it was killed before that, or never forked.
"""


def find(path: Path) -> Found | None:
    """
    Look at a spool that nobody follows; C{None} where there is none.

    @raise OSError: It cannot be read.
    @raise SpoolCorrupt: It begins as no function process's does.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # The lock before the record: a process that ended between the two has left its record.
        held = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            held = True
        head = os.pread(descriptor, RECORD_LIMIT, 0)
        return Found(parse(head[: head.find(SEPARATOR) + 1]).begin, held)
    finally:
        os.close(descriptor)
