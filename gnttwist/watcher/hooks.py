"""
The watcher's hooks: every program in C{hooks/watcher}, on every node, each time.
"""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from gnttwist.paths import Paths

NAME = re.compile(r"[A-Za-z0-9_-]+")
LIMIT = 300.0
"""
Seconds that one may take; Ganeti waits for ever, and the watcher with it.
"""


def run_hooks(paths: Paths, warn: Callable[[str], None]) -> None:
    """
    Run them in the order of their names, with this process's environment.

    @param warn: Is told of those that fail.
    """
    directory = paths.etc / "hooks" / "watcher"
    if directory.is_dir():
        for each in sorted(directory.iterdir(), key=lambda each: os.fsencode(each.name)):
            if NAME.fullmatch(each.name) and each.is_file() and os.access(each, os.X_OK):
                _run(each, warn)


def _run(program: Path, warn: Callable[[str], None]) -> None:
    try:
        ran = subprocess.run(
            [str(program)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as reason:
        warn(f"Watcher hook {program.name} could not be run: {reason}")
        return
    if ran.returncode:
        output = ran.stdout[:2000].decode("utf-8", "replace").strip()
        warn(f"Watcher hook {program.name} failed with status {ran.returncode}; output: {output or '(none)'}")
