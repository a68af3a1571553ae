"""
The bodies of calls between gnt-masterd and gnt-noded, both sides: bytes in, values out, and back.

Arguments and return values pass through undecoded where nobody on the way needs to know them: C{bytes} that are
JSON are called I{raw} here.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from attrs import frozen
from msgspec import Meta, Raw, Struct

from gnttwist.errors import RemoteError
from gnttwist.wire.framing import frame
from gnttwist.wire.limits import NO_LIMITS, CallLimits

STREAM_TYPE = "application/vnd.gnt.stream"
"""
Asked for with C{Accept}: answers in chunks, feedback as it comes.
"""

KEEPALIVE_INTERVAL = 5.0
"""
Seconds of silence after which a stream says that it is alive.
"""

BODY_LIMIT = 10 * 1024 * 1024
"""
Most bytes of a request's body: what Ganeti's node daemon takes (3.2's own limit).
"""

MESSAGE_LIMIT = 128 * 1024
"""
Most bytes of a stream's message other than its last: above what a spool allows for a feedback.
"""

LONGEST_TIMEOUT = 86400.0
"""
Most seconds that a request may wait: the longest class of a function's own limit.
"""

KEY_PREFIX = "k/"

START = "StartFunction"
WAIT = "WaitForFunction"
ABORT = "AbortFunction"
FORGET = "ForgetFunctions"

Key = Annotated[str, Meta(max_length=512, pattern=r"^k/[!-~]+\Z")]
Call = Annotated[str, Meta(max_length=512, pattern=r"^(k/[!-~]+|[0-9][0-9A-Za-z.:_-]*)\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_]+\Z")]
Timeout = Annotated[float, Meta(ge=0, le=LONGEST_TIMEOUT)]


def is_key(call: str) -> bool:
    """
    Whether a call is named by its key, and not by its function call ID.
    """
    return call.startswith(KEY_PREFIX)


class StartOptions(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    The optional fourth member of StartFunction's body.

    @ivar key: What makes the call happen once, however often it is started.
    @ivar abort_after: Seconds after which the node aborts it by itself.
    @ivar limits: What it may use.
    """

    key: Key | None = None
    abort_after: Annotated[float, Meta(gt=0, le=LONGEST_TIMEOUT)] | None = None
    limits: CallLimits = NO_LIMITS


class StartRequest(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """
    The body of StartFunction.

    @ivar arguments: A raw JSON array.
    @ivar timeout: Seconds to wait for the end before answering.
    """

    function: Name
    arguments: Raw
    timeout: Timeout
    options: StartOptions = StartOptions()


class WaitOptions(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    The optional third member of WaitForFunction's body.

    @ivar seen: The last feedback that the caller has; a stream goes on after it.
    """

    seen: Annotated[int, Meta(ge=0, lt=2**53)] = 0


class WaitRequest(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """
    The body of WaitForFunction.

    @ivar call: A function call ID or a key.
    @ivar timeout: Seconds to wait for the end before answering.
    """

    call: Call
    timeout: Timeout
    options: WaitOptions = WaitOptions()


class AbortRequest(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """
    The body of AbortFunction.
    """

    call: Call


class ForgetRequest(Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """
    The body of ForgetFunctions.
    """

    keys: list[Key]


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
    @ivar last_feedback: That feedback, C{[serial, [sec, usec], type, payload]}.
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
    last_feedback: Raw | None = None


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


T = TypeVar("T")

_start: msgspec.json.Decoder[StartRequest] = msgspec.json.Decoder(StartRequest)
_wait: msgspec.json.Decoder[WaitRequest] = msgspec.json.Decoder(WaitRequest)
_abort: msgspec.json.Decoder[AbortRequest] = msgspec.json.Decoder(AbortRequest)
_forget: msgspec.json.Decoder[ForgetRequest] = msgspec.json.Decoder(ForgetRequest)
_raw: msgspec.json.Decoder[Raw] = msgspec.json.Decoder(Raw)
_answer: msgspec.json.Decoder[_Answer] = msgspec.json.Decoder(_Answer)
_message: msgspec.json.Decoder[_Message] = msgspec.json.Decoder(_Message)
_value: msgspec.json.Decoder[tuple[bool, Any]] = msgspec.json.Decoder(tuple[bool, Any])


def _decode(decoder: "msgspec.json.Decoder[T]", data: bytes, what: str) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
        raise RemoteError(f"not {what}: {reason}") from reason


def _array(value: Raw) -> bytes:
    raw = bytes(value).strip(b" \t\r\n")
    if not raw.startswith(b"["):
        raise RemoteError("the arguments are not a JSON array")
    return raw


def encode_arguments(arguments: Sequence[Any]) -> bytes:
    """
    The body of C{POST /FUNCTION}.
    """
    return msgspec.json.encode(list(arguments))


def decode_arguments(body: bytes) -> bytes:
    """
    Check the body of C{POST /FUNCTION}; empty means no arguments.

    @return: The raw JSON array.
    @raise RemoteError: It is none.
    """
    return _array(_decode(_raw, body, "JSON")) if body.strip() else b"[]"


def encode_start(
    function: str, arguments: Sequence[Any], timeout: float, options: StartOptions | None = None
) -> bytes:
    """
    The body of StartFunction; without options in the three-member form.
    """
    body: list[Any] = [function, list(arguments), timeout]
    return msgspec.json.encode(body if options is None else [*body, options])


def decode_start(body: bytes) -> StartRequest:
    """
    @raise RemoteError: It is not a body of StartFunction.
    """
    request = _decode(_start, body, f"a request of {START}")
    _array(request.arguments)
    return request


def encode_wait(call: str, timeout: float, seen: int = 0) -> bytes:
    """
    The body of WaitForFunction.
    """
    return msgspec.json.encode([call, timeout, WaitOptions(seen)] if seen else [call, timeout])


def decode_wait(body: bytes) -> WaitRequest:
    """
    @raise RemoteError: It is not a body of WaitForFunction.
    """
    return _decode(_wait, body, f"a request of {WAIT}")


def encode_abort(call: str) -> bytes:
    """
    The body of AbortFunction.
    """
    return msgspec.json.encode([call])


def decode_abort(body: bytes) -> str:
    """
    @return: A function call ID or a key.
    @raise RemoteError: It is not a body of AbortFunction.
    """
    return _decode(_abort, body, f"a request of {ABORT}").call


def encode_forget(keys: Sequence[str]) -> bytes:
    """
    The body of ForgetFunctions.
    """
    return msgspec.json.encode([list(keys)])


def decode_forget(body: bytes) -> list[str]:
    """
    @return: Keys.
    @raise RemoteError: It is not a body of ForgetFunctions.
    """
    return _decode(_forget, body, f"a request of {FORGET}").keys


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
    return _interpret(_decode(_answer, data, "an answer of a call"))


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
    return Finished(*_decode(_value, data, "a function's answer"))


def decode_message(data: bytes) -> Message:
    """
    One message of a stream, without its separator.

    @raise RemoteError: It is none.
    """
    message = _decode(_message, data, "a message of a call")
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
