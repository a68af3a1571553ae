"""
Functions whose effects can be counted, for tests of gnt-noded. Their names are those of real ones, as the daemon
knows no others.
"""

import os
import select
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnttwist.functions.registry import Context, Function, FunctionError


def count(context: Context, directory: str, name: str, seconds: float = 0, feedback: int = 0) -> str:
    """
    Leave a trace of having run, take a while, talk meanwhile.
    """
    with open(Path(directory) / name, "a") as file:
        file.write(f"{os.getpid()}\n")
    for number in range(feedback):
        context.feedback("message", f"{name} {number}")
        select.select([], [], [], seconds / feedback)
    if not feedback:
        select.select([], [], [], seconds)
    return name


def large(context: Context, size: int) -> str:
    """
    Return a long text.
    """
    return "x" * size


def fail(context: Context, text: str) -> None:
    """
    Fail as functions do.
    """
    raise FunctionError(text)


def stubborn(context: Context, flag: str) -> None:
    """
    Take no notice of SIGTERM.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(flag).touch()
    select.select([], [], [], 20)


def answer(context: Context) -> Any:
    """
    What is always right.
    """
    return 42


FUNCTIONS: Mapping[str, Function] = {
    "test_delay": count,
    "blockdev_find": large,
    "blockdev_remove": fail,
    "blockdev_create": stubborn,
    "version": answer,
}
