"""
A script's output: cut into lines, the last ones kept, and told to the caller as it comes. Pure.

A line C{progress: DONE/TOTAL UNIT WHAT} becomes a progress message, any other line a message of text. Scripts can
write faster than anybody reads, so lines beyond a rate are counted instead of told; the log has all of them.
"""

import re
from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import define, field

LINE_LIMIT = 1000
"""
Most characters of a line that is told; a terminal shows fewer.
"""

TAIL = 20
"""
Lines kept for the error message of a failed script, as in Ganeti.
"""

LINES_A_SECOND = 10
"""
Lines told at most: as many as a reader can follow, and half a million in the longest call.
"""

PROGRESS_EVERY = 0.2
"""
Seconds between two progress messages, at least: enough for a bar to move smoothly.
"""

_PROGRESS = re.compile(r"progress:\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)(?:\s+(\S+))?(?:\s+(.*))?")


@define
class Output:
    """
    Reads a script's output.

    @ivar tail: The last lines.
    """

    _feedback: Callable[[str, Any], None]
    tail: "deque[str]" = field(factory=lambda: deque(maxlen=TAIL))
    _rest: bytes = b""
    _second: float = float("-inf")
    _told: int = 0
    _left_out: int = 0
    _last_progress: float = float("-inf")

    def feed(self, data: bytes, now: float) -> None:
        """
        Take some more output.

        @param now: Seconds of any clock that does not jump.
        """
        *lines, rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._line(line, now)
        # What is longer than any told line need not be kept whole: the log has it.
        self._rest = rest[: LINE_LIMIT * 4]

    def end(self, now: float) -> None:
        """
        Take the last line, which may lack its end, and tell how much was left out.
        """
        rest, self._rest = self._rest, b""
        self._line(rest, now)
        self._tell_left_out()

    def _line(self, raw: bytes, now: float) -> None:
        line = raw.decode("utf-8", "replace").rstrip()[:LINE_LIMIT]
        line = "".join(each if each.isprintable() or each == "\t" else "?" for each in line)
        if not line:
            return
        progress = _PROGRESS.fullmatch(line)
        if progress:
            self._progress(progress, now)
            return
        self.tail.append(line)
        if now - self._second >= 1:
            self._second, self._told = now, 0
            self._tell_left_out()
        self._told += 1
        if self._told <= LINES_A_SECOND:
            self._feedback("message", line)
        else:
            self._left_out += 1

    def _progress(self, found: "re.Match[str]", now: float) -> None:
        done, total = float(found[1]), float(found[2])
        if done < total and now - self._last_progress < PROGRESS_EVERY:
            return
        self._last_progress = now
        self._feedback(
            "progress",
            {"what": found[4] or "OS installation", "done": done, "total": total, "unit": found[3] or ""},
        )

    def _tell_left_out(self) -> None:
        if self._left_out:
            self._feedback("message", f"({self._left_out} more lines, see the log)")
            self._left_out = 0
