"""
Ending calls early: at a caller's request, when their time is over, and all of them when the daemon stops.
"""

import signal
from collections.abc import Callable, Iterable

from attrs import define

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.errors import GnttwistError
from gnttwist.noded.call import FunctionCall
from gnttwist.noded.processes import LauncherGone, Processes
from gnttwist.noded.records import Aborting
from gnttwist.noded.registry import Registry
from gnttwist.wire.rpc_answers import Ended

KILL_AFTER = 10.0
"""
Seconds between an abort's SIGTERM and its SIGKILL, and between further ones while the process does not go.
"""

EXPIRED = "it ran for longer than its caller allowed"


@define(eq=False)
class Endings:
    """
    @ivar _now: Seconds since the epoch.
    """

    _log = Logger()
    _clock: IReactorTime
    _now: Callable[[], float]
    _processes: Processes
    _registry: Registry

    async def abort(self, call: FunctionCall, reason: str) -> None:
        """
        Ask a call to end: SIGTERM to all of it, then SIGKILL. One that has ended stays as it is.

        @raise RegistryFailed: That it is aborted cannot be made durable: it is not, then.
        @raise LauncherGone: Nobody can signal it now; when somebody can, it is killed.
        """
        key = call.key
        if (
            call.outcome is None
            and call.aborting is None
            and key is not None
            and key in self._registry.entries
        ):
            # First, so that a daemon that is killed now says "aborted" afterwards, and not "died".
            await self._registry.append(Aborting(key, reason))
        if call.outcome is None:
            call.aborting = call.aborting or reason
            await self.carry_out(call)

    async def carry_out(self, call: FunctionCall) -> None:
        """
        End a call of which it is known that it is to be aborted.
        """
        if call.process is not None:
            self._clock.callLater(KILL_AFTER, self._kill, call)
            await self._processes.signal(call.process.id, signal.SIGTERM, tree=True)
        elif call.launch is None:
            call.end(Ended("aborted", call.aborting or ""))

    def _kill(self, call: FunctionCall) -> None:
        if call.outcome is None and call.process is not None:
            # Again and again: the launcher may be away just now.
            self._clock.callLater(KILL_AFTER, self._kill, call)
            self._watch(call, self._processes.signal(call.process.id, signal.SIGKILL, tree=True))

    def watch_time(self, call: FunctionCall) -> None:
        """
        Abort a call when the time that its caller allowed is over.
        """
        if call.abort_at is None:
            return

        def expired() -> None:
            self._watch(call, Deferred.fromCoroutine(self.abort(call, EXPIRED)))

        timer = self._clock.callLater(max(0.0, call.abort_at - self._now()), expired)
        call.done.wait().addCallback(lambda _: timer.cancel() if timer.active() else None)

    def _watch(self, call: FunctionCall, signalling: Deferred[None]) -> None:
        def failed(why: Failure) -> None:
            why.trap(GnttwistError)
            self._log.warn("{call} is not told to end: {reason}", call=call.id, reason=why.value)

        signalling.addErrback(failed)
        signalling.addErrback(lambda why: self._log.failure("ending {call}", failure=why, call=call.id))

    async def stop(self, calls: Iterable[FunctionCall]) -> None:
        """
        Send SIGTERM to all function processes and wait for their ends.
        """
        running = [each for each in calls if each.process is not None and each.outcome is None]
        for each in running:
            try:
                await self._processes.signal(each.id or "", signal.SIGTERM, tree=False)
            except LauncherGone as reason:
                self._log.warn("{call} is not told to end: {reason}", call=each.id, reason=reason)
        for each in running:
            if each.outcome is None:
                await each.done.wait()
