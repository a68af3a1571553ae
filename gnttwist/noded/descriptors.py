"""
Descriptors in the reactor that Twisted has no transport for: packet sockets that carry descriptors, and
descriptors that only become readable.
"""

import errno
import fcntl
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from attrs import define, field
from zope.interface import implementer

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReactorFDSet, IReactorTime, IReadDescriptor, IReadWriteDescriptor
from twisted.python.failure import Failure

from gnttwist.errors import GnttwistError, RemoteError

DESCRIPTORS = 8
"""
Most descriptors taken with one packet; two are the most that is ever sent.
"""

PACKETS_AT_ONCE = 32
"""
Packets read before other descriptors of the reactor have their turn.
"""

QUEUE_LIMIT = 1024
"""
Most packets that wait for the peer to read, each with a request that somebody waits for.
"""


RETRY = 0.05
"""
Seconds until a packet is tried again whose descriptors were too many for now.
"""


class IReactor(IReactorTime, IReactorFDSet):
    """
    What descriptors and the processes behind them need of a reactor.
    """


class QueueFull(GnttwistError):
    """
    The peer does not read.
    """


class PacketReceiver(Protocol):
    """
    The user of a L{PacketSocket}.
    """

    def packet_received(self, data: bytes, descriptors: Sequence[int], complete: bool) -> None:
        """
        One packet.

        @param descriptors: From now on the receiver's to close.
        @param complete: Whether nothing of it was lost on the way, as descriptors are at this process's limit.
        @raise RemoteError: The connection is to end.
        """

    def packets_lost(self, reason: Failure) -> None:
        """
        The connection has ended.
        """


@implementer(IReadWriteDescriptor)
@define(eq=False, slots=False)
class PacketSocket:
    """
    A connected C{SOCK_SEQPACKET} socket in the reactor.
    """

    _reactor: IReactor
    _socket: socket.socket
    _receiver: PacketReceiver
    _limit: int
    _queue: deque[tuple[bytes, list[int]]] = field(factory=deque, init=False)
    _open: bool = field(default=True, init=False)

    @classmethod
    def connect(cls, reactor: IReactor, path: Path, receiver: PacketReceiver, limit: int) -> "PacketSocket":
        """
        Connect to a listening unix socket, which happens at once or not at all.

        @param limit: Most bytes of a packet.
        @raise OSError: Nobody listens there, or too many wait, or who listens is neither root nor this user: others
            may be able to put a socket there.
        """
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            client.connect(str(path))
            if _peer_uid(client) not in (0, os.geteuid()):
                raise PermissionError(f"user {_peer_uid(client)} listens at {path}")
        except OSError:
            client.close()
            raise
        self = cls(reactor, client, receiver, limit)
        reactor.addReader(self)
        return self

    def send(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        """
        Send a packet, now or when the peer has read.

        @param descriptors: Stay the caller's.
        @raise QueueFull: Too many wait.
        """
        if not self._open:
            return
        if len(self._queue) >= QUEUE_LIMIT:
            raise QueueFull(f"{QUEUE_LIMIT} packets wait to be read")
        self._queue.append((data, [os.dup(each) for each in descriptors]))
        self._reactor.addWriter(self)

    def close(self) -> None:
        """
        End the connection; the receiver is not told.
        """
        if self._open:
            self._open = False
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            for _, descriptors in self._queue:
                close_all(descriptors)
            self._queue.clear()
            self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return "packets"

    def doRead(self) -> None:
        for _ in range(PACKETS_AT_ONCE):
            if not self._open:
                return
            try:
                data, descriptors, flags, _address = socket.recv_fds(
                    self._socket, self._limit + 1, DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except OSError as reason:
                self._lose(ConnectionLost(str(reason)))
                return
            if not data:
                close_all(descriptors)
                self._lose(ConnectionDone())
                return
            complete = not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
            try:
                self._receiver.packet_received(data, descriptors, complete)
            except RemoteError as reason:
                self._lose(reason)

    def doWrite(self) -> None:
        while self._queue:
            data, descriptors = self._queue[0]
            try:
                socket.send_fds(self._socket, [data], descriptors)
            except BlockingIOError:
                return
            except OSError as reason:
                if reason.errno == errno.ETOOMANYREFS:
                    # Descriptors on their way count against this user's limit until they are received.
                    self._reactor.removeWriter(self)
                    self._reactor.callLater(RETRY, self._resume)
                else:
                    self._lose(ConnectionLost(str(reason)))
                return
            close_all(self._queue.popleft()[1])
        self._reactor.removeWriter(self)

    def _lose(self, reason: Exception) -> None:
        self.connectionLost(Failure(reason))

    def _resume(self) -> None:
        if self._open and self._queue:
            self._reactor.addWriter(self)

    def connectionLost(self, reason: Failure) -> None:
        if self._open:
            self.close()
            self._receiver.packets_lost(reason)


@implementer(IReadDescriptor)
@define(eq=False, slots=False)
class Watched:
    """
    A descriptor that is watched for being readable, and closed with L{close}.

    @ivar _ready: Called when it is. C{Watched} neither reads nor stops by itself.
    """

    _reactor: IReactor
    _descriptor: int
    _ready: Callable[["Watched"], None]

    def watch(self) -> "Watched":
        """
        Begin.
        """
        self._reactor.addReader(self)
        return self

    def read(self, size: int) -> bytes | None:
        """
        What is there now: C{b""} at the end, C{None} if nothing is.
        """
        try:
            return os.read(self._descriptor, size)
        except BlockingIOError:
            return None

    def close(self) -> None:
        """
        Stop watching, and close the descriptor.

        It is closed in the reactor's next turn: an event of it that this turn has already fetched, such as the end
        of a pipe, would hit a connection that is accepted meanwhile and gets the same number.
        """
        if self._descriptor >= 0:
            self._reactor.removeReader(self)
            self._reactor.callLater(0, os.close, self._descriptor)
            self._descriptor = -1

    def fileno(self) -> int:
        return self._descriptor

    def logPrefix(self) -> str:
        return "watched"

    def doRead(self) -> None:
        self._ready(self)

    def connectionLost(self, reason: Failure) -> None:
        self.close()


def _peer_uid(client: socket.socket) -> int:
    credentials = struct.Struct("3i")
    uid: int = credentials.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size))[
        1
    ]
    return uid


def close_all(descriptors: Sequence[int]) -> None:
    """
    Close descriptors that nobody wants.
    """
    for each in descriptors:
        os.close(each)


def sealed(data: bytes) -> int:
    """
    A descriptor of an anonymous file that holds C{data}, and that nobody can change.

    @raise OSError: At the limit of descriptors or memory.
    """
    descriptor = os.memfd_create("arguments", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        every = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, every)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
