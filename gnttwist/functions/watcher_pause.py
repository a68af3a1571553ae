"""
Until when a node's watcher keeps still.
"""

from contextlib import suppress
from typing import Any

from gnttwist.functions import arguments, files
from gnttwist.functions.registry import Context, FunctionError, function
from gnttwist.functions.uploads import mode_of, owner_of


@function("get_watcher_pause")
def get_watcher_pause(context: Context) -> int | None:
    """
    Tell until when the watcher keeps still, in seconds since the epoch; null where it does not. It may be over.
    """
    with suppress(FileNotFoundError, ValueError, OverflowError):
        return int(float(context.paths.watcher_pause.read_text()))
    return None


@function("set_watcher_pause")
def set_watcher_pause(context: Context, until: Any) -> None:
    """
    Keep the watcher still, or let it go on; where it is not paused that is fine.

    @param until: Seconds since the epoch; null ends a pause.
    """
    wanted = None if until is None else arguments.shaped(float, until, "time")
    file = context.paths.watcher_pause
    try:
        if wanted is None:
            file.unlink(missing_ok=True)
        else:
            content = b"%d\n" % int(wanted)
            files.replace(file, content, mode=mode_of(context, file), owner=owner_of(context, file))
    except (OSError, OverflowError, ValueError) as reason:
        raise FunctionError(f"The watcher's pause cannot be changed: {reason}") from reason
