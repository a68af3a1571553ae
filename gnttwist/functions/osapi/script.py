"""
Runs one OS script: a clean environment, a log, a deadline, and nothing left behind.
"""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from gnttwist.functions.children import die_with, nothing_left
from gnttwist.functions.osapi.output import Output
from gnttwist.functions.registry import FunctionError

LOG_LIMIT = 16 << 20
"""
Most bytes of a log: a debootstrap writes under one megabyte, and a script in a loop must not fill the disk.
"""

DRAIN = 1.0
"""
Seconds to go on reading after the script's end, where something that it started keeps its output open.
"""


@frozen
class Script:
    """
    What to run.

    @ivar title: What messages call it.
    @ivar limit: Seconds that it may take.
    @ivar log: Where its output goes, or C{None}; the directory is made.
    """

    title: str
    command: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    limit: float
    log: Path | None = None

    def run(self, output: Output) -> None:
        """
        Run it to its end.

        It is killed with everything that it started when this process dies or the limit is over.

        @raise FunctionError: It cannot be started, failed, or took too long; the text ends with its last lines.
        """
        log = None if self.log is None else self._open_log(self.log)
        try:
            with nothing_left(), self._start() as process:
                try:
                    self._relay(process, output, log)
                finally:
                    _kill_group(process)
        finally:
            if log is not None:
                os.close(log)
        if process.returncode != 0:
            raise self._failure(_told(process.returncode), output)

    def _start(self) -> "subprocess.Popen[bytes]":
        try:
            return subprocess.Popen(
                self.command,
                cwd=self.directory,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=die_with(os.getpid()),
            )
        except OSError as reason:
            raise FunctionError(f"{self.title} cannot be started: {reason.strerror}") from reason

    def _relay(self, process: "subprocess.Popen[bytes]", output: Output, log: int | None) -> None:
        """
        Pass the output on until the script has ended.
        """
        assert process.stdout is not None, "it was started with a pipe"
        pipe = process.stdout.fileno()
        ended = os.pidfd_open(process.pid)
        running, deadline = True, time.monotonic() + self.limit
        written = 0
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(pipe, selectors.EVENT_READ)
                selector.register(ended, selectors.EVENT_READ)
                while selector.get_map() and (left := deadline - time.monotonic()) > 0:
                    ready = {key.fd for key, _ in selector.select(left)}
                    if pipe in ready:
                        data = os.read(pipe, 65536)
                        if not data:
                            selector.unregister(pipe)
                        output.feed(data, time.monotonic())
                        try:
                            written += _log(log, data[: LOG_LIMIT - written])
                        except OSError as reason:
                            why = f"was ended, for its log cannot be written: {reason.strerror}"
                            raise self._failure(why, output) from reason
                    if ended in ready:
                        # Not reaped yet, so that the process group's number stays its own until it is killed.
                        selector.unregister(ended)
                        running, deadline = False, time.monotonic() + DRAIN
        finally:
            os.close(ended)
        output.end(time.monotonic())
        if running:
            raise self._failure(f"did not end within {self.limit:.0f} s", output)

    def _open_log(self, path: Path) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            return os.open(path, flags, 0o600)
        except OSError as reason:
            raise FunctionError(f"{self.title} was not run: no log {path}: {reason.strerror}") from reason

    def _failure(self, why: str, output: Output) -> FunctionError:
        where = "" if self.log is None else f" (log: {self.log.name})"
        lines = "".join(f"\n{line}" for line in output.tail)
        return FunctionError(f"{self.title} {why}{where}; last lines of its output:{lines}")


def _told(status: int) -> str:
    if status < 0:
        return f"was ended by signal {signal.Signals(-status).name}"
    return f"failed with exit code {status}"


def _log(log: int | None, data: bytes) -> int:
    if log is None:
        return 0
    with memoryview(data) as rest:
        sent = 0
        while sent < len(rest):
            sent += os.write(log, rest[sent:])
    return len(data)


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """
    End the script, if it still runs, and what it left behind in its process group.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
