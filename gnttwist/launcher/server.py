"""
The launcher's loop: connections, requests and the ends of children, in one thread.
"""

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable

from attrs import define, field

from gnttwist.errors import RemoteError
from gnttwist.launcher import protocol
from gnttwist.launcher.admission import StartRefusal
from gnttwist.launcher.children import Children, Record
from gnttwist.launcher.connection import Connection, Cut, Packet, close_all

STRANGERS = 8
"""
Most connections that have not said Hello; the oldest gives way.
"""

STOP_WAIT = 10.0
"""
Seconds that an orderly stop waits for the children after it has sent them SIGTERM. Those that take longer go on;
the next launcher finds them.
"""

SETTLE_EVERY = 0.05
"""
Seconds between two looks at what is left of an aborted call.
"""

PACKETS_AT_ONCE = 16
"""
Packets taken from one connection before others have their turn.
"""


@define(eq=False)
class Launcher:
    """
    @ivar _listener: A listening C{SOCK_SEQPACKET} socket.
    @ivar _uids: Whose front ends are served.
    """

    _listener: socket.socket
    _children: Children
    _uids: frozenset[int]
    _selector: selectors.BaseSelector = field(factory=selectors.DefaultSelector, init=False)
    _strangers: list[Connection] = field(factory=list, init=False)
    _front_end: Connection | None = field(default=None, init=False)
    _settling: list[Record] = field(factory=list, init=False)
    _stopping: bool = field(default=False, init=False)

    def run(self) -> None:
        """
        Serve until SIGTERM or SIGINT, then end the children in order.
        """
        self._watch_signals()
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        for each in self._children:
            self._watch(each)
        deadline = None
        while True:
            now = time.monotonic()
            if self._stopping:
                deadline = now + STOP_WAIT if deadline is None else deadline
                if now >= deadline or not self._children.running():
                    break
            pause = SETTLE_EVERY if self._settling else None
            if deadline is not None:
                pause = min(deadline - now, pause or deadline - now)
            for key, _ in self._selector.select(pause):
                # An earlier one of the same batch may have ended this one's connection or child.
                if self._selector.get_map().get(key.fd) is key:
                    key.data()
            self._settle()
        _log(f"stopped; {len(self._children.running())} function processes go on")

    # Signals

    def _watch_signals(self) -> None:
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self._selector.register(reader, selectors.EVENT_READ, lambda: self._signalled(reader))

    def _signalled(self, reader: int) -> None:
        numbers = os.read(reader, 64)
        if not self._stopping and {signal.SIGTERM, signal.SIGINT} & set(numbers):
            self._stopping = True
            _log(f"told to stop by signal {numbers[0]}")
            for each in self._children.running():
                self._children.signal(each.id, signal.SIGTERM, whole_tree=False)

    # Connections

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError as reason:
            _log(f"a connection was not accepted: {reason}")
            return
        connection = Connection(accepted)
        uid = connection.peer_uid()
        if uid not in self._uids:
            _log(f"a connection of user {uid} was refused")
            connection.close()
            return
        accepted.setblocking(False)
        if len(self._strangers) >= STRANGERS:
            self._drop(self._strangers[0], "too many that say nothing")
        self._strangers.append(connection)
        self._selector.register(accepted, selectors.EVENT_READ, self._ready(connection))

    def _ready(self, connection: Connection) -> Callable[[], None]:
        return lambda: self._guard(connection, lambda: self._serve(connection))

    def _guard(self, connection: Connection, action: Callable[[], None]) -> None:
        try:
            action()
        except Cut as reason:
            self._drop(connection, str(reason))

    def _drop(self, connection: Connection, reason: str) -> None:
        if connection is self._front_end:
            self._front_end = None
            _log(f"the front end has gone: {reason}")
        elif connection in self._strangers:
            self._strangers.remove(connection)
        else:
            return
        self._selector.unregister(connection.socket)
        connection.close()

    def _send(self, connection: Connection, reply: protocol.Reply, descriptors: tuple[int, ...] = ()) -> None:
        connection.send(reply, descriptors)
        self._update(connection)

    def _update(self, connection: Connection) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.waiting else 0)
        key = self._selector.get_key(connection.socket)
        if key.events != events:
            self._selector.modify(connection.socket, events, key.data)

    def _serve(self, connection: Connection) -> None:
        connection.flush()
        self._update(connection)
        for _ in range(PACKETS_AT_ONCE):
            packet = connection.receive()
            if packet is None:
                return
            try:
                self._take(connection, packet)
            finally:
                close_all(packet.descriptors)

    # Requests

    def _take(self, connection: Connection, packet: Packet) -> None:
        try:
            if packet.truncated:
                raise RemoteError("the message or its descriptors came incomplete")
            request = protocol.decode_request(packet.data)
        except RemoteError as reason:
            self._send(connection, protocol.Refused(None, str(reason)[:512]))
            return
        if isinstance(request, protocol.Hello):
            self._greet(connection, request)
        elif not connection.greeted:
            raise Cut("a request before Hello")
        else:
            self._obey(connection, request, packet)

    def _greet(self, connection: Connection, request: protocol.Hello) -> None:
        if request.version != protocol.VERSION:
            reason = f"version {request.version} is not spoken here, {protocol.VERSION} is"
            self._send(connection, protocol.Refused(None, reason))
            raise Cut(reason)
        if connection is not self._front_end:
            self._strangers.remove(connection)
            older = self._front_end
            if older is not None:
                self._guard(older, lambda: self._send(older, protocol.Superseded()))
                self._drop(older, "a newer one has come")
            self._front_end = connection
            connection.greeted = True
        self._send(connection, protocol.Welcome(protocol.VERSION, os.getpid()))

    def _obey(self, connection: Connection, request: protocol.Request, packet: Packet) -> None:
        match request:
            case protocol.StartChild():
                self._start(connection, request, packet)
            case protocol.SignalChild(number, id, value, tree):
                self._children.signal(id, value, whole_tree=tree)
                self._send(connection, protocol.Signalled(number))
            case protocol.Dismiss(id):
                self._children.dismiss(id)
            case protocol.ListChildren(number):
                for each in self._children:
                    self._tell(connection, protocol.Child, number, each)
                self._send(connection, protocol.Listed(number, len(self._children)))

    def _start(self, connection: Connection, request: protocol.StartChild, packet: Packet) -> None:
        try:
            if self._stopping:
                raise StartRefusal("the launcher is stopping")
            if len(packet.descriptors) != 1:
                raise StartRefusal("the arguments' descriptor is missing")
            record = self._children.start(request, packet.descriptors[0])
        except StartRefusal as reason:
            self._send(connection, protocol.Refused(request.request, str(reason)[:512]))
            return
        self._watch(record)
        self._tell(connection, protocol.Started, request.request, record)

    def _tell(self, connection: Connection, kind: type[protocol.Child], number: int, record: Record) -> None:
        child = kind(
            request=number,
            id=record.id,
            function=record.function,
            key=record.key,
            pid=record.pid,
            started=record.started,
            spool=str(record.spool),
            wake=record.wake is not None,
            pidfd=record.pidfd is not None,
            ended=record.ended,
            code=record.code,
            signal=record.signal,
        )
        descriptors = tuple(each for each in (record.wake, record.pidfd) if each is not None)
        self._send(connection, child, descriptors)

    # Children

    def _watch(self, record: Record) -> None:
        if record.pidfd is not None:
            self._selector.register(record.pidfd, selectors.EVENT_READ, lambda: self._process_ended(record))

    def _process_ended(self, record: Record) -> None:
        self._selector.unregister(_required(record.pidfd))
        self._settling.append(record)

    def _settle(self) -> None:
        now = time.monotonic()
        ready = [each for each in self._settling if self._children.settle(each, now)]
        if ready:
            self._settling = [each for each in self._settling if not each.ended]
        for each in ready:
            front_end = self._front_end
            if front_end is not None:
                told = protocol.Exited(each.id, each.code, each.signal)
                self._guard(front_end, lambda to=front_end, it=told: self._send(to, it))  # type: ignore[misc]


def _required(descriptor: int | None) -> int:
    assert descriptor is not None, "watched without a pidfd"
    return descriptor


def _log(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} launcher[{os.getpid()}]: {text}\n")
    sys.stderr.flush()
