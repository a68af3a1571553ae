"""
One call of a function: from its acceptance until its outcome has been fetched.
"""

from collections.abc import Callable
from enum import Enum
from pathlib import Path

from attrs import define, field

from twisted.internet.defer import TimeoutError
from twisted.internet.interfaces import IReactorTime

from gnttwist.launcher.spool import Feedback, SpoolCorrupt, SpoolReader, Value
from gnttwist.noded.processes import Exit, Process
from gnttwist.noded.waiters import Bell, Shared
from gnttwist.wire.rpc_answers import Ended


class State(Enum):
    """
    How far a call is. The values are what is shown.
    """

    REGISTERED = "registered"
    RUNNING = "running"
    FINISHED = "finished"
    DIED = "died"
    ABORTED = "aborted"


@define(eq=False)
class FunctionCall:
    """
    What is known of a call. The L{gnttwist.noded.processes.Listener} of its process.

    @ivar suffix: The C{time:random} part of its function call ID, and its spool's name.
    @ivar caller: Who asked for it.
    @ivar started: Seconds since the epoch.
    @ivar abort_at: When the node ends it by itself, in seconds since the epoch.
    @ivar _ended: Called once when there is an outcome.
    @ivar process: Its process; C{None} before there is one, and if there never is.
    @ivar launch: The start of its process while that is under way.
    @ivar aborting: Why it is to end early, once that was asked for.
    @ivar outcome: The place of its return value, or why there is none; C{None} until it has ended.
    @ivar grown: Rung when there may be more in the spool, and at the end.
    @ivar done: Rung at the end.
    """

    _clock: IReactorTime
    function: str
    key: str | None
    suffix: str
    caller: str
    started: float
    spool: Path
    _ended: Callable[["FunctionCall"], None]
    abort_at: float | None = None
    process: Process | None = field(default=None, init=False)
    launch: Shared[None] | None = field(default=None, init=False)
    aborting: str | None = field(default=None, init=False)
    outcome: Value | Ended | None = field(default=None, init=False)
    grown: Bell = field(factory=Bell, init=False)
    done: Bell = field(factory=Bell, init=False)
    _over: bool = field(default=False, init=False)
    _last: Feedback | None = field(default=None, init=False)
    _own: SpoolReader | None = field(default=None, init=False)

    @property
    def state(self) -> State:
        """
        How far it is.
        """
        match self.outcome:
            case None:
                return State.REGISTERED if self.process is None else State.RUNNING
            case Ended("aborted"):
                return State.ABORTED
            case Ended():
                return State.DIED
        return State.FINISHED

    @property
    def id(self) -> str | None:
        """
        Its function call ID, once it has a process.
        """
        return None if self.process is None else self.process.id

    def begun(self, process: Process) -> None:
        """
        It has a process.
        """
        self.process = process
        self.started = process.started

    def woken(self) -> None:
        """
        See L{gnttwist.noded.processes.Listener.woken}.
        """
        self.grown.ring()

    def exited(self, how: Exit) -> None:
        """
        See L{gnttwist.noded.processes.Listener.exited}.
        """
        self.conclude(_describe(how))

    def conclude(self, without: str) -> None:
        """
        There is no process any more: look for the outcome.

        @param without: What there is to say if no result is found.
        """
        if not self._over:
            self._over = True
            self._seek(SpoolReader(self.spool), without)

    def _seek(self, reader: SpoolReader, without: str) -> None:
        """
        Go to the result; where much feedback comes before it, in several turns of the reactor.
        """
        try:
            feedback = reader.read()
            if feedback:
                self._last = feedback[-1]
            if reader.behind:
                self._clock.callLater(0, self._seek, reader, without)
                return
            found = reader.result()
        except FileNotFoundError:
            found = None
        except (OSError, SpoolCorrupt) as reason:
            found = None
            without = f"{without}; its spool cannot be read: {reason}"
        if found is not None:
            self.end(found)
        elif self.aborting is not None:
            self.end(Ended("aborted", self.aborting))
        else:
            self.end(Ended("died", without))

    def end(self, outcome: Value | Ended) -> None:
        """
        This is how it ended.
        """
        self._over = True
        self.outcome = outcome
        self._own = None
        self._ended(self)
        self.grown.ring()
        self.done.ring()

    async def wait(self, timeout: float) -> None:
        """
        Return when there is an outcome, or after C{timeout} seconds.
        """
        if self.outcome is None and timeout > 0:
            try:
                await self.done.wait().addTimeout(timeout, self._clock)
            except TimeoutError:
                return

    def last_feedback(self) -> Feedback | None:
        """
        The newest feedback; of a long spool, as far as it was read in a few steps.

        @raise OSError: The spool cannot be read.
        @raise SpoolCorrupt: It holds what no function process writes.
        """
        if self.outcome is None and self.process is not None:
            self._own = self._own or SpoolReader(self.spool)
            for each in self._own.read():
                self._last = each
        return self._last


def _describe(how: Exit) -> str:
    match how:
        case Exit(None, int(number)):
            return f"the function process was killed by signal {number}"
        case Exit(int(code), None):
            return f"the function process ended with code {code} and no result"
    return "the function process ended without a result"
