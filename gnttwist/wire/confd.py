"""
confd's datagrams: signed envelopes and the messages in them. Pure: bytes in, values out (reference: confd).

A datagram is four bytes of magic and a JSON envelope C{{"msg": text, "salt": text, "hmac": hex}}; the signature is
HMAC-SHA1 over the salt's bytes followed by the message's, keyed with the whole content of C{hmac.key}, its newline
included. The signature is checked before the message is parsed.
"""

import hmac
from typing import Any

import msgspec

from gnttwist.errors import Rejected

MAGIC = b"plj0"

MAX_QUERY = 4096
"""
Bytes of a query that Ganeti's daemon reads; longer ones meet silence here as well.
"""

MAX_REPLY = 61440
"""
Bytes that Ganeti's client reads.
"""

MAX_SKEW = 300
"""
Seconds by which the client's clock may differ: the seed's five minutes.
"""

PROTOCOL = 1

OK, ERROR, NOT_IMPLEMENTED = 0, 1, 2
"""
A reply's status.
"""

UNKNOWN_ENTRY, INTERNAL, ARGUMENT = 0, 1, 2
"""
What is wrong, as the answer of a reply whose status is L{ERROR}.
"""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    A question.

    @ivar rsalt: What the client knows its answer by.
    """

    protocol: int
    type: int
    rsalt: str
    query: str | dict[str, Any] | None = None


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    An answer.

    @ivar serial: The serial number of the object that was asked for, or the cluster's; 0 with errors.
    """

    protocol: int
    status: int
    answer: Any
    serial: int


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    msg: str
    salt: str
    hmac: str


_envelope = msgspec.json.Decoder(_Envelope)
_request = msgspec.json.Decoder(Request)
_reply = msgspec.json.Decoder(Reply)
_INVALID = (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError)


def _signature(key: bytes, salt: bytes, message: bytes) -> str:
    return hmac.digest(key, salt + message, "sha1").hex()


def seal(key: bytes, salt: str, message: bytes) -> bytes:
    """
    A signed datagram.
    """
    signature = _signature(key, salt.encode(), message)
    return MAGIC + msgspec.json.encode(_Envelope(message.decode(), salt, signature))


def unseal(key: bytes, datagram: bytes) -> tuple[str, bytes]:
    """
    The salt and the message of a datagram whose signature is right.

    @raise Rejected: It is not a datagram of ours, or not signed with this key.
    """
    if not datagram.startswith(MAGIC):
        raise Rejected("wrong magic")
    try:
        envelope = _envelope.decode(datagram[len(MAGIC) :])
        salt, message = envelope.salt.encode(), envelope.msg.encode()
        given = envelope.hmac.lower().encode("ascii")
    except (*_INVALID, UnicodeEncodeError) as reason:
        raise Rejected("not an envelope") from reason
    if not hmac.compare_digest(_signature(key, salt, message).encode(), given):
        raise Rejected("wrong signature")
    return envelope.salt, message


def encode_request(key: bytes, request: Request, now: float) -> bytes:
    """
    A client's datagram; its salt is the time.
    """
    return seal(key, str(int(now)), msgspec.json.encode(request))


def decode_request(key: bytes, datagram: bytes, now: float) -> Request:
    """
    What a client asks.

    @raise Rejected: It is too long, not signed, too old or from the future, or not a question.
    """
    if len(datagram) > MAX_QUERY:
        raise Rejected("too long")
    salt, message = unseal(key, datagram)
    # Python reads more as a number than the protocol allows, and long ones slowly.
    if not (salt.isascii() and salt.isdigit() and len(salt) <= 12) or abs(int(salt) - now) > MAX_SKEW:
        raise Rejected("the salt is not the time")
    try:
        return _request.decode(message)
    except _INVALID as reason:
        raise Rejected("not a question") from reason


def encode_reply(key: bytes, rsalt: str, reply: bytes) -> bytes:
    """
    The daemon's datagram.

    @param reply: An encoded L{Reply}.
    """
    return seal(key, rsalt, reply)


def decode_reply(key: bytes, datagram: bytes) -> tuple[str, Reply]:
    """
    An answer, and the salt of the question that it answers.

    @raise Rejected: It is not signed, or not an answer.
    """
    salt, message = unseal(key, datagram)
    try:
        return salt, _reply.decode(message)
    except _INVALID as reason:
        raise Rejected("not an answer") from reason
