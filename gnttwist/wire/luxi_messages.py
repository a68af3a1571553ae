"""
How LUXI's messages are written and read: requests with the calls of L{gnttwist.wire.luxi}, and answers.

Pure: framing is L{gnttwist.wire.framing}'s. The two forms of errors are the reference's (LUXI, section 1.3).
"""

from typing import Any

import msgspec

from gnttwist.errors import OperationError, RemoteError, from_wire, to_wire
from gnttwist.wire.luxi import Call


class Unintelligible(RemoteError):
    """
    A request or an answer is not LUXI. A server answers with the text and closes the connection, as Ganeti's does.
    """


class Refused(RemoteError):
    """
    The server answered that it could not read the request; the text is its own.
    """


class _Envelope(msgspec.Struct, frozen=True):
    """
    A request. Its C{version} is accepted whichever it is.
    """

    method: str
    args: list[Any]


class _Response(msgspec.Struct, frozen=True):
    success: bool
    result: msgspec.Raw


_REQUESTS = msgspec.json.Decoder(_Envelope)
_RESPONSES = msgspec.json.Decoder(_Response)


def encode_request(method: str, arguments: list[Any]) -> bytes:
    """
    A request as one message, without its separator.
    """
    return msgspec.json.encode({"method": method, "args": arguments})


def decode_request(message: bytes) -> Call:
    """
    Read one message.

    @raise Unintelligible: It is not a request, or not one of a known method with that method's arguments.
    """
    try:
        envelope = _REQUESTS.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
        raise Unintelligible(f"Failed to parse request: {reason}") from reason
    method = Call.known.get(envelope.method)
    if method is None:
        raise Unintelligible(
            f"Failed to parse request: unknown method {_quoted(envelope.method)}; "
            f"known are {', '.join(sorted(Call.known))}"
        )
    try:
        return msgspec.convert(envelope.args, method)
    except (msgspec.ValidationError, RecursionError) as reason:
        raise Unintelligible(
            f"Failed to parse request: wrong arguments, {signature(method)} wants other ones: {reason}"
        ) from reason


def signature(method: type[Call]) -> str:
    """
    A method with its arguments' names, for people.
    """
    return f"{method.__name__}({', '.join(method.__struct_fields__)})"


def encode_success(result: Any) -> bytes:
    """
    The answer of a call that did what it was asked for.
    """
    return msgspec.json.encode({"success": True, "result": result})


def encode_failure(error: OperationError) -> bytes:
    """
    The answer of a call that was understood and failed.
    """
    return msgspec.json.encode({"success": False, "result": to_wire(error)})


def encode_refusal(text: str) -> bytes:
    """
    The answer to what could not be read.
    """
    return msgspec.json.encode({"success": False, "result": text})


def decode_response(message: bytes) -> Any:
    """
    Read an answer.

    @return: The call's result.
    @raise OperationError: The call failed.
    @raise Refused: The server could not read the request.
    @raise Unintelligible: The message is not an answer.
    """
    return _decoded(raw_response(message))


def raw_response(message: bytes) -> msgspec.Raw:
    """
    The same, of which the result stays encoded.

    @return: The call's result, as JSON.
    @raise OperationError: The call failed.
    @raise Refused: The server could not read the request.
    @raise Unintelligible: The message is not an answer.
    """
    try:
        response = _RESPONSES.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
        raise Unintelligible(f"not a LUXI answer: {reason}") from reason
    if response.success:
        return response.result
    told = _decoded(response.result)
    error = from_wire(told)
    if error is None:
        raise Refused(str(told))
    raise error


def _decoded(encoded: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
        raise Unintelligible(f"not a LUXI answer: {reason}") from reason


def _quoted(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:57] + "...")
