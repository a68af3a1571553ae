"""
The messages between a node daemon (the front end) and the launcher.

Each is one packet of a C{SOCK_SEQPACKET} socket: JSON of at most L{HEADER_LIMIT} bytes, tagged with its type.
Descriptors travel beside some of them; the docstrings say which. This module only encodes and decodes.

A front end says L{Hello} first. The newest front end that did is the one that is served; an older one is told
L{Superseded} and cut off. Requests carry a number, which their answer repeats.
"""

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from gnttwist.errors import LocalError, RemoteError
from gnttwist.wire.limits import NO_LIMITS, CallLimits

VERSION = 1
"""
Both sides must speak the same version: they are installed together, and an upgrade restarts the launcher last.
"""

HEADER_LIMIT = 4096
"""
Most bytes of a packet. Arguments, the only thing that can be large, go by descriptor.
"""

ARGUMENTS_LIMIT = 16 * 1024 * 1024
"""
Most bytes of a call's arguments: above the 10 MiB that a node daemon takes as a request's body.
"""

SMALLEST_SPOOL = 64 * 1024
LARGEST_SPOOL = 1024 * 1024 * 1024
"""
What a front end may ask for as a spool's limit, in bytes.
"""

Number = Annotated[int, Meta(ge=0, lt=2**53)]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*\Z")]
Suffix = Annotated[str, Meta(min_length=1, max_length=96, pattern=r"^[0-9A-Za-z][0-9A-Za-z.:_-]*\Z")]
Key = Annotated[str, Meta(min_length=1, max_length=512)]
CallID = Annotated[str, Meta(min_length=1, max_length=160)]


class Hello(Struct, frozen=True, forbid_unknown_fields=True, tag="hello"):
    """
    The first request on every connection.
    """

    version: int


class ListChildren(Struct, frozen=True, forbid_unknown_fields=True, tag="list"):
    """
    Asks for every child: answered with a L{Child} for each and then L{Listed}.
    """

    request: Number


class StartChild(Struct, frozen=True, forbid_unknown_fields=True, tag="start"):
    """
    Asks for a function process; with one descriptor, a sealed memfd that holds the JSON array of arguments.
    Answered with L{Started} or L{Refused}.

    @ivar suffix: The C{time:random} part of the function call ID; also the spool's file name.
    @ivar spool_limit: Most bytes of the spool.
    @ivar limits: What the call may use.
    """

    request: Number
    function: Name
    suffix: Suffix
    key: Key | None
    spool_limit: Annotated[int, Meta(ge=SMALLEST_SPOOL, le=LARGEST_SPOOL)]
    limits: CallLimits = NO_LIMITS


class SignalChild(Struct, frozen=True, forbid_unknown_fields=True, tag="signal"):
    """
    Asks for a signal to a function process, or with C{tree} to everything that it started. Answered with
    L{Signalled}, whether or not the process is still there.
    """

    request: Number
    id: CallID
    signal: Annotated[int, Meta(ge=1, le=64)]
    tree: bool


class Dismiss(Struct, frozen=True, forbid_unknown_fields=True, tag="dismiss"):
    """
    The front end knows of this child's end: it may be dropped from the list. Not answered.
    """

    id: CallID


class Welcome(Struct, frozen=True, tag="welcome"):
    """
    Answers L{Hello}.
    """

    version: int
    pid: int


class Superseded(Struct, frozen=True, tag="superseded"):
    """
    A newer front end has taken over; the connection ends.
    """


class Refused(Struct, frozen=True, tag="refused"):
    """
    A request was not carried out.

    @ivar request: Its number, or C{None} where it could not be read.
    """

    request: int | None
    reason: str


class Child(Struct, frozen=True, tag="child"):
    """
    One function process, while it runs with up to two descriptors: the read end of its wake pipe where C{wake}
    is true, then a pidfd where C{pidfd} is.

    @ivar started: Seconds since the epoch.
    @ivar ended: Whether it has ended; C{code} and C{signal} then say how, where anybody could tell.
    """

    request: int
    id: str
    function: str
    key: str | None
    pid: int
    started: float
    spool: str
    wake: bool = False
    pidfd: bool = False
    ended: bool = False
    code: int | None = None
    signal: int | None = None


class Started(Child, frozen=True, tag="started"):
    """
    Answers L{StartChild}; descriptors as with L{Child}.
    """


class Listed(Struct, frozen=True, tag="listed"):
    """
    The end of the answer to L{ListChildren}.
    """

    request: int
    count: int


class Signalled(Struct, frozen=True, tag="signalled"):
    """
    Answers L{SignalChild}.
    """

    request: int


class Exited(Struct, frozen=True, tag="exited"):
    """
    A child has ended and its spool is final. Unasked for. Both values are C{None} where nobody could tell.
    """

    id: str
    code: int | None
    signal: int | None


class Call(Struct, frozen=True):
    """
    What a function process is to do; not a message of the socket, but what a spawned child has as its argument.

    @ivar suffix: The C{time:random} part of the function call ID.
    @ivar parent: The number of the process that started it.
    @ivar started: Seconds since the epoch.
    @ivar root: The node's root.
    @ivar spool_limit: Most bytes of the spool.
    @ivar limits: What the call may use.
    @ivar table: C{module:name} of the functions, where it is not L{gnttwist.functions.table}.
    """

    function: str
    suffix: str
    key: str | None
    parent: int
    started: float
    root: str
    hostname: str
    spool_limit: int
    table: str | None = None
    limits: CallLimits = NO_LIMITS


Request = Hello | ListChildren | StartChild | SignalChild | Dismiss
Reply = Welcome | Superseded | Refused | Child | Started | Listed | Signalled | Exited

M = TypeVar("M")

_encoder = msgspec.json.Encoder()
_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_replies: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


def encode(message: Request | Reply) -> bytes:
    """
    One packet.

    @raise LocalError: It is longer than L{HEADER_LIMIT}.
    """
    data = _encoder.encode(message)
    if len(data) > HEADER_LIMIT:
        raise LocalError(f"a launcher message of {len(data)} bytes, at most {HEADER_LIMIT} fit")
    return data


def decode_request(data: bytes) -> Request:
    """
    What a front end sent.

    @raise RemoteError: It is not a request.
    """
    return _decode(_requests, data)


def decode_reply(data: bytes) -> Reply:
    """
    What the launcher sent.

    @raise RemoteError: It is not a reply.
    """
    return _decode(_replies, data)


def _decode(decoder: msgspec.json.Decoder[M], data: bytes) -> M:
    if len(data) > HEADER_LIMIT:
        raise RemoteError(f"a message longer than {HEADER_LIMIT} bytes")
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
        raise RemoteError(f"not a launcher message: {reason}") from reason
