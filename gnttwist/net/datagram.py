"""
UDP sockets as services that answer each datagram with at most one.

Twisted's own UDP port costs more for each datagram than everything that confd does to answer it (it checks addresses
and looks up its protocol every time), so this reads the socket itself.
"""

import socket
import struct
from array import array
from collections.abc import Callable
from typing import Any

from attrs import define, field
from zope.interface import implementer

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure

Address = tuple[Any, ...]
"""
Host and port, and for IPv6 flow and scope.
"""

Answer = Callable[[bytes, Address], bytes | None]

BURST = 64
"""
Datagrams that are read at once before anything else has its turn: a millisecond of work.
"""

RECEIVE_BUFFER = 1 << 20
"""
Bytes that the kernel keeps for us: some thousand queries, so that loading a configuration loses none.
"""


SO_ATTACH_FILTER = 26
"""
From C{asm-generic/socket.h}; Python has no name for it.
"""

_HEADER = 8
"""
Bytes of UDP's header, which a filter's offsets begin with.
"""


def only(made: socket.socket, magic: bytes, longest: int) -> None:
    """
    Let the kernel drop whatever does not begin with four certain bytes or is too long: it does so for a fraction of
    what waking us costs, and such datagrams take no room from others in the socket's buffer.

    @param magic: Four bytes.
    @param longest: Bytes of the longest datagram that is let in.
    """
    program = b"".join(
        struct.pack("HBBI", *each)
        for each in (
            (0x80, 0, 0, 0),  # A = the length
            (0x25, 3, 0, longest + _HEADER),  # longer: drop
            (0x20, 0, 0, _HEADER),  # A = the first four bytes; where there are not so many, drop
            (0x15, 0, 1, int.from_bytes(magic, "big")),  # others: drop
            (0x06, 0, 0, 0xFFFFFFFF),  # take all of it
            (0x06, 0, 0, 0),  # drop
        )
    )
    instructions = array("B", program)
    where, _ = instructions.buffer_info()
    # The kernel copies the program within the call.
    made.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(program) // 8, where))


def bind(address: str, port: int, *, shared: bool = False) -> socket.socket:
    """
    A socket that does not block.

    @param address: A concrete IPv4 or IPv6 address; the latter may have a scope, such as C{fe80::1%eth0}.
    @param shared: Let further sockets have the same address; the kernel spreads sources over them.
    @raise OSError: It cannot be bound.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    where = socket.getaddrinfo(address, port, family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)[0][4]
    made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        made.bind(where)
    except OSError:
        made.close()
        raise
    return made


@implementer(IReadDescriptor)
@define(eq=False, slots=False, repr=False)
class DatagramReader:
    """
    Reads a socket's datagrams and sends their answers.
    """

    _log = Logger()
    _socket: socket.socket
    _answer: Answer
    _max_size: int

    def fileno(self) -> int:
        """
        The socket's descriptor; -1 when it is closed.
        """
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """
        How Twisted's log names us.
        """
        return "datagrams"

    def doRead(self) -> None:
        """
        Answer what has arrived.
        """
        # Once for a burst, for entering it costs as much as an answer. What fails loses its datagram only.
        with self._log.failuresHandled("a datagram could not be answered"):
            receive, send, answer, size = (
                self._socket.recvfrom,
                self._socket.sendto,
                self._answer,
                self._max_size,
            )
            for _ in range(BURST):
                try:
                    datagram, address = receive(size)
                except BlockingIOError:
                    return
                reply = answer(datagram, address)
                if reply is not None:
                    try:
                        send(reply, address)
                    except OSError as reason:
                        # Nobody can be reached there, or the kernel's buffer is full: a datagram may get lost.
                        self._log.debug("no answer to {address}: {reason}", address=address, reason=reason)

    def connectionLost(self, reason: Failure) -> None:
        """
        Close the socket.
        """
        self._socket.close()


@define(eq=False, slots=False, repr=False)
class DatagramService(Service):
    """
    One socket. It binds when it is started with privileges still held, so that low ports work.

    @ivar _open: Makes the socket, or adopts one.
    @ivar _max_size: Bytes that are read of a datagram.
    """

    _reactor: IReactorFDSet
    _open: Callable[[], socket.socket]
    _answer: Answer
    _max_size: int
    _socket: socket.socket | None = field(default=None, init=False)
    _reader: DatagramReader | None = field(default=None, init=False)

    @property
    def port(self) -> int:
        """
        The number that the socket is bound to.
        """
        assert self._socket is not None, "started"
        number: int = self._socket.getsockname()[1]
        return number

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        if self._socket is None:
            self._socket = self._open()

    def startService(self) -> None:
        super().startService()
        if self._socket is None:
            self._socket = self._open()
        self._reader = DatagramReader(self._socket, self._answer, self._max_size)
        self._reactor.addReader(self._reader)

    def stopService(self) -> None:
        super().stopService()
        if self._reader is not None:
            self._reactor.removeReader(self._reader)
            self._reader = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
