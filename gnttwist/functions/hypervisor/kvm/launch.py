"""
Starts a guest's QEMU so that it outlives the call, and hears whether it began well.
"""

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from attrs import define, frozen

from gnttwist.functions.children import adopt, without_limits
from gnttwist.functions.hypervisor.kvm import namespaces, sockets
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


@define(eq=False)
class Child:
    """
    A QEMU that was just started, a child of this process.
    """

    _pid: int
    _descriptor: int
    _status: int | None = None

    @classmethod
    def of(cls, process: "subprocess.Popen[bytes]") -> "Child":
        """
        One that the library has started; only this object waits for it from now on.
        """
        process.returncode = 0
        return cls.open(process.pid)

    @classmethod
    def open(cls, pid: int) -> "Child":
        """
        A child by its number, which is its own as long as nobody has waited for it.
        """
        return cls(pid, os.pidfd_open(pid))

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *details: object) -> None:
        os.close(self._descriptor)

    def ended(self, timeout: float) -> bool:
        """
        Wait some seconds for its end.

        @return: Whether it has come.
        """
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if self._status is None and poll.poll(timeout * 1000):
            self._status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self._status is not None

    def end(self) -> None:
        """
        Kill it, and wait for its end.
        """
        if self._status is None:
            signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
            self._status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    @property
    def told(self) -> str:
        """
        How it has ended, in words.
        """
        if self._status is not None and self._status < 0:
            return f"QEMU was ended by signal {signal.Signals(-self._status).name}"
        return f"QEMU ended at its start, with exit code {self._status}"


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
    @ivar apart: The pid file of a guest that has namespaces of its own, which is written for it; else C{None}.
    """

    name: str
    words: Sequence[str]
    directory: Path
    log: Path
    qmp: Path
    inherited: Sequence[int]
    group: int | None = None
    apart: Path | None = None

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
        with process:
            try:
                self._hear(process)
            except MonitorError as reason:
                process.end()
                raise FunctionError(f"{reason}{self._said(begun)}") from reason

    def _start(self, log: int) -> Child:
        # One that goes into namespaces of its own leaves its first process, and comes back to its starter.
        adopt(self.apart is not None)
        try:
            first = self._spawn(log)
            if self.apart is None:
                return Child.of(first)
            first.wait()
            return Child.open(int(self.apart.read_text()))
        except (OSError, ValueError) as reason:
            raise FunctionError(f"{self.words[0]} cannot be started: {reason}") from reason
        finally:
            adopt(False)

    def _spawn(self, log: int) -> "subprocess.Popen[bytes]":
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
        the call behind; then the namespaces, which a further process has.
        """
        without_limits()
        if self.group is not None:
            os.write(self.group, b"0")
        if self.apart is not None:
            namespaces.enter(self.apart)

    def _hear(self, process: Child) -> None:
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
            if process.ended(END_WAIT):
                raise MonitorError(process.told) from reason
            raise

    def _connected(self, process: Child, deadline: float) -> socket.socket:
        while not process.ended(LOOK_EVERY):
            left = deadline - time.monotonic()
            if left <= 0:
                raise MonitorError(f"QEMU has not opened its monitor within {PATIENCE:.0f} s")
            # Not there yet, or not listening yet.
            with suppress(FileNotFoundError, ConnectionRefusedError):
                return sockets.connect(self.qmp, left)
        raise MonitorError(process.told)

    def _said(self, begun: int) -> str:
        """
        What it has written to its log since C{begun}.
        """
        with self.log.open("rb") as file:
            file.seek(max(begun, file.seek(0, os.SEEK_END) - TAIL))
            text = file.read(TAIL).decode("utf-8", "replace").strip()
        return f": {text}" if text else f"; it said nothing (log: {self.log.name})"
