"""
Calls that have nothing to do, which are answered without a process and without a record.

Every operation asks its nodes for hooks, and most nodes have none: a process for each of these calls would be most of
what a short operation takes.
"""

import os
import re
from pathlib import Path
from typing import Any

import msgspec
from attrs import frozen

NO_HOOKS = b"[true,[]]"
"""
What C{hooks_runner} returns where there are no hooks.
"""

HOOKS_PATH = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@frozen
class Vacant:
    """
    Knows what a call would return that has nothing to do.

    @ivar hooks: The directory of the hooks' directories.
    """

    hooks: Path

    def __call__(self, function: str, arguments: bytes) -> bytes | None:
        """
        @param arguments: A JSON array.
        @return: The return value as JSON; C{None} for calls that need a process, also to refuse them.
        """
        if function != "hooks_runner":
            return None
        match _decoded(arguments):
            case [str(path), "pre" | "post" as phase, dict()] if HOOKS_PATH.fullmatch(path):
                return NO_HOOKS if _empty(self.hooks / f"{path}-{phase}.d") else None
        return None


def _decoded(arguments: bytes) -> Any:
    try:
        return msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return None


def _empty(directory: Path) -> bool:
    """
    Whether a directory has nothing in it or is not there. One that this user may not read has something.
    """
    try:
        with os.scandir(directory) as entries:
            return next(entries, None) is None
    except FileNotFoundError:
        return True
    except OSError:
        return False
