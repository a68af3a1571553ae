"""
More than one process on one port: the sockets are made here, once, and every worker has its own of each address. The
kernel spreads sources over them. A worker that ends is started again on the same sockets, where its queries wait.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.confd.parts import bound
from gnttwist.paths import Paths

STEADY = 5.0
"""
Seconds after which a worker that ends is started again at once; before, after L{PAUSE}: something is wrong with it.
"""

PAUSE = 1.0

STOPPING = 5.0
"""
Seconds for a worker to stop before it is killed. It has nothing to finish.
"""

MAX_LINE = 8192
"""
Bytes that are kept of a line that a worker has begun to log.
"""

FIRST = 3
"""
The descriptor of a worker's first socket.
"""


@define(eq=False, slots=False, repr=False)
class Worker(ProcessProtocol):
    """
    One worker's process.

    @ivar ended: Fires when it is gone.
    """

    _log = Logger()
    _exited: Callable[["Worker"], None]
    ended: Deferred[None] = field(factory=Deferred, init=False)
    started: float = 0.0
    _line: bytes = field(default=b"", init=False)

    @property
    def _pid(self) -> int | None:
        return None if self.transport is None else self.transport.pid

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[-MAX_LINE:]
        for each in lines:
            self._log.info("worker {pid}: {line}", pid=self._pid, line=each.decode(errors="replace"))

    def processExited(self, reason: Failure) -> None:
        pass

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(None)
        self._exited(self)


@define(eq=False, slots=False, repr=False)
class Workers(Service):
    """
    Starts workers, starts them again, and stops them.
    """

    _log = Logger()
    _reactor: Any
    _paths: Paths
    _addresses: Sequence[str]
    _port: int
    _count: int
    _sockets: list[list[Any]] = field(factory=list, init=False)
    _running: dict[int, Worker] = field(factory=dict, init=False)
    _delayed: dict[int, IDelayedCall] = field(factory=dict, init=False)

    @property
    def processes(self) -> list[int]:
        """
        The workers' process ids.
        """
        return [each.transport.pid for each in self._running.values() if each.transport is not None]

    @property
    def port(self) -> int:
        """
        The number that the sockets are bound to.
        """
        number: int = self._sockets[0][0].getsockname()[1]
        return number

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        self._bind()

    def startService(self) -> None:
        super().startService()
        self._bind()
        for number in range(self._count):
            self._start(number)

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        for each in self._delayed.values():
            each.cancel()
        self._delayed.clear()
        for sockets in self._sockets:
            for one in sockets:
                one.close()
        self._sockets.clear()
        ending = []
        for worker in self._running.values():
            _signal(worker, "TERM")
            worker.ended.addCallback(_cancel, self._reactor.callLater(STOPPING, _signal, worker, "KILL"))
            ending.append(worker.ended)
        return gatherResults(ending)

    def _bind(self) -> None:
        if self._sockets:
            return
        port = self._port
        for _ in range(self._count):
            sockets = []
            for address in self._addresses:
                sockets.append(bound(address, port, shared=True))
                # Where any port will do, it is the same one for all.
                port = port or sockets[0].getsockname()[1]
            self._sockets.append(sockets)

    def _start(self, number: int) -> None:
        self._delayed.pop(number, None)
        worker = Worker(lambda ended: self._exited(number, ended), started=self._reactor.seconds())
        self._running[number] = worker
        sockets = self._sockets[number]
        # Its standard input is a pipe of ours: when we are gone, however that came, it ends as well.
        descriptors: dict[int, Any] = {0: "w", 1: "r", 2: "r"}
        descriptors.update({FIRST + index: each.fileno() for index, each in enumerate(sockets)})
        command = [sys.executable, "-m", "gnttwist.confd.worker", str(self._paths.root), self._paths.hostname]
        self._reactor.spawnProcess(
            worker, sys.executable, [*command, str(len(sockets))], env=dict(os.environ), childFDs=descriptors
        )

    def _exited(self, number: int, worker: Worker) -> None:
        del self._running[number]
        if not self.running:
            return
        steady = self._reactor.seconds() - worker.started > STEADY
        self._log.error("worker {number} has ended; starting it again", number=number)
        self._delayed[number] = self._reactor.callLater(0 if steady else PAUSE, self._start, number)


def _signal(worker: Worker, name: str) -> None:
    transport: IProcessTransport | None = worker.transport
    if transport is None:
        return
    try:
        transport.signalProcess(name)
    except ProcessExitedAlready:
        return


def _cancel(_: object, call: IDelayedCall) -> None:
    if call.active():
        call.cancel()
