"""
Function processes that exist only in memory, with real spool files: a test plays the functions' part.
"""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from twisted.internet.defer import Deferred, fail, succeed

from gnttwist.launcher import spool
from gnttwist.launcher.spool import Begin, SpoolWriter
from gnttwist.noded.processes import Exit, LauncherGone, Listener, Process, Start, StartRefused


@define(eq=False)
class FakeProcess:
    """
    One of them.

    @ivar arguments: The JSON array that it was started with.
    @ivar signals: What it was sent, with whether that was for all of its tree.
    @ivar ended: How it ended.
    """

    process: Process
    arguments: bytes
    _writer: SpoolWriter
    _lock: int
    listener: Listener | None
    signals: list[tuple[int, bool]] = field(factory=list, init=False)
    ended: Exit | None = field(default=None, init=False)
    _dismissed: bool = field(default=False, init=False)

    @property
    def listed(self) -> bool:
        """
        Whether the launcher tells of it to a new daemon.
        """
        return self.listener is None and not self._dismissed

    def feedback(self, type: str, payload: Any) -> None:
        """
        Say something.
        """
        self._writer.feedback(type, payload)

    def woken(self) -> None:
        """
        Tell who follows it that it has said something.
        """
        if self.listener is not None and self.ended is None:
            self.listener.woken()

    def finish(self, success: bool, payload: Any) -> None:
        """
        End with a result.
        """
        self._writer.result(success, payload)
        self.exit(Exit(0, None))

    def exit(self, how: Exit) -> None:
        """
        End.
        """
        os.close(self._lock)
        self.ended = how
        self.tell()

    def tell(self) -> None:
        """
        Tell who follows it of its end; then nobody lists it any more.
        """
        if self.listener is not None and self.ended is not None and not self._dismissed:
            self._dismissed = True
            self.listener.exited(self.ended)


@define(eq=False)
class FakeProcesses:
    """
    A L{gnttwist.noded.processes.Processes}, and the launcher behind it: it outlives the daemons that use it.

    @ivar _spools: The directory of spools.
    @ivar running: All that were ever started, in order; also those that have ended.
    @ivar gone: Whether there is no launcher now.
    @ivar refusal: Why nothing is started, or C{None}.
    @ivar held: Starts that wait for L{answer}, while C{slow} is true.
    """

    _spools: Path
    _now: Callable[[], float]
    running: list[FakeProcess] = field(factory=list, init=False)
    gone: bool = field(default=False, init=False)
    refusal: str | None = field(default=None, init=False)
    slow: bool = field(default=False, init=False)
    _held: list[tuple[Start, Listener, Deferred[Process]]] = field(factory=list, init=False)

    def start(self, request: Start, listener: Listener) -> Deferred[Process]:
        """
        See L{gnttwist.noded.processes.Processes.start}.
        """
        if self.gone:
            return fail(LauncherGone("there is no launcher"))
        if self.refusal is not None:
            return fail(StartRefused(self.refusal))
        if self.slow:
            started: Deferred[Process] = Deferred()
            self._held.append((request, listener, started))
            return started
        try:
            return succeed(self._start(request, listener))
        except FileExistsError:
            return fail(StartRefused("a call of this name was started before"))

    def answer(self) -> None:
        """
        Carry out the starts that were held up.
        """
        held, self._held = self._held, []
        for request, listener, started in held:
            started.callback(self._start(request, listener))

    def _start(self, request: Start, listener: Listener) -> Process:
        self._spools.mkdir(parents=True, exist_ok=True)
        descriptor = spool.create(self._spools, request.id_suffix)
        pid = 1000 + len(self.running)
        id = f"1:{pid}:{request.id_suffix}"
        place = self._spools / request.id_suffix
        process = Process(id, request.function, request.key, pid, self._now(), place)
        fake = FakeProcess(process, request.arguments, None, descriptor, listener)  # type: ignore[arg-type]
        fake._writer = SpoolWriter(descriptor, request.spool_limit, self._now, fake.woken)
        self.running.append(fake)
        fake._writer.begin(Begin(id, request.function, request.key, pid, process.started))
        return process

    def adopt(self, listener_for: Callable[[Process], Listener]) -> Deferred[Sequence[Process]]:
        """
        See L{gnttwist.noded.processes.Processes.adopt}.
        """
        unknown = [each for each in self.running if each.listed]
        for each in unknown:
            each.listener = listener_for(each.process)
        for each in unknown:
            each.tell()
        return succeed([each.process for each in unknown])

    def signal(self, process_id: str, signal: int, *, tree: bool) -> Deferred[None]:
        """
        See L{gnttwist.noded.processes.Processes.signal}. Only SIGKILL has an effect.
        """
        if self.gone:
            return fail(LauncherGone("there is no launcher"))
        for each in self.running:
            if each.process.id == process_id and each.ended is None:
                each.signals.append((signal, tree))
                if signal == _KILL:
                    each.exit(Exit(None, signal))
        return succeed(None)

    def daemon_killed(self) -> None:
        """
        The node daemon was killed: nobody follows the processes, and starts that were held up never happen.
        """
        self._held.clear()
        for each in self.running:
            each.listener = None

    def launcher_replaced(self) -> None:
        """
        The launcher was killed with the node daemon, and its successor knows only what still runs.
        """
        self.daemon_killed()
        self.running = [each for each in self.running if each.ended is None]

    def machine_restarted(self) -> None:
        """
        The power failed: the processes are gone, and nobody ever tells how.
        """
        self.daemon_killed()
        for each in self.running:
            if each.ended is None:
                each.exit(Exit(None, None))
        self.running = []


_KILL = signal.SIGKILL
