"""
Which calls a node knows, by key and by function call ID, and for how long.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from attrs import define, field
from msgspec import Raw

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gnttwist.errors import GnttwistError
from gnttwist.launcher import tree
from gnttwist.launcher.spool import Feedback, SpoolCorrupt
from gnttwist.noded.call import FunctionCall, State
from gnttwist.noded.processes import Process
from gnttwist.wire.rpc import is_key
from gnttwist.wire.rpc_answers import NOTHING, CallRow

KEPT_LIMIT = 1000
KEPT_FOR = 600.0
"""
How many ended calls without a key are kept, and for how many seconds. Nobody acknowledges them; whoever waits for
one again does so within the longest wait that Ganeti's clients use.
"""


class UnknownCall(GnttwistError):
    """
    No call has this ID or key. Of a key: no such call was ever started, or it was forgotten.
    """


@define(eq=False)
class CallTable:
    """
    @ivar _spools: The directory of spools.
    @ivar active: The calls that have a process, or are to have one.
    """

    _log = Logger()
    _clock: IReactorTime
    _now: Callable[[], float]
    _spools: Path
    _by_key: dict[str, FunctionCall] = field(factory=dict, init=False)
    _by_id: dict[str, FunctionCall] = field(factory=dict, init=False)
    _kept: deque[FunctionCall] = field(factory=deque, init=False)
    active: set[FunctionCall] = field(factory=set, init=False)

    def __iter__(self) -> Iterator[FunctionCall]:
        return iter(dict.fromkeys([*self._by_key.values(), *self._by_id.values()]))

    def spools(self) -> list[Path]:
        """
        All spool files, whosever they are.
        """
        return list(self._spools.iterdir()) if self._spools.exists() else []

    def new(
        self,
        function: str,
        key: str | None,
        suffix: str,
        caller: str,
        started: float,
        abort_at: float | None = None,
    ) -> FunctionCall:
        """
        A call that is not in the table yet.
        """
        spool = self._spools / suffix
        return FunctionCall(
            self._clock, function, key, suffix, caller, started, spool, self._ended, abort_at=abort_at
        )

    def add(self, call: FunctionCall) -> None:
        """
        Make it known by its key.
        """
        if call.key is not None:
            self._by_key[call.key] = call

    def begun(self, call: FunctionCall, process: Process) -> None:
        """
        It has a process: make it known by its function call ID.
        """
        call.begun(process)
        self._by_id[process.id] = call
        if call.outcome is None:
            self.active.add(call)
        else:
            self.active.discard(call)

    def get(self, name: str | None) -> FunctionCall | None:
        """
        The call with this function call ID or key.
        """
        if name is None:
            return None
        return self._by_key.get(name) if is_key(name) else self._by_id.get(name)

    def find(self, name: str) -> FunctionCall:
        """
        The call with this function call ID or key, if anything was ever started for it.

        @raise UnknownCall: There is none.
        """
        call = self.get(name)
        if call is None or is_idle(call):
            raise UnknownCall(f"there is no call {name}")
        return call

    def _ended(self, call: FunctionCall) -> None:
        self.active.discard(call)
        if call.key is None:
            self._kept.append(call)
            self._clock.callLater(KEPT_FOR, self.release, call)
            while len(self._kept) > KEPT_LIMIT:
                self.release(self._kept[0])

    def release(self, call: FunctionCall) -> None:
        """
        Drop a call without a key that has ended: nobody asks for it any more.
        """
        if call in self._kept:
            self._kept.remove(call)
            self.drop(call)

    def drop(self, call: FunctionCall) -> None:
        """
        Know it no longer, and remove its spool.
        """
        if call.key is not None:
            self._by_key.pop(call.key, None)
        if call.id is not None:
            self._by_id.pop(call.id, None)
        try:
            call.spool.unlink(missing_ok=True)
        except OSError as reason:
            self._log.error("cannot remove the spool of {call}: {reason}", call=call.id, reason=reason)

    def rows(self, running: Mapping[int, tree.Stat]) -> list[CallRow]:
        """
        All calls, for people.

        @param running: The machine's processes, by number.
        """
        now = self._now()
        return [self._row(each, now, running) for each in self]

    def _row(self, call: FunctionCall, now: float, running: Mapping[int, tree.Stat]) -> CallRow:
        try:
            feedback = call.last_feedback()
        except (OSError, SpoolCorrupt) as reason:
            self._log.warn("cannot read the spool of {call}: {reason}", call=call.id, reason=reason)
            feedback = None
        return CallRow(
            id=call.id,
            key=call.key,
            function=call.function,
            caller=call.caller,
            state=call.state.value,
            started=call.started,
            age=max(0.0, now - call.started),
            pid=None if call.process is None else call.process.pid,
            feedback=0 if feedback is None else feedback.serial,
            processes=_processes(call, running),
            last_feedback=NOTHING if feedback is None else Raw(_members(feedback)),
        )


def _processes(call: FunctionCall, running: Mapping[int, tree.Stat]) -> Sequence[int]:
    if call.process is None or call.outcome is not None or not call.process.pid:
        return ()
    return sorted(tree.belonging(running, call.process.pid))


def _members(feedback: Feedback) -> bytes:
    seconds, microseconds = feedback.time
    return b"[%d,[%d,%d],%b,%b]" % (
        feedback.serial,
        seconds,
        microseconds,
        msgspec.json.encode(feedback.type),
        feedback.payload,
    )


def is_idle(call: FunctionCall) -> bool:
    """
    Whether its key was accepted, and no process is there or being started.
    """
    return call.state is State.REGISTERED and call.launch is None
