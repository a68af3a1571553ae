"""
One front end's connection: packets with descriptors, sent without ever waiting for the peer.
"""

import os
import socket
import struct
from collections import deque
from collections.abc import Sequence

from attrs import define, field, frozen

from gnttwist.launcher.protocol import HEADER_LIMIT, Reply, encode

QUEUE_LIMIT = 2048
"""
Most packets that wait for a front end to read: several for each child that there can be. A front end that lets
more wait is cut off; it lists the children when it comes back.
"""

DESCRIPTORS = 8
"""
Descriptors accepted with a packet. Only one is ever wanted; those beyond are closed by the kernel or by us.
"""

_UCRED = struct.Struct("3i")


class Cut(Exception):
    """
    The connection is over.
    """


@frozen
class Packet:
    """
    What came in one piece.

    @ivar truncated: Whether bytes or descriptors of it were lost.
    """

    data: bytes
    descriptors: Sequence[int]
    truncated: bool


@define(eq=False)
class Connection:
    """
    @ivar greeted: Whether its Hello was good.
    """

    socket: socket.socket
    greeted: bool = False
    _queue: deque[tuple[bytes, list[int]]] = field(factory=deque, init=False)

    def peer_uid(self) -> int:
        """
        Whose process opened it.
        """
        credentials = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        uid: int = _UCRED.unpack(credentials)[1]
        return uid

    def receive(self) -> Packet | None:
        """
        The next packet, or C{None} if there is none now.

        @raise Cut: The peer has gone.
        """
        try:
            data, descriptors, flags, _ = socket.recv_fds(
                self.socket, HEADER_LIMIT + 1, DESCRIPTORS, socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT
            )
        except BlockingIOError:
            return None
        except OSError as reason:
            raise Cut(str(reason)) from reason
        if not data:
            close_all(descriptors)
            raise Cut("closed by the front end")
        truncated = bool(flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC))
        return Packet(data, descriptors, truncated)

    def send(self, reply: Reply, descriptors: Sequence[int] = ()) -> None:
        """
        Send a packet now or, where the peer is slow, later.

        @param descriptors: Stay the caller's.
        @raise Cut: The peer has gone, or lets too much wait.
        """
        data = encode(reply)
        if not self._queue and self._try(data, descriptors):
            return
        if len(self._queue) >= QUEUE_LIMIT:
            raise Cut("the front end does not read")
        # Of their own: the caller may close its ones before the peer reads.
        self._queue.append((data, [os.dup(each) for each in descriptors]))

    def flush(self) -> None:
        """
        Send what waits, as far as the peer takes it.

        @raise Cut: The peer has gone.
        """
        while self._queue and self._try(*self._queue[0]):
            close_all(self._queue.popleft()[1])

    @property
    def waiting(self) -> bool:
        """
        Whether packets wait to be sent.
        """
        return bool(self._queue)

    def _try(self, data: bytes, descriptors: Sequence[int]) -> bool:
        try:
            if descriptors:
                socket.send_fds(self.socket, [data], list(descriptors), socket.MSG_DONTWAIT)
            else:
                self.socket.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError as reason:
            raise Cut(str(reason)) from reason
        return True

    def close(self) -> None:
        """
        End it. What the peer has sent and was not read is dropped with it.
        """
        for _, descriptors in self._queue:
            close_all(descriptors)
        self._queue.clear()
        self.socket.close()


def close_all(descriptors: Sequence[int]) -> None:
    """
    Close descriptors that nobody wants.
    """
    for each in descriptors:
        os.close(each)
