"""
When a node counts as not answering, and who is told.

A dead machine and a hung daemon look alike: no byte arrives, where a call that runs brings a keepalive every few
seconds.
"""

from types import TracebackType

from attrs import define, field

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gnttwist.jobs.calls import OnSilence

SILENCE = 30.0
"""
Seconds without a byte after which a node is not answering: six of its keepalives.
"""

TOLD_EVERY = 5.0
"""
Seconds between two words about the same silence: often enough for a display of seconds.
"""


@define(eq=False)
class Silence:
    """
    How long a node has said nothing, from the beginning of a call on. A context manager: within it, silences are
    told.

    @ivar limit: Seconds after which it is told, and each of the caller's questions to the node is given up.
    @ivar why: What last went wrong.
    @ivar heard: When the node last said something, by the reactor's clock.
    @ivar _on_silence: Called with the seconds so far and C{why}; with 0 seconds when a silence that was told is over,
        or the call is.
    """

    _clock: IReactorTime
    limit: float = SILENCE
    _on_silence: OnSilence | None = None
    why: str = "nothing arrives"
    heard: float = field(init=False)
    _timer: IDelayedCall | None = field(default=None, init=False)
    _told: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.heard = self._clock.seconds()

    @property
    def seconds(self) -> float:
        """
        How long it lasts.
        """
        return self._clock.seconds() - self.heard

    def broken(self) -> None:
        """
        The node has said something.
        """
        self.heard = self._clock.seconds()
        if self._told and self._on_silence is not None:
            self._told = False
            self._on_silence(0.0, "")

    def __enter__(self) -> None:
        if self._on_silence is not None:
            self._timer = self._clock.callLater(self.limit, self._look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self.broken()

    def _look(self) -> None:
        left = self.limit - self.seconds
        if left <= 0 and self._on_silence is not None:
            self._told = True
            self._on_silence(self.seconds, self.why)
        self._timer = self._clock.callLater(left if left > 0 else TOLD_EVERY, self._look)
