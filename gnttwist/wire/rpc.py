"""
The requests of gnt-masterd to gnt-noded, both sides: bytes in, values out, and back. Their answers are in
L{gnttwist.wire.rpc_answers}.

Arguments and return values pass through undecoded where nobody on the way needs to know them: C{bytes} that are
JSON are called I{raw} here.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from gnttwist.errors import RemoteError
from gnttwist.wire.decoding import decoded
from gnttwist.wire.limits import NO_LIMITS, CallLimits

BODY_LIMIT = 10 * 1024 * 1024
"""
Most bytes of a request's body: what Ganeti's node daemon takes (3.2's own limit).
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


_start: msgspec.json.Decoder[StartRequest] = msgspec.json.Decoder(StartRequest)
_wait: msgspec.json.Decoder[WaitRequest] = msgspec.json.Decoder(WaitRequest)
_abort: msgspec.json.Decoder[AbortRequest] = msgspec.json.Decoder(AbortRequest)
_forget: msgspec.json.Decoder[ForgetRequest] = msgspec.json.Decoder(ForgetRequest)
_raw: msgspec.json.Decoder[Raw] = msgspec.json.Decoder(Raw)


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
    return _array(decoded(_raw, body, "JSON")) if body.strip() else b"[]"


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
    request = decoded(_start, body, f"a request of {START}")
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
    return decoded(_wait, body, f"a request of {WAIT}")


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
    return decoded(_abort, body, f"a request of {ABORT}").call


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
    return decoded(_forget, body, f"a request of {FORGET}").keys
