"""
confd's datagrams: signed envelopes and the messages in them. Pure: bytes in, values out (reference: confd).

A datagram is four bytes of magic and a JSON envelope C{{"msg": text, "salt": text, "hmac": hex}}; the signature is
HMAC-SHA1 over the salt's bytes followed by the message's, keyed with the whole content of C{hmac.key}, its newline
included. The signature is checked before the message is parsed.
"""

import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

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

STATISTICS = 1004
"""
Our own type of question: what the daemon has counted. Its answer is another one each time.
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


Text = str | tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=1)], ...]
"""
Ganeti's daemon also reads a list of characters as text.
"""


class Fields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    A question that is an object. On the wire its members' names are digits.

    @ivar link: The link that instances' addresses are on; the cluster's default where it is missing.
    @ivar ip: An instance's address; it has precedence over C{ips}.
    @ivar fields: What is asked of the master. Ganeti's daemon reads numbers, Ganeti's tool sends digits.
    """

    link: Text | None = msgspec.field(default=None, name="0")
    ip: Text | None = msgspec.field(default=None, name="1")
    ips: tuple[Text, ...] | None = msgspec.field(default=None, name="2")
    fields: tuple[int | float | str, ...] | None = msgspec.field(default=None, name="3")


Query = str | Fields | None


class Signed(Rejected):
    """
    The signature is right, and yet it is no acceptable question: an old one again, or a client's mistake.
    """


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    A question.

    @ivar rsalt: What the client knows its answer by.
    """

    protocol: int
    type: int
    rsalt: str
    query: Query = None


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


class Prepared(msgspec.Struct, frozen=True):
    """
    An encoded L{Reply}, ready for any number of envelopes.

    @ivar message: The reply.
    @ivar text: The same as the JSON string that it is in an envelope.
    """

    message: bytes
    text: bytes


_envelope = msgspec.json.Decoder(_Envelope)
_request = msgspec.json.Decoder(Request)
_reply = msgspec.json.Decoder(Reply)
_INVALID = (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError)
_BLOCK = 64
"""
Bytes of a block of SHA-1.
"""


@lru_cache(maxsize=8)
def _hashes(key: bytes) -> tuple[Any, Any]:
    """
    HMAC's two hashes with the key already in them: copying these costs a third of C{hmac.digest}.
    """
    block = (hashlib.sha1(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return tuple(hashlib.sha1(bytes(each ^ pad for each in block)) for pad in (0x36, 0x5C))  # type: ignore[return-value]  # two


def _signature(key: bytes, salt: bytes, message: bytes) -> str:
    inner, outer = _hashes(key)
    first, second = inner.copy(), outer.copy()
    first.update(salt + message)
    second.update(first.digest())
    signature: str = second.hexdigest()
    return signature


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
    _, _, salt, message = _open((key,), datagram)
    return salt, message


def _open(keys: Sequence[bytes], datagram: bytes) -> tuple[bytes, str, str, bytes]:
    if not datagram.startswith(MAGIC):
        raise Rejected("wrong magic")
    try:
        envelope = _envelope.decode(datagram[len(MAGIC) :])
        salt, message = envelope.salt.encode(), envelope.msg.encode()
    except (*_INVALID, UnicodeEncodeError) as reason:
        raise Rejected("not an envelope") from reason
    given = envelope.hmac.lower()
    if given.isascii():
        for key in keys:
            if hmac.compare_digest(_signature(key, salt, message), given):
                return key, given, envelope.salt, message
    raise Rejected("wrong signature")


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
    return open_request((key,), datagram, now)[2]


def open_request(keys: Sequence[bytes], datagram: bytes, now: float) -> tuple[bytes, str, Request]:
    """
    The key, of those that are accepted, that a client has signed with; the signature; and what it asks.

    @raise Rejected: It is too long, not signed, too old or from the future, or not a question.
    """
    if len(datagram) > MAX_QUERY:
        raise Rejected("too long")
    key, signature, salt, message = _open(keys, datagram)
    # Python reads more as a number than the protocol allows, and long ones slowly.
    if not (salt.isascii() and salt.isdigit() and len(salt) <= 12) or abs(int(salt) - now) > MAX_SKEW:
        raise Signed("the salt is not the time")
    try:
        return key, signature, _request.decode(message)
    except _INVALID as reason:
        raise Signed("not a question") from reason


def prepare(reply: Reply) -> Prepared:
    """
    Encode a reply once.
    """
    message = msgspec.json.encode(reply)
    return Prepared(message, msgspec.json.encode(message.decode()))


def encode_prepared(key: bytes, rsalt: str, prepared: Prepared) -> bytes:
    """
    The daemon's datagram.
    """
    signature = _signature(key, rsalt.encode(), prepared.message).encode()
    salt = msgspec.json.encode(rsalt)
    return b'%b{"msg":%b,"salt":%b,"hmac":"%b"}' % (MAGIC, prepared.text, salt, signature)


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
