"""
The answers of gnt-noded to gnt-masterd, both sides: bytes in, values out, and back. The requests are in
L{gnttwist.wire.rpc}.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from attrs import frozen
from msgspec import Raw, Struct

from gnttwist.errors import RemoteError
from gnttwist.wire.decoding import decoded
from gnttwist.wire.framing import frame

STREAM_TYPE = "application/vnd.gnt.stream"
"""
Asked for with C{Accept}: answers in chunks, feedback as it comes.
"""

KEEPALIVE_INTERVAL = 5.0
"""
Seconds of silence after which a stream says that it is alive.
"""

MESSAGE_LIMIT = 128 * 1024
"""
Most bytes of a stream's message other than its last: above what a spool allows for a feedback.
"""


@frozen
class Unfinished:
    """
    The call runs.
    """

    id: str


@frozen
class Finished:
    """
    The call has returned.

    @ivar payload: The function's payload, or its error's text.
    """

    success: bool
    payload: Any


@frozen
class Ended:
    """
    The call ended without a return value.
    """

    how: Literal["died", "aborted"]
    detail: str


Answer = Unfinished | Finished | Ended


@frozen
class FeedbackMessage:
    """
    One message of the running function.

    @ivar time: Seconds and microseconds since the epoch, by the node's clock.
    """

    serial: int
    time: tuple[int, int]
    type: str
    payload: Any


@frozen
class KeepAlive:
    """
    Nothing happened for a while.
    """


Message = FeedbackMessage | KeepAlive | Unfinished | Finished | Ended


NOTHING = Raw(b"null")
"""
What stands for a value that is not there.
"""


class CallRow(Struct, frozen=True):
    """
    One member of C{GET /functions}'s answer.

    @ivar caller: Who started it: the address and the certificate's digest.
    @ivar state: C{running}, C{finished}, C{died}, C{aborted}, or C{registered} for a key whose process has not
        been started.
    @ivar age: Seconds since its start.
    @ivar pid: Its function process.
    @ivar processes: All processes of the call that can be seen, but for guests: the function process and what it
        has started.
    @ivar feedback: The serial of the last feedback read.
    @ivar last_feedback: That feedback, C{[serial, [sec, usec], type, payload]}, or C{null}.
    """

    id: str | None
    key: str | None
    function: str
    caller: str
    state: str
    started: float
    age: float
    pid: int | None
    feedback: int
    processes: Sequence[int] = ()
    last_feedback: Raw = NOTHING


class _End(Struct, frozen=True):
    ended: Literal["died", "aborted"]
    detail: str


class _Answer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    id: str | None
    finished: bool
    value: tuple[bool, Any] | None
    end: _End | None = None


class _Message(Struct, frozen=True, forbid_unknown_fields=True):
    feedback: tuple[int, tuple[int, int], str, Any] | None = None
    keepalive: None = None
    result: _Answer | None = None


_answer: msgspec.json.Decoder[_Answer] = msgspec.json.Decoder(_Answer)
_message: msgspec.json.Decoder[_Message] = msgspec.json.Decoder(_Message)
_rows: msgspec.json.Decoder[list[CallRow]] = msgspec.json.Decoder(list[CallRow])
_value: msgspec.json.Decoder[tuple[bool, Any]] = msgspec.json.Decoder(tuple[bool, Any])

FINISHED_PREFIX, FINISHED_SUFFIX = b"[null,true,", b"]"
"""
What stands before and after a raw return value in an answer: large ones are sent from their file.
"""

RESULT_PREFIX, RESULT_SUFFIX = b'{"result":', frame(b"}")
"""
What stands before and after an answer in a stream.
"""

KEEPALIVE = frame(b'{"keepalive":null}')
"""
A stream's message that says that nothing happened.
"""


def encode_answer(answer: Answer, *, keyed: bool) -> bytes:
    """
    The answer of StartFunction and WaitForFunction.

    @param keyed: Whether the caller gave a key; others get three values whatever happened.
    """
    match answer:
        case Unfinished(id):
            return msgspec.json.encode([id, False, None])
        case Finished(success, payload):
            return msgspec.json.encode([None, True, [success, payload]])
        case Ended(how, detail):
            if keyed:
                return msgspec.json.encode([None, True, None, _End(how, detail)])
            return msgspec.json.encode([None, True, [False, detail]])


def decode_answer(data: bytes) -> Answer:
    """
    What StartFunction and WaitForFunction answered.

    @raise RemoteError: It is not such an answer.
    """
    return _interpret(decoded(_answer, data, "an answer of a call"))


def _interpret(answer: _Answer) -> Answer:
    match answer:
        case _Answer(str(id), False, None, None):
            return Unfinished(id)
        case _Answer(None, True, (success, payload), None):
            return Finished(success, payload)
        case _Answer(None, True, None, _End(how, detail)):
            return Ended(how, detail)
    raise RemoteError("not an answer of a call: its members contradict each other")


def decode_value(data: bytes) -> Finished:
    """
    What C{POST /FUNCTION} answered.

    @raise RemoteError: It is not a pair of success and payload.
    """
    return Finished(*decoded(_value, data, "a function's answer"))


def decode_message(data: bytes) -> Message:
    """
    One message of a stream, without its separator.

    @raise RemoteError: It is none.
    """
    message = decoded(_message, data, "a message of a call")
    if message.result is not None:
        if message.feedback is None:
            return _interpret(message.result)
    elif message.feedback is not None:
        return FeedbackMessage(*message.feedback)
    elif data.lstrip().startswith(b'{"keepalive"'):
        return KeepAlive()
    raise RemoteError("not a message of a call: one of feedback, keepalive and result")


def encode_feedback(feedback: FeedbackMessage) -> bytes:
    """
    A stream's message of the function's own.
    """
    return frame(
        msgspec.json.encode({"feedback": [feedback.serial, feedback.time, feedback.type, feedback.payload]})
    )


def encode_rows(rows: Sequence[CallRow]) -> bytes:
    """
    The answer of C{GET /functions}.
    """
    return msgspec.json.encode(rows)


def decode_rows(data: bytes) -> list[CallRow]:
    """
    What C{GET /functions} answered.

    @raise RemoteError: It is not a list of calls.
    """
    return decoded(_rows, data, "a list of calls")
