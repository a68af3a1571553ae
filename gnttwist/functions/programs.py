"""
Short programs of the administrator's: run with a clean environment, their output bounded.
"""

import os
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from gnttwist.functions.children import die_with
from gnttwist.functions.registry import FunctionError

PATH = "/sbin:/bin:/usr/sbin:/usr/bin"
"""
Ganeti's for hooks.
"""

OUTPUT_LIMIT = 256 * 1024
"""
Most bytes kept of what a program prints: it becomes part of a job's log. The rest is read and dropped, lest the
program waits for ever.
"""

WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@frozen
class Ran:
    """
    What became of a program.

    @ivar status: Its exit code, or the negative number of the signal that killed it.
    @ivar output: What it printed on both channels, without white space at its ends and unprintable characters.
    """

    status: int
    output: str


def run(program: Path, environment: Mapping[str, str], arguments: Sequence[str] = ()) -> Ran:
    """
    Run a program without input, to its end: the call's own limit bounds the time. It is
    killed if this process ends before it does.

    @raise FunctionError: It cannot be started.
    """
    try:
        process = subprocess.Popen(
            [str(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": PATH, **environment},
            cwd="/",
            preexec_fn=die_with(os.getpid()),
        )
    except (OSError, ValueError) as reason:
        raise FunctionError(f"{program.name} cannot be started: {reason}") from reason
    assert process.stdout is not None, "opened with a pipe"
    output = b""
    with process.stdout as pipe:
        while data := os.read(pipe.fileno(), 65536):
            output += data[: OUTPUT_LIMIT - len(output)]
    text = output.decode("utf-8", "replace")
    shown = "".join(each if each.isprintable() or each in "\t\n" else "?" for each in text)
    return Ran(process.wait(), shown.strip())


def is_executable(path: Path) -> bool:
    """
    Whether a path is a file that this process may execute.
    """
    return path.is_file() and os.access(path, os.X_OK)


def check_safe(path: Path) -> None:
    """
    @raise FunctionError: Somebody else than root and this user could change what is there.
    """
    try:
        found = path.lstat()
    except OSError as reason:
        raise FunctionError(f"{path} cannot be used: {reason.strerror}") from reason
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & WRITABLE_BY_OTHERS:
        raise FunctionError(f"{path} belongs to others, or others may write to it")
