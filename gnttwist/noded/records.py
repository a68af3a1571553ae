"""
The lines of the durable registry of calls with a key. Pure: bytes in, records out, and back.

A line is the CRC-32 of a JSON text in eight hexadecimal digits, a space, and the text. A power failure may leave
anything at the file's end, and only there; the sum tells where that begins.
"""

from binascii import crc32
from collections.abc import Iterable, Sequence

import msgspec
from attrs import frozen


class Registered(msgspec.Struct, frozen=True, tag="registered", omit_defaults=True):
    """
    A call was accepted. Written before its process is asked for.

    @ivar boot: The boot of the machine during which that was.
    @ivar suffix: The C{time:random} part of its function call ID, which is its spool's name: there can be only one
        process with it.
    @ivar started: Seconds since the epoch.
    @ivar caller: Who asked for it.
    @ivar abort_at: When the node ends it by itself, in seconds since the epoch.
    """

    key: str
    function: str
    suffix: str
    boot: str
    started: float
    caller: str
    abort_at: float | None = None


class Aborting(msgspec.Struct, frozen=True, tag="aborting"):
    """
    A call is to end, by this reason. Written before its process is signalled.
    """

    key: str
    reason: str


class Forgotten(msgspec.Struct, frozen=True, tag="forgotten"):
    """
    The results of these calls have arrived.
    """

    keys: list[str]


Record = Registered | Aborting | Forgotten


@frozen
class Entry:
    """
    What the registry knows of a key.

    @ivar aborting: The reason of an abort that was asked for.
    """

    registered: Registered
    aborting: str | None = None

    def records(self) -> Sequence[Record]:
        """
        The records that lead to this entry.
        """
        if self.aborting is None:
            return [self.registered]
        return [self.registered, Aborting(self.registered.key, self.aborting)]


@frozen
class Found:
    """
    What a file holds.

    @ivar good: How many bytes at its beginning are whole lines.
    """

    records: Sequence[Record]
    good: int


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode(records: Iterable[Record]) -> bytes:
    """
    The lines of C{records}.
    """
    texts = (_encoder.encode(each) for each in records)
    return b"".join(b"%08x %b\n" % (crc32(text), text) for text in texts)


def decode(data: bytes) -> Found:
    """
    Read lines up to the first that is not whole.
    """
    records: list[Record] = []
    good = 0
    while (end := data.find(b"\n", good)) >= 0:
        total, _, text = data[good:end].partition(b" ")
        if total != b"%08x" % crc32(text):
            break
        try:
            records.append(_decoder.decode(text))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            break
        good = end + 1
    return Found(records, good)


def apply(entries: dict[str, Entry], record: Record) -> None:
    """
    Change C{entries}, by key, as C{record} says.
    """
    match record:
        case Registered(key=key):
            entries[key] = Entry(record)
        case Aborting(key, reason):
            if key in entries:
                entries[key] = Entry(entries[key].registered, reason)
        case Forgotten(keys):
            for key in keys:
                entries.pop(key, None)
