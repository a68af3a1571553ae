"""
The function process: what happens between the fork and the end of the process.

Its descriptors, however it was started: 0 reads nothing, 1 is the spool, 2 is a log, 3 the wake pipe, 4 a file
that holds the arguments. Run as a module it is a function process of its own, for C{spawnProcess}: the one
argument is a L{Call} as JSON.
"""

import fcntl
import gc
import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from inspect import CO_VARARGS
from types import CodeType
from typing import Any, NoReturn

import msgspec
from attrs import define

from gnttwist.functions.registry import Function, FunctionError, signature
from gnttwist.functions.table import functions as all_functions
from gnttwist.launcher import limits
from gnttwist.launcher.protocol import ARGUMENTS_LIMIT, Call
from gnttwist.launcher.records import Begin
from gnttwist.launcher.spool import SpoolFull, SpoolWriter
from gnttwist.paths import Paths
from gnttwist.wire.call_types import WrongArguments, check_types

SPOOL, LOG, WAKE, ARGUMENTS = 1, 2, 3, 4

HIGH = 64
"""
Where the descriptors are kept that a function must not meet: above what programs use by number.
"""

MESSAGE_LIMIT = 8192
"""
Most characters of a text feedback; longer ones are cut. The script lines that they carry are shorter.
"""


@define
class SpoolContext:
    """
    The L{gnttwist.functions.registry.Context} of a function process.
    """

    paths: Paths
    _spool: SpoolWriter
    _full: bool = False

    def feedback(self, type: str, payload: Any) -> None:
        """
        Tell the caller. When the spool has no room for more feedback, it ends with a message that says so.
        """
        if self._full:
            return
        if isinstance(payload, str) and len(payload) > MESSAGE_LIMIT:
            payload = payload[:MESSAGE_LIMIT] + "..."
        try:
            self._spool.feedback(type, payload)
        except SpoolFull as reason:
            self._full = True
            self._spool.last_feedback(f"No more feedback is recorded: {reason}")


def load(table: str | None) -> Mapping[str, Function]:
    """
    The functions that can be called.

    @param table: C{module:name} of a mapping, or C{None} for all of gnttwist's.
    """
    if table is None:
        return all_functions()
    module, _, name = table.partition(":")
    found: Mapping[str, Function] = getattr(import_module(module), name)
    return found


def run(call: Call, paths: Paths, functions: Mapping[str, Function]) -> NoReturn:
    """
    Be the function process, with its descriptors in place, and end with it.
    """
    status = 1
    try:
        status = _run(call, paths, functions)
    except BaseException:  # noqa: BLE001 - the end of the process: there is nobody to raise it to
        traceback.print_exc()
    finally:
        # Without the interpreter's own ending, which takes longer than most functions.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


def _run(call: Call, paths: Paths, functions: Mapping[str, Function]) -> int:
    _limit_collection()
    limits.apply(call.limits)
    spool, wake, arguments = (_aside(each) for each in (SPOOL, WAKE, ARGUMENTS))
    # What a function or a program of its prints is for the log, and cannot damage the spool.
    os.dup2(LOG, SPOOL)
    os.set_blocking(wake, False)

    def wake_up() -> None:
        # A full pipe wakes as well, and without a reader the spool is read later.
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(wake, b"\0")

    writer = SpoolWriter(spool, call.spool_limit, time.time, wake_up)
    id = f"{call.parent}:{os.getpid()}:{call.suffix}"
    writer.begin(Begin(id, call.function, call.key, os.getpid(), call.started))
    success, payload = _outcome(call, SpoolContext(paths, writer), functions, arguments)
    try:
        writer.result(success, payload)
    except (SpoolFull, TypeError, ValueError, OSError, RecursionError) as reason:
        traceback.print_exc()
        writer.result(False, f"Error while executing backend function: its result cannot be told: {reason}")
    return 0


def _outcome(
    call: Call, context: SpoolContext, functions: Mapping[str, Function], arguments: int
) -> tuple[bool, Any]:
    """
    Call the function; whatever it raises becomes a failure that its caller can read.
    """
    try:
        code = functions.get(call.function)
        if code is None:
            raise FunctionError(f"there is no function {call.function}")
        values = _arguments(arguments)
        _check_count(call.function, code, len(values))
        if (known := signature(call.function, code)) is not None:
            check_types(call.function, known.arguments, values)
        return True, code(context, *values)
    except (FunctionError, WrongArguments) as reason:
        return False, str(reason)
    except Exception as reason:  # noqa: BLE001 - the process's outermost level; nothing is awaited
        traceback.print_exc()
        return False, f"Error while executing backend function: {type(reason).__name__}: {reason}"


def _check_count(name: str, code: Function, given: int) -> None:
    """
    @raise FunctionError: C{code} takes fewer or more arguments. Told from its flags: C{inspect} would touch a
        hundred pages of memory that are the launcher's until then, which is a tenth of what a short call costs.
    """
    known: CodeType = getattr(code, "__code__")  # noqa: B009 - not every callable has it, all registered ones do
    most = known.co_argcount - 1
    least = most - len(getattr(code, "__defaults__", None) or ())
    if given < least or (given > most and not known.co_flags & CO_VARARGS):
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise FunctionError(f"wrong arguments for {name}: {given} are given, it takes {wanted}")


def _arguments(descriptor: int) -> Sequence[Any]:
    try:
        values = msgspec.json.decode(os.pread(descriptor, ARGUMENTS_LIMIT, 0))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
        raise FunctionError(f"the arguments are not JSON: {reason}") from reason
    if not isinstance(values, list):
        raise FunctionError("the arguments are not a JSON array")
    return values


def _aside(descriptor: int) -> int:
    """
    Move a descriptor to where neither the function nor the programs that it starts meet it.
    """
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, HIGH)
    if descriptor > LOG:
        os.close(descriptor)
    return moved


def _limit_collection() -> None:
    """
    Keep garbage collection away from short calls, which it would slow by half, and bound it for long ones.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()


def main(arguments: Sequence[str]) -> NoReturn:
    """
    Be the function process of the call that the one argument holds.
    """
    call = msgspec.json.decode(arguments[0], type=Call)
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    run(call, Paths.from_root(None if call.root == "/" else call.root), load(call.table))


if __name__ == "__main__":
    main(sys.argv[1:])
