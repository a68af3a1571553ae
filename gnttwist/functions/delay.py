"""
C{version} and C{test_delay}: the functions that need nothing of the node.
"""

import select
import time
from typing import Any

from gnttwist.functions.registry import Context, FunctionError, function

PROTOCOL_VERSION = 3000000
"""
What C{version} answers: Ganeti 3.0's configuration version, which its masters compare with their own.
"""

LONGEST = 86400.0
"""
Longest delay in seconds: the function's own time limit.
"""

FEEDBACK_EVERY = 0.5
"""
Seconds between two progress messages: often enough for a bar to move.
"""


@function("version")
def version(context: Context) -> int:
    """
    The version of the node's protocol.
    """
    return PROTOCOL_VERSION


@function("test_delay")
def test_delay(context: Context, duration: Any) -> None:
    """
    Wait, telling of progress.

    @param duration: Seconds.
    """
    if isinstance(duration, bool) or not isinstance(duration, int | float) or not 0 <= duration <= LONGEST:
        raise FunctionError(f"Invalid sleep duration: {duration!r}")
    begin = time.monotonic()
    while (done := time.monotonic() - begin) < duration:
        if duration > FEEDBACK_EVERY:
            progress = {"what": "waiting", "done": round(done, 1), "total": duration, "unit": "s"}
            context.feedback("progress", progress)
        select.select([], [], [], min(FEEDBACK_EVERY, duration - done))
