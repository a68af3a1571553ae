"""
Function processes without a launcher: a new interpreter for each, a child of this process. For development and
tests; the processes' ends are not seen by a daemon that is started later.
"""

import os
import sys
import time
from collections.abc import Callable, Container, Mapping, Sequence

import msgspec
from attrs import define, field

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IProcessTransport, IReactorProcess
from twisted.python.failure import Failure

from gnttwist.launcher import spool, tree
from gnttwist.launcher.protocol import ARGUMENTS_LIMIT, Call
from gnttwist.noded.descriptors import sealed
from gnttwist.noded.function_protocol import WAKE, FunctionProtocol
from gnttwist.noded.processes import Listener, Process, Start, StartRefused
from gnttwist.paths import Paths
from gnttwist.wire.calls import FUNCTIONS

MODULE = "gnttwist.launcher.child"

PROCESSES_LIMIT = 64
"""
Most processes at a time: each is an interpreter of 20 MB.
"""


@define(eq=False, slots=False)
class _Spawned(FunctionProtocol):
    """
    Also says that the process is gone, before the listener hears of it.
    """

    gone: Callable[[], None]

    def processExited(self, reason: Failure) -> None:
        self.gone()
        super().processExited(reason)


@define(eq=False)
class SpawnedProcesses:
    """
    The L{gnttwist.noded.processes.Processes} of C{reactor.spawnProcess}.

    @ivar _environment: The processes' environment.
    @ivar _known: The functions' names.
    @ivar _table: C{module:name} of the functions' code, where it is not gnttwist's own.
    @ivar _output: The descriptor that the processes' prints go to.
    """

    _reactor: IReactorProcess
    _paths: Paths
    _environment: Mapping[str, str]
    _known: Container[str] = field(factory=lambda: frozenset(FUNCTIONS))
    _table: str | None = None
    _output: int = 2
    _running: dict[str, IProcessTransport] = field(factory=dict, init=False)

    def start(self, request: Start, listener: Listener) -> Deferred[Process]:
        """
        See L{gnttwist.noded.processes.Processes.start}.
        """
        try:
            return succeed(self._start(request, listener))
        except StartRefused as reason:
            return fail(reason)
        except OSError as reason:
            return fail(StartRefused(f"cannot start a process: {reason}"))

    def _start(self, request: Start, listener: Listener) -> Process:
        if request.function not in self._known:
            raise StartRefused(f"there is no function {request.function}")
        if len(self._running) >= PROCESSES_LIMIT:
            raise StartRefused(f"{PROCESSES_LIMIT} function processes are there, the most that may be")
        if len(request.arguments) > ARGUMENTS_LIMIT:
            raise StartRefused(f"{len(request.arguments)} bytes of arguments, {ARGUMENTS_LIMIT} are possible")
        self._paths.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        started = time.time()
        call = Call(
            function=request.function,
            suffix=request.id_suffix,
            key=request.key,
            parent=os.getpid(),
            started=started,
            root=str(self._paths.root),
            hostname=self._paths.hostname,
            spool_limit=request.spool_limit,
            table=self._table,
            limits=request.limits,
        )
        known: list[str] = []
        follower = _Spawned(listener, lambda: self._forget(known))
        transport = self._spawn(follower, call, request.arguments)
        id = f"{os.getpid()}:{transport.pid}:{request.id_suffix}"
        known.append(id)
        self._running[id] = transport
        path = self._paths.spool / request.id_suffix
        return Process(id, request.function, request.key, transport.pid, started, path)

    def _spawn(self, follower: FunctionProtocol, call: Call, arguments: bytes) -> IProcessTransport:
        opened = [sealed(arguments)]
        try:
            opened.append(spool.create(self._paths.spool, call.suffix))
            opened.append(os.open(os.devnull, os.O_RDONLY))
            return self._reactor.spawnProcess(
                follower,
                sys.executable,
                [sys.executable, "-m", MODULE, msgspec.json.encode(call).decode()],
                env=dict(self._environment),
                childFDs={0: opened[2], 1: opened[1], 2: self._output, WAKE: "r", 4: opened[0]},
            )
        finally:
            for each in opened:
                os.close(each)

    def _forget(self, known: Sequence[str]) -> None:
        for id in known:
            self._running.pop(id, None)

    def adopt(self, listener_for: Callable[[Process], Listener]) -> Deferred[Sequence[Process]]:
        """
        There is nothing to adopt: an earlier daemon's processes are nobody's children.
        """
        return succeed(())

    def signal(self, process_id: str, signal: int, *, tree: bool) -> Deferred[None]:
        """
        See L{gnttwist.noded.processes.Processes.signal}.
        """
        transport = self._running.get(process_id)
        if transport is None:
            return succeed(None)
        if tree:
            _signal_tree(transport.pid, signal)
        else:
            transport.signalProcess(signal)
        return succeed(None)


_signal_tree = tree.signal_tree
