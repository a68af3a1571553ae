"""
Starts a guest's QEMU so that it outlives the call, and hears whether it began well.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from gnttwist.functions.children import without_limits
from gnttwist.functions.hypervisor.kvm import sockets
from gnttwist.functions.hypervisor.kvm.monitor import Monitor, MonitorError
from gnttwist.functions.registry import GUEST_MARK, FunctionError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

PATIENCE = 30.0
"""
Seconds for QEMU to open its monitor: it takes 0.1 s, and longer where it has to fill much memory first.
"""

LOOK_EVERY = 0.02
"""
Seconds between two looks for the monitor.
"""

END_WAIT = 1.0
"""
Seconds for QEMU to end after it has closed its monitor.
"""

TAIL = 4096
"""
Bytes of QEMU's last words in an error.
"""


@frozen
class Launch:
    """
    What to start.

    @ivar words: The command line.
    @ivar directory: Where it is run.
    @ivar log: What it writes goes to the end of this file.
    @ivar qmp: Its machine monitor.
    @ivar inherited: Descriptors of locks that it has as long as it is there.
    @ivar group: A descriptor by which it joins its control group, or C{None}.
    """

    name: str
    words: Sequence[str]
    directory: Path
    log: Path
    qmp: Path
    inherited: Sequence[int]
    group: int | None = None

    def run(self) -> None:
        """
        Start it, and wait until its monitor answers. It runs on when this process ends, at whatever instruction.

        @raise FunctionError: It ended, or its monitor does not answer and it was ended; the text has what it said.
        """
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        try:
            begun = os.fstat(log).st_size
            process = self._start(log)
        finally:
            os.close(log)
        try:
            self._hear(process)
        except MonitorError as reason:
            process.kill()
            process.wait()
            raise FunctionError(f"{reason}{self._said(begun)}") from reason
        # It is not waited for, which is all that the library would warn of.
        process.returncode = 0

    def _start(self, log: int) -> "subprocess.Popen[bytes]":
        try:
            return subprocess.Popen(
                self.words,
                cwd=self.directory,
                env={"PATH": PATH, GUEST_MARK: self.name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=tuple(self.inherited),
                preexec_fn=self._join,
            )
        except (OSError, subprocess.SubprocessError) as reason:
            raise FunctionError(f"{self.words[0]} cannot be started: {reason}") from reason

    def _join(self) -> None:
        """
        In the new process: enter the control group, before QEMU has any thread or memory, and leave the limits of
        the call behind.
        """
        without_limits()
        if self.group is not None:
            os.write(self.group, b"0")

    def _hear(self, process: "subprocess.Popen[bytes]") -> None:
        """
        Wait until it has set up all of its devices, and serves its monitor.

        @raise MonitorError: It ended, or took too long.
        """
        deadline = time.monotonic() + PATIENCE
        try:
            with self._connected(process, deadline) as connected:
                Monitor(connected).begin(max(0, deadline - time.monotonic()))
        except MonitorError as reason:
            # Its sockets close a moment before it ends, and its end says more.
            if _ended(process, END_WAIT):
                raise MonitorError(_told(process.returncode)) from reason
            raise

    def _connected(self, process: "subprocess.Popen[bytes]", deadline: float) -> socket.socket:
        while not _ended(process, LOOK_EVERY):
            left = deadline - time.monotonic()
            if left <= 0:
                raise MonitorError(f"QEMU has not opened its monitor within {PATIENCE:.0f} s")
            # Not there yet, or not listening yet.
            with suppress(FileNotFoundError, ConnectionRefusedError):
                return sockets.connect(self.qmp, left)
        raise MonitorError(_told(process.returncode))

    def _said(self, begun: int) -> str:
        """
        What it has written to its log since C{begun}.
        """
        with self.log.open("rb") as file:
            file.seek(max(begun, file.seek(0, os.SEEK_END) - TAIL))
            text = file.read(TAIL).decode("utf-8", "replace").strip()
        return f": {text}" if text else f"; it said nothing (log: {self.log.name})"


def _ended(process: "subprocess.Popen[bytes]", timeout: float) -> bool:
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        return False
    return True


def _told(status: int) -> str:
    if status < 0:
        return f"QEMU was ended by signal {signal.Signals(-status).name}"
    return f"QEMU ended at its start, with exit code {status}"
