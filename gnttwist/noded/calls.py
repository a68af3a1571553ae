"""
The calls of a node, for those who ask for them: started once for each key, waited for, aborted and forgotten.
"""

from collections.abc import Callable, Container, Iterable

from attrs import define, field

from twisted.logger import Logger

from gnttwist.errors import GnttwistError, RemoteError
from gnttwist.noded.call import FunctionCall
from gnttwist.noded.call_table import CallTable, UnknownCall, is_idle
from gnttwist.noded.endings import Endings
from gnttwist.noded.processes import Processes, Start
from gnttwist.noded.records import Registered
from gnttwist.noded.registry import Registry
from gnttwist.noded.waiters import Shared
from gnttwist.wire.limits import CallLimits
from gnttwist.wire.rpc import StartOptions
from gnttwist.wire.rpc_answers import Ended

CALLS_LIMIT = 200
"""
Most calls that run at a time: each has two descriptors, of the 1,024 that a process has by default, and a process
of over 1 MB. Below the launcher's own limit, so that this one is the one met.
"""

REQUESTED = "aborted at its caller's request"


class UnknownFunction(GnttwistError):
    """
    No function has this name.
    """


class Busy(GnttwistError):
    """
    Not now: later perhaps.
    """


@define(eq=False)
class Calls:
    """
    @ivar table: All of them.
    @ivar _now: Seconds since the epoch.
    @ivar _boot: The machine's boot ID.
    @ivar _entropy: Gives this many random bytes.
    @ivar _functions: The functions' names.
    """

    _log = Logger()
    _now: Callable[[], float]
    _processes: Processes
    _registry: Registry
    table: CallTable
    _endings: Endings
    _boot: str
    _entropy: Callable[[int], bytes]
    _functions: Container[str]
    _limit: int = CALLS_LIMIT
    _closing: bool = field(default=False, init=False)

    async def start(
        self, function: str, arguments: bytes, options: StartOptions, caller: str
    ) -> FunctionCall:
        """
        Start a function, or find the call that the key already names.

        Cancelling gives up waiting for the start, not the start.

        @param arguments: A JSON array.
        @param caller: Who asks, for people.
        @raise UnknownFunction: There is none of this name.
        @raise RemoteError: The key names a call of another function.
        @raise Busy: Too many calls run, or the daemon stops.
        @raise GnttwistError: What the registry and the processes raise (L{RegistryFull}, L{LauncherGone} and so
            on): nothing was started.
        """
        if function not in self._functions:
            raise UnknownFunction(f"there is no function {function}")
        call = self.table.get(options.key) or self._new(function, options, caller)
        if call.function != function:
            raise RemoteError(f"this key names a call of {call.function}")
        if call.outcome is None and call.process is None:
            if call.launch is None:
                self._admit()
                self.table.active.add(call)
                self.table.add(call)
                launch = Shared(self._launch(call, arguments, options.limits))
                call.launch = None if launch.over else launch
            else:
                launch = call.launch
            await launch.wait()
        return call

    def _admit(self) -> None:
        if self._closing:
            raise Busy("the node daemon is stopping")
        if len(self.table.active) >= self._limit:
            raise Busy(f"{self._limit} calls run, the most that may")

    def _new(self, function: str, options: StartOptions, caller: str) -> FunctionCall:
        now = self._now()
        suffix = f"{now:.6f}:{self._entropy(8).hex()}"
        abort_at = None if options.abort_after is None else now + options.abort_after
        return self.table.new(function, options.key, suffix, caller, now, abort_at)

    async def _launch(self, call: FunctionCall, arguments: bytes, limits: CallLimits) -> None:
        process = None
        try:
            if call.key is not None and call.key not in self._registry.entries:
                await self._register(call, call.key)
            # The same suffix at every attempt: whatever became of an earlier one, there is no second process.
            request = Start(call.function, arguments, call.suffix, call.key, limits=limits)
            process = await self._processes.start(request, call)
        finally:
            call.launch = None
            if process is None:
                self.table.active.discard(call)
                if call.aborting is not None:
                    call.end(Ended("aborted", call.aborting))
        self.table.begun(call, process)
        if call.outcome is None:
            if call.aborting is not None:
                await self._endings.carry_out(call)
            else:
                self._endings.watch_time(call)

    async def _register(self, call: FunctionCall, key: str) -> None:
        record = Registered(
            key, call.function, call.suffix, self._boot, call.started, call.caller, call.abort_at
        )
        try:
            await self._registry.register(record)
        except GnttwistError:
            # Not durable, so nobody was told of it: the next start is the first.
            self.table.drop(call)
            raise

    async def find(self, name: str) -> FunctionCall:
        """
        The call with this function call ID or key, once it has a process.

        @raise UnknownCall: There is none.
        @raise GnttwistError: It is being started, and that fails.
        """
        call = self.table.find(name)
        if call.launch is not None:
            await call.launch.wait()
        return call

    async def abort(self, name: str) -> None:
        """
        Ask a call to end, by its function call ID or key. One that has ended stays as it is; one whose process
        was never started never will be.

        @raise UnknownCall: There is none.
        @raise GnttwistError: Nobody can do that now (L{RegistryFailed}, L{LauncherGone}).
        """
        call = self.table.get(name)
        if call is None:
            raise UnknownCall(f"there is no call {name}")
        await Shared(self._endings.abort(call, REQUESTED)).wait()

    async def forget(self, keys: Iterable[str]) -> int:
        """
        Drop calls whose results have arrived; those that run stay.

        @return: How many were known and had ended.
        @raise RegistryFailed: It cannot be made durable.
        """
        return await Shared(self._forget(keys)).wait()

    async def _forget(self, keys: Iterable[str]) -> int:
        known = [self.table.get(each) for each in dict.fromkeys(keys)]
        found = [each for each in known if each is not None]
        for each in filter(is_idle, found):
            each.end(Ended("aborted", "it was forgotten before it was started"))
        ended = [each for each in found if each.outcome is not None]
        if ended:
            await self._registry.forget([each.key for each in ended if each.key is not None])
        for each in ended:
            self.table.drop(each)
        return len(ended)

    async def stop(self) -> None:
        """
        Take no new calls, send SIGTERM to all function processes and wait for their ends.
        """
        self._closing = True
        await self._endings.stop(list(self.table.active))
