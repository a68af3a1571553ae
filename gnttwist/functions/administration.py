"""
Functions that run the administrator's own programs on a node: hooks and restricted commands (reference: OS
interface and hooks, section 9.4; node daemon RPC, section 4.5).
"""

import re
import select
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnttwist.functions import files, programs
from gnttwist.functions.arguments import name, shaped, text
from gnttwist.functions.registry import Context, FunctionError, function

PHASES = ("pre", "post")
SKIPPED, FAILED, SUCCEEDED = 0, 1, 2
"""
Ganeti's results of one hook.
"""

HOOKS_PATH = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
VARIABLE = re.compile(r"GANETI_[A-Za-z0-9_.-]{1,250}")
"""
Names of hooks' variables: all of Ganeti's begin so. Others, such as LD_PRELOAD, would run the caller's code as root.
A node's name may be part of one.
"""
DATA_DIRECTORY = "GANETI_DATA_DIR"
HOOK = re.compile(r"[A-Za-z0-9_-]+")

VARIABLES_LIMIT = 1024 * 1024
"""
Most characters of a hook's environment: half of what the kernel takes with the program's arguments.
"""

REFUSAL_DELAY = 10.0
"""
Seconds before a restricted command's refusal is answered, so that names cannot be guessed: Ganeti's.
"""

LOCK_WAIT = 10.0
"""
Seconds to wait while another restricted command runs on this node: Ganeti's.
"""


@function("hooks_runner")
def hooks_runner(context: Context, hpath: Any, phase: Any, env: Any) -> list[list[Any]]:
    """
    Run the hooks of a kind of operation, in the order of their names.

    @param hpath: The kind, such as C{instance-add}.
    @param phase: C{pre} or C{post}.
    @param env: Their environment, all of it but C{PATH}.
    @return: For each entry of the directory its name, 0, 1 or 2 for skipped, failed and succeeded, and its output.
    """
    if not isinstance(hpath, str) or not HOOKS_PATH.fullmatch(hpath):
        raise FunctionError(f"Invalid hooks path: {hpath!r}")
    if phase not in PHASES:
        raise FunctionError(f"Unknown hooks phase: {phase!r}")
    variables = {**_variables(env)}
    if DATA_DIRECTORY in variables:
        variables[DATA_DIRECTORY] = str(context.paths.data)
    kind = f"{hpath}-{phase}.d"
    directory = context.paths.etc / "hooks" / kind
    try:
        entries = sorted(directory.iterdir(), key=lambda each: each.name.encode("utf-8", "surrogateescape"))
    except FileNotFoundError:
        return []
    except OSError as reason:
        raise FunctionError(f"{directory} cannot be read: {reason.strerror}") from reason
    return [[f"{kind}/{each.name}", *_hook(each, variables)] for each in entries]


def _variables(env: Any) -> Mapping[str, str]:
    found = shaped(dict[str, str], env, "hooks environment")
    for key, value in found.items():
        if key != "PATH" and not VARIABLE.fullmatch(key):
            raise FunctionError(f"Invalid variable name: {key!r}")
        text(value, f"value of {key}")
    if sum(len(key) + len(value) for key, value in found.items()) > VARIABLES_LIMIT:
        raise FunctionError(f"Invalid hooks environment: over {VARIABLES_LIMIT} characters")
    # Ours is the same, and whoever sets it chooses the programs that root runs.
    return {key: value for key, value in found.items() if key != "PATH"}


def _hook(path: Path, variables: Mapping[str, str]) -> tuple[int, str]:
    if not HOOK.fullmatch(path.name) or not programs.is_executable(path):
        return SKIPPED, ""
    try:
        ran = programs.run(path, variables)
    except FunctionError as reason:
        return FAILED, str(reason)
    return (FAILED if ran.status else SUCCEEDED), ran.output


@function("restricted_command")
def restricted_command(context: Context, cmd: Any) -> str:
    """
    Run one of the programs that the administrator has put into C{restricted-commands} of the configuration's
    directory, one at a time. Nothing of it may be another user's or writable by others.

    @param cmd: Its name.
    @return: What it printed.
    """
    directory = context.paths.etc / "restricted-commands"
    try:
        path = directory / name(cmd, "command")
        with files.locked(context.paths.lock / "ganeti-restricted-commands.lock", LOCK_WAIT):
            for each in (directory, path):
                programs.check_safe(each)
            if path.is_symlink() or not programs.is_executable(path):
                raise FunctionError(f"{path} is not an executable file")
            ran = programs.run(path, {})
    except FunctionError:
        select.select([], [], [], REFUSAL_DELAY)
        raise
    if ran.status:
        raise FunctionError(f"Command {path.name} failed with status {ran.status}; output: {ran.output}")
    return ran.output
