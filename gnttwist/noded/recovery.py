"""
Finding the calls of an earlier daemon again: from the registry, the launcher and the spools.
"""

from attrs import define

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.launcher.spool import NEVER_BEGAN, SpoolCorrupt, find
from gnttwist.noded.call import FunctionCall
from gnttwist.noded.call_table import CallTable
from gnttwist.noded.endings import Endings
from gnttwist.noded.processes import Process, Processes
from gnttwist.noded.registry import Registry
from gnttwist.wire.rpc_answers import Ended

LOOK_EVERY = 0.5
"""
Seconds between two looks at a process that nobody follows.
"""

RESTARTED = "the machine was restarted before the function had ended"
NO_RESULT = "the function process ended without a result"


@define(eq=False)
class Recovery:
    """
    @ivar _boot: The machine's boot ID.
    """

    _log = Logger()
    _clock: IReactorTime
    _processes: Processes
    _registry: Registry
    _table: CallTable
    _endings: Endings
    _boot: str

    async def run(self) -> None:
        """
        Fill the table. Before this has returned, nothing may be started.
        """
        for key, entry in self._registry.entries.items():
            known = entry.registered
            call = self._table.new(
                known.function, key, known.suffix, known.caller, known.started, known.abort_at
            )
            call.aborting = entry.aborting
            self._table.add(call)
        await self._processes.adopt(self._adopt)
        for key, entry in list(self._registry.entries.items()):
            settled = self._table.get(key)
            if settled is not None and settled.process is None and settled.outcome is None:
                self._settle(settled, entry.registered.boot)
        self._log.info("{count} calls run from before", count=len(self._table.active))

    def _adopt(self, process: Process) -> FunctionCall:
        """
        The call that a process from before belongs to. Also asked later, if a new launcher finds one.
        """
        call = self._table.get(process.key) or self._table.get(process.id)
        if call is None:
            call = self._table.new(
                process.function, process.key, process.spool.name, "unknown", process.started
            )
            self._table.add(call)
        self._table.begun(call, process)
        if call.outcome is None:
            self._resume(call)
        return call

    def _resume(self, call: FunctionCall) -> None:
        if call.aborting is None:
            self._endings.watch_time(call)
            return
        # Whether it was signalled before the restart is not known.
        ending = Deferred.fromCoroutine(self._endings.carry_out(call))
        ending.addErrback(self._failed)

    def _failed(self, why: Failure) -> None:
        self._log.warn("a call is not told to end: {reason}", reason=why.value)

    def _settle(self, call: FunctionCall, boot: str) -> None:
        """
        What became of a call that no launcher knows?
        """
        try:
            found = find(call.spool)
            if found == NEVER_BEGAN and boot == self._boot:
                # The next start needs the spool's name.
                call.spool.unlink()
                found = None
        except (OSError, SpoolCorrupt) as reason:
            call.conclude(f"its spool cannot be read: {reason}")
            return
        if found is not None and found.held:
            if found.begin is not None:
                begin = found.begin
                process = Process(begin.id, call.function, call.key, begin.pid, begin.started, call.spool)
                self._table.begun(call, process)
            self._clock.callLater(LOOK_EVERY, self._look, call, boot)
        elif found is not None or boot != self._boot:
            call.conclude(NO_RESULT if boot == self._boot else RESTARTED)
        elif call.aborting is not None:
            call.end(Ended("aborted", call.aborting))
        # Otherwise no process has looked at its function, and one may yet: the next start decides.

    def _look(self, call: FunctionCall, boot: str) -> None:
        if call.outcome is None:
            call.woken()
            self._settle(call, boot)

    def sweep(self) -> None:
        """
        Remove spools that nobody will ask for: of calls without a key that ended unseen, and of forgotten ones.
        """
        known = {each.spool for each in self._table}
        for path in self._table.spools():
            try:
                found = None if path in known else find(path)
                if found is not None and not found.held:
                    path.unlink()
            except (OSError, SpoolCorrupt) as reason:
                self._log.warn("the spool {name} is left alone: {reason}", name=path.name, reason=reason)
