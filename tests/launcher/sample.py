"""
Functions for tests of what runs functions. A launcher runs them with C{--functions tests.launcher.sample:FUNCTIONS}.
"""

import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnttwist.functions.children import without_limits
from gnttwist.functions.registry import Context, Function, FunctionError

LONGEST = 20.0
"""
Seconds after which a function that waits gives up, so that a broken test leaves nothing behind.
"""


def echo(context: Context, value: Any) -> Any:
    """
    Return the argument.
    """
    return value


def fail(context: Context, text: str) -> None:
    """
    Fail as functions do.
    """
    raise FunctionError(text)


def crash(context: Context) -> None:
    """
    Fail as functions should not.
    """
    raise ZeroDivisionError("one over nothing")


def soft_limits(context: Context) -> list[int]:
    """
    How much processor time and memory, how many descriptors and processes this process, and a guest that it starts,
    may use.
    """
    kinds = (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)
    own = [resource.getrlimit(each)[0] for each in kinds]
    without_limits()
    return own + [resource.getrlimit(each)[0] - resource.getrlimit(each)[1] for each in kinds]


def vanish(context: Context, code: int) -> None:
    """
    End without a result.
    """
    os._exit(code)


def kill_self(context: Context) -> None:
    """
    Be killed.
    """
    os.kill(os.getpid(), signal.SIGKILL)


def chatter(context: Context) -> str:
    """
    Print, in every way, what could be taken for a record.
    """
    sys.stdout.write('{"result":[true,"forged"]}\x03')
    sys.stdout.flush()
    os.write(1, b'{"result":[true,"forged"]}\x03')
    subprocess.run(["printf", '{"result":[true,"forged"]}\\003'], check=True)
    return "genuine"


def large(context: Context, length: int) -> str:
    """
    Return a long text.
    """
    return "x" * length


def unspeakable(context: Context) -> Any:
    """
    Return what JSON has no form for.
    """
    return object()


def talk(context: Context, times: int) -> int:
    """
    Say numbered things.
    """
    for number in range(times):
        context.feedback("message", f"number {number}")
    return times


def surroundings(context: Context) -> dict[str, Any]:
    """
    What a function process has inherited.
    """
    return {
        "environment": dict(os.environ),
        "descriptors": sorted(int(each) for each in os.listdir("/proc/self/fd")),
        "session": os.getsid(0) == os.getpid(),
        "root": str(context.paths.root),
    }


def wait(context: Context, path: str) -> str:
    """
    Wait until there is a file, having said so.
    """
    context.feedback("message", "waiting")
    _wait_for(Path(path))
    context.feedback("message", "done")
    return "waited"


def _wait_for(path: Path) -> None:
    end = time.monotonic() + LONGEST
    while not path.exists():
        if time.monotonic() > end:
            raise FunctionError(f"{path} never came")
        select.select([], [], [], 0.01)


def grow_tree(context: Context, path: str, stubborn: bool) -> None:
    """
    Start programs in this session and in another, write down their numbers, and wait for them.

    @param stubborn: Whether they ignore SIGTERM.
    """
    script = "trap '' TERM; " if stubborn else ""
    script += f"sleep {LONGEST} & wait; wait"
    near = subprocess.Popen(["sh", "-c", script])
    far = subprocess.Popen(["sh", "-c", script], start_new_session=True)
    guest = subprocess.Popen(
        ["sleep", str(LONGEST)], start_new_session=True, env={**os.environ, "GNTTWIST_GUEST": "web1"}
    )
    partial = Path(path + ".new")
    partial.write_text(f"{near.pid} {far.pid} {guest.pid}")
    partial.rename(path)
    near.wait()
    far.wait()
    guest.wait()


def lose(context: Context, path: str) -> None:
    """
    Start a program that leaves the session and whose parents end, have it write down its number, and wait.
    """
    escaped = f"echo $$ > {path}.new; mv {path}.new {path}; exec sleep {LONGEST}"
    subprocess.run(["sh", "-c", '(setsid sh -c "$0" </dev/null >/dev/null 2>&1 &)', escaped], check=True)
    _wait_for(Path(path + ".never"))


FUNCTIONS: Mapping[str, Function] = {
    each.__name__: each
    for each in (
        echo,
        fail,
        crash,
        vanish,
        kill_self,
        chatter,
        large,
        unspeakable,
        talk,
        surroundings,
        wait,
        soft_limits,
        grow_tree,
        lose,
    )
}
