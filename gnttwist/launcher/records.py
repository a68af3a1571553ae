"""
The records of a spool file: JSON messages, each ended by byte 0x03. Pure: bytes in, values out.

First what was started, then feedback as it comes, and last the result. JSON escapes control characters, so the
separator never occurs within a record.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import frozen

from gnttwist.errors import RemoteError
from gnttwist.wire.framing import SEPARATOR

RECORD_LIMIT = 64 * 1024
"""
Most bytes of a record that is not the result: a feedback is a line of text or a few numbers.
"""

RESULT_PREFIX = b'{"result":'
RESULT_SUFFIX = b"}" + SEPARATOR


class SpoolCorrupt(RemoteError):
    """
    The file holds what no function process writes.
    """


class Begin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    The first record: whose spool this is. Makes a process known even when whoever forked it is gone.

    @ivar id: The function call ID, C{ppid:cpid:time:random}.
    @ivar started: Seconds since the epoch.
    """

    id: str
    function: str
    key: str | None
    pid: int
    started: float


@frozen
class Feedback:
    """
    One message from the function.

    @ivar serial: Counts from 1.
    @ivar time: Seconds and microseconds since the epoch.
    @ivar payload: JSON, undecoded.
    @ivar message: The whole record without its separator, as it can be sent on.
    """

    serial: int
    time: tuple[int, int]
    type: str
    payload: bytes
    message: bytes


@frozen
class Parsed:
    """
    What a stretch of a spool holds.

    @ivar consumed: Bytes of whole records; reading goes on after them.
    @ivar result: Whether the result begins there.
    """

    begin: Begin | None
    feedback: Sequence[Feedback]
    consumed: int
    result: bool


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    begin: Begin | None = None
    feedback: tuple[int, tuple[int, int], str, msgspec.Raw] | None = None


_decoder = msgspec.json.Decoder(_Record)


def encode_begin(begin: Begin) -> bytes:
    """
    The first record.
    """
    return msgspec.json.encode({"begin": begin}) + SEPARATOR


def encode_feedback(serial: int, seconds: float, type: str, payload: Any) -> bytes:
    """
    A feedback record.

    @raise TypeError: (and others) C{payload} is not JSON data.
    """
    time = (int(seconds), int(seconds % 1 * 1e6))
    return msgspec.json.encode({"feedback": [serial, time, type, payload]}) + SEPARATOR


def encode_result(success: bool, payload: Any) -> bytes:
    """
    The last record.

    @raise TypeError: (and others) C{payload} is not JSON data.
    """
    return RESULT_PREFIX + msgspec.json.encode([success, payload]) + RESULT_SUFFIX


def parse(data: bytes) -> Parsed:
    """
    Read the whole records at the start of C{data}, up to the result.

    @raise SpoolCorrupt: A record is not one, or is longer than L{RECORD_LIMIT}.
    """
    begin = None
    feedback: list[Feedback] = []
    consumed = 0
    while not data.startswith(RESULT_PREFIX, consumed):
        end = data.find(SEPARATOR, consumed, consumed + RECORD_LIMIT)
        if end < 0:
            if len(data) - consumed >= RECORD_LIMIT:
                raise SpoolCorrupt(f"a record is longer than {RECORD_LIMIT} bytes")
            return Parsed(begin, feedback, consumed, False)
        record = _decode(data[consumed:end])
        consumed = end + 1
        if isinstance(record, Begin):
            begin = record
        else:
            feedback.append(record)
    return Parsed(begin, feedback, consumed, True)


def _decode(message: bytes) -> Begin | Feedback:
    try:
        record = _decoder.decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
        raise SpoolCorrupt(f"not a record: {reason}") from reason
    if record.begin is not None and record.feedback is None:
        return record.begin
    if record.feedback is not None and record.begin is None:
        serial, time, type, payload = record.feedback
        return Feedback(serial, time, type, bytes(payload), message)
    raise SpoolCorrupt("a record is one of begin, feedback and result")
