"""
The function that runs the administrator's allocators: programs that choose nodes for instances (reference: node
daemon RPC, section 4.8).
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnttwist.functions import programs
from gnttwist.functions.arguments import name as checked_name
from gnttwist.functions.arguments import shaped, text
from gnttwist.functions.children import die_with
from gnttwist.functions.registry import Context, FunctionError, function

OUTPUT_LIMIT = 16 * 1024 * 1024
"""
Most bytes that an allocator may answer: moving each of 10,000 instances takes some hundred bytes.
"""

_OPTION = re.compile(r"[a-z][a-z0-9-]{0,63}")


@function("iallocator_runner")
def iallocator_runner(context: Context, name: Any, idata: Any, default_iallocator_params: Any) -> str:
    """
    Give an allocator the state of the cluster and a request, as a file, and take what it prints.

    @param name: The program's.
    @param idata: The state and the request, as JSON text.
    @param default_iallocator_params: Options for it; a value of C{None} is an option without one.
    @return: What it printed.
    """
    program = _find(context, checked_name(name, "allocator"))
    options = _options(default_iallocator_params)
    if not isinstance(idata, str):
        raise FunctionError("Invalid allocator input: it is not text")
    with tempfile.NamedTemporaryFile("w", prefix="ganeti-iallocator.", encoding="utf-8") as document:
        document.write(idata)
        document.flush()
        return _run(program, [document.name, *options])


def _find(context: Context, wanted: str) -> Path:
    for directory in context.paths.iallocator_directories:
        path = directory / wanted
        if path.is_file():
            if not programs.is_executable(path):
                raise FunctionError(f"Allocator {path} is not executable")
            return path
    looked = ", ".join(str(context.paths.canonical(each)) for each in context.paths.iallocator_directories)
    raise FunctionError(f"There is no allocator {wanted} in {looked}")


def _options(given: Any) -> list[str]:
    found: Mapping[str, Any] = shaped(dict[str, Any], given, "allocator parameters")
    options = []
    for each, value in found.items():
        if not _OPTION.fullmatch(each):
            raise FunctionError(f"Invalid allocator parameter: {each!r:.60}")
        options.append(f"--{each}" if value is None else f"--{each}={text(value, each)}")
    return options


def _run(program: Path, arguments: list[str]) -> str:
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                [str(program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={"PATH": programs.PATH, "LC_ALL": "C.UTF-8"},
                cwd="/",
                preexec_fn=die_with(os.getpid()),
            )
        except (OSError, ValueError) as reason:
            raise FunctionError(f"Allocator {program.name} cannot be started: {reason}") from reason
        assert process.stdout is not None, "opened with a pipe"
        with process.stdout as pipe:
            output = pipe.read(OUTPUT_LIMIT + 1)
            if len(output) > OUTPUT_LIMIT:
                process.kill()
                process.wait()
                raise FunctionError(f"Allocator {program.name} prints more than {OUTPUT_LIMIT} bytes")
        status = process.wait()
        errors.seek(0)
        complaint = errors.read(4096).decode("utf-8", "replace").strip()
    if status:
        printed = output[:4096].decode("utf-8", "replace").strip()
        raise FunctionError(
            f"Allocator {program.name} failed with status {status}; output: {complaint or printed or '(none)'}"
        )
    try:
        return output.decode()
    except UnicodeDecodeError as reason:
        raise FunctionError(f"Allocator {program.name} prints what is not text") from reason
