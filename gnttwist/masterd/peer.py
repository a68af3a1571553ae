"""
Who is at the other end of a unix socket.
"""

import socket
import struct
from typing import Any

from attrs import frozen

_UCRED = struct.Struct("3i")


@frozen
class Peer:
    """
    The process that connected, as the kernel knows it.
    """

    pid: int
    uid: int
    gid: int


def peer_of(transport: Any) -> Peer:
    """
    The peer of a unix stream connection.

    @param transport: Twisted's server transport, whose handle is a socket.
    """
    handle: socket.socket = transport.getHandle()
    return Peer(*_UCRED.unpack(handle.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)))
