"""
Messages ended by the byte 0x03: LUXI's framing, which streamed function calls and spool files share.
"""

from gnttwist.errors import LocalError, RemoteError

SEPARATOR = b"\x03"
"""
JSON text never holds this byte: control characters within strings are escaped (reference: LUXI, section 1.1).
"""


def frame(message: bytes) -> bytes:
    """
    One message as it crosses the wire.

    @raise LocalError: The message holds the separator, so that its reader would see two.
    """
    if SEPARATOR in message:
        raise LocalError("a message may not hold the byte 0x03")
    return message + SEPARATOR


class Splitter:
    """
    Cuts a stream of bytes into messages, however the bytes arrive.

    @ivar _limit: Most bytes of one message, without its separator; what is kept of an unfinished one never grows
        beyond it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._broken = False

    @property
    def pending(self) -> int:
        """
        How many bytes of an unfinished message are kept.
        """
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take the next bytes.

        @return: The messages that they finish, without separators.
        @raise RemoteError: A message is longer than the limit. What follows cannot be trusted, so every later
            call raises it, too.
        """
        if self._broken:
            raise self._too_long()
        # Only the new bytes are searched: a long message that comes in small pieces costs its length once.
        *finished, rest = data.split(SEPARATOR)
        messages = []
        for part in finished:
            self._keep(part)
            messages.append(bytes(self._rest))
            self._rest.clear()
        self._keep(rest)
        return messages

    def _keep(self, part: bytes) -> None:
        if len(self._rest) + len(part) > self._limit:
            self._broken = True
            self._rest.clear()
            raise self._too_long()
        self._rest += part

    def _too_long(self) -> RemoteError:
        return RemoteError(f"a message is longer than {self._limit} bytes")
