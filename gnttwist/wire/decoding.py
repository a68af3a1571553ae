"""
Reading a peer's JSON: whatever is wrong with it is the peer's fault.
"""

from typing import TypeVar

import msgspec

from gnttwist.errors import RemoteError

T = TypeVar("T")


def decoded(decoder: "msgspec.json.Decoder[T]", data: bytes, what: str) -> T:
    """
    @param what: What the data is expected to be, for the error.
    @raise RemoteError: It is not that.
    """
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
        raise RemoteError(f"not {what}: {reason}") from reason
