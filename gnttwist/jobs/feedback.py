"""
What becomes of a running call's feedback.
"""

from collections.abc import Callable
from typing import Any

from attrs import define, field

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from gnttwist.jobs.calls import Feedback
from gnttwist.jobs.execution import Execution, Origin
from gnttwist.jobs.live import Progress

LINE_INTERVAL = 1.0
"""
Seconds between two lines of one call, by default.
"""

OnFeedback = Callable[[Feedback], None]


@define(eq=False)
class Forwarding:
    """
    Hands a call's feedback to whom it concerns, each message once.

    @ivar _custom: The unit's own callback; by default messages are logged, one a second at most, and progress is
        shown.
    @ivar _seen: The last serial that was handed on.
    """

    _log = Logger()
    _execution: Execution
    _clock: IReactorTime
    _step: str
    _key: str | None
    _custom: OnFeedback | None
    _seen: int
    _kept: Feedback | None = None
    _left_out: int = 0
    _timer: IDelayedCall | None = None
    _closed: bool = field(default=False)

    def receive(self, feedback: Feedback) -> None:
        """
        Take one message.
        """
        if self._closed or feedback.serial <= self._seen:
            return
        self._seen = feedback.serial
        if self._custom is not None:
            self._forward(feedback, self._custom)
        elif feedback.type == "progress":
            self._progress(feedback.payload)
        elif feedback.type == "message":
            self._message(feedback)
        else:
            self._forward(feedback, self._other)

    def close(self) -> None:
        """
        The call has ended: log what was kept back.
        """
        self._flush()
        self.abandon()

    def abandon(self) -> None:
        """
        Forget what was kept back.
        """
        self._closed = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _forward(self, feedback: Feedback, callback: OnFeedback) -> None:
        origin = Origin(self._step, self._key, feedback.serial)
        with self._log.failuresHandled("feedback of {step} of job {job}", step=self._step, job=self._job):
            self._execution.forwarding(origin, lambda: callback(feedback))

    @property
    def _job(self) -> int:
        return self._execution.live.id

    def _line(self, text: str) -> None:
        self._execution.line(lambda: self._step, text)

    def _other(self, feedback: Feedback) -> None:
        self._execution.line(lambda: self._step, feedback.payload, feedback.type)

    def _message(self, feedback: Feedback) -> None:
        if self._timer is not None and self._timer.active():
            self._left_out += self._kept is not None
            self._kept = feedback
            return
        self._timer = self._clock.callLater(LINE_INTERVAL, self._flush)
        self._forward(feedback, lambda each: self._line(str(each.payload)))

    def _flush(self) -> None:
        kept, self._kept = self._kept, None
        count, self._left_out = self._left_out, 0
        if kept is None:
            return
        note = f" [{count} lines before it left out]" if count else ""
        self._timer = self._clock.callLater(LINE_INTERVAL, self._flush)
        self._forward(kept, lambda each: self._line(f"{each.payload}{note}"))

    def _progress(self, payload: Any) -> None:
        match payload:
            case {"done": int() | float() as done, "total": int() | float() | None as total}:
                what, unit = str(payload.get("what") or ""), str(payload.get("unit") or "")
                self._execution.progress(what, Progress(done, total, unit))
            case _:
                self._log.debug("progress of {step} is not understood", step=self._step)
