"""
A job's log in memory: serials are given here, once, and its size is bounded here. Pure.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from gnttwist.model.job import LogEntry, Timestamp

PREFIX = "/jobs/log/"

MAX_LINES = 5000
"""
How many lines a job keeps. At 200 bytes a line that is a megabyte; who writes more has a log file of its own.
"""

MAX_TEXT = 8000
"""
How long a line may be, in characters: more than a terminal shows at once.
"""


def log_key(job: int, serial: int) -> str:
    """
    The store key of a line.
    """
    return f"{log_prefix(job)}{serial:010d}"


def log_prefix(job: int) -> str:
    """
    What the store keys of a job's lines begin with.
    """
    return f"{PREFIX}{job:020d}/"


class JobLog:
    """
    The lines of one job. Serials have no gaps: a line's serial is its place.

    @ivar lines: All lines, in order.
    @ivar left_out: How many lines were not kept since L{own_up}.
    """

    def __init__(self, lines: Iterable[LogEntry] = ()) -> None:
        self.lines = list(lines)
        self.left_out = 0
        self._steps = {each.step for each in self.lines if each.step}
        self._seen: dict[str, int] = {}
        for each in self.lines:
            self._note_call(each.call)

    def _note_call(self, call: tuple[str, int] | None) -> None:
        if call is not None:
            key, serial = call
            self._seen[key] = max(serial, self._seen.get(key, 0))

    def seen(self, key: str) -> int:
        """
        The serial of the last feedback of a call that has been forwarded; 0 if none was.
        """
        return self._seen.get(key, 0)

    def close(self) -> None:
        """
        The job has ended: forget what only a replay needs.
        """
        self._steps.clear()
        self._seen.clear()

    def add(
        self,
        time: Timestamp,
        payload: Any,
        *,
        op: int,
        type: str = "message",
        step: str = "",
        call: tuple[str, int] | None = None,
    ) -> LogEntry | None:
        """
        Add a line.

        @param step: The step that writes it; it writes once.
        @return: The line, to be stored; C{None} where it was there already, or is left out.
        """
        if step and step in self._steps:
            return None
        if len(self.lines) >= MAX_LINES:
            self.left_out += 1
            return None
        return self._append(time, payload, op, type, step, call)

    def own_up(self, time: Timestamp, op: int) -> LogEntry | None:
        """
        Add the line that says how much was left out, if anything was.
        """
        count, self.left_out = self.left_out, 0
        if not count:
            return None
        text = f"{count} more lines were left out: a job's log holds {MAX_LINES}"
        return self._append(time, text, op, "message", f"{op}/left-out", None)

    def _append(
        self, time: Timestamp, payload: Any, op: int, type: str, step: str, call: tuple[str, int] | None
    ) -> LogEntry:
        entry = LogEntry(
            serial=len(self.lines) + 1,
            time=time,
            type=type,
            payload=_short(payload),
            op=op,
            step=step,
            call=call,
        )
        self.lines.append(entry)
        self._note_call(call)
        if step:
            self._steps.add(step)
        return entry


def _short(payload: Any) -> Any:
    if isinstance(payload, str):
        return payload if len(payload) <= MAX_TEXT else payload[:MAX_TEXT] + " [...]"
    size = len(msgspec.json.encode(payload))
    return payload if size <= MAX_TEXT else {"left_out": size}
