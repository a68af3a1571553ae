"""
QEMU's machine protocol, QMP: what its bytes say. Pure.

QEMU speaks first; each message is a JSON object on a line of its own. Answers come in the order of the commands,
with events between them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from attrs import define, frozen

from gnttwist.errors import RemoteError

LINE_LIMIT = 4 << 20
"""
Most bytes of one message. The longest that QEMU sends is its schema, under half a megabyte in 7.2.
"""


class QMPBroken(RemoteError):
    """
    What came is not QMP.
    """


@frozen
class Greeting:
    """
    QEMU's first message.

    @ivar version: Three numbers.
    """

    version: tuple[int, ...]


@frozen
class Event:
    """
    Something happened to the guest.
    """

    name: str
    data: Mapping[str, Any]


@frozen
class Answer:
    """
    A command was carried out.
    """

    value: Any


@frozen
class Refusal:
    """
    A command was not carried out.
    """

    kind: str
    text: str


Message = Greeting | Event | Answer | Refusal


def command(name: str, arguments: Mapping[str, Any] | None = None) -> bytes:
    """
    The bytes of a command.
    """
    message: dict[str, Any] = {"execute": name}
    if arguments is not None:
        message["arguments"] = arguments
    return msgspec.json.encode(message) + b"\r\n"


@define
class Decoder:
    """
    Cuts a stream into messages.
    """

    _limit: int = LINE_LIMIT
    _rest: bytes = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        """
        Take some bytes, and give the messages that are complete.

        @raise QMPBroken: They are not QMP.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if len(line) > self._limit:
                raise QMPBroken(f"a message of more than {self._limit} bytes")
            if line.strip():
                yield _message(line)
        if len(self._rest) > self._limit:
            raise QMPBroken(f"a message of more than {self._limit} bytes")


def _message(line: bytes) -> Message:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
        raise QMPBroken(f"not JSON: {reason}") from reason
    try:
        match found:
            case {"QMP": {"version": {"qemu": {"major": a, "minor": b, "micro": c}}}}:
                return Greeting((int(a), int(b), int(c)))
            case {"event": str(name)}:
                return Event(name, msgspec.convert(found.get("data", {}), dict[str, Any]))
            case {"return": value}:
                return Answer(value)
            case {"error": {"class": str(kind), "desc": str(text)}}:
                return Refusal(kind, text)
    except (TypeError, ValueError, msgspec.ValidationError) as reason:
        raise QMPBroken(f"a message of the wrong shape: {reason}") from reason
    raise QMPBroken("a message of an unknown kind")
