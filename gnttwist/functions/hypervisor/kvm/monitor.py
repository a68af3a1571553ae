"""
A conversation with a guest's QEMU over its machine monitor, blocking, with a deadline for each command.
"""

import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

from gnttwist.functions.hypervisor.kvm import qmp, sockets
from gnttwist.functions.registry import FunctionError

PATIENCE = 5.0
"""
Seconds for one command; Ganeti's.
"""


class MonitorError(FunctionError):
    """
    QEMU does not answer, or refuses a command.
    """


@define
class Monitor:
    """
    A connection. QEMU serves one at a time; others wait for its end.

    @ivar version: QEMU's version, three numbers.
    """

    _socket: socket.socket
    _decoder: qmp.Decoder = field(factory=qmp.Decoder, init=False)
    _messages: "deque[qmp.Message]" = field(factory=deque, init=False)
    version: tuple[int, ...] = field(default=(), init=False)

    def begin(self, timeout: float = PATIENCE) -> None:
        """
        Hear the greeting, and ask for the commands.

        @raise MonitorError: It does not come in time.
        """
        deadline = time.monotonic() + timeout
        while not self.version:
            message = self._next(deadline)
            # Events may come before it.
            if isinstance(message, qmp.Greeting):
                self.version = message.version
        self.execute("qmp_capabilities", timeout=timeout)

    def execute(
        self, name: str, arguments: Mapping[str, Any] | None = None, timeout: float = PATIENCE
    ) -> Any:
        """
        Have a command carried out.

        @return: What it returns.
        @raise MonitorError: It is refused, or not answered in time.
        """
        deadline = time.monotonic() + timeout
        try:
            self._socket.settimeout(timeout)
            self._socket.sendall(qmp.command(name, arguments))
        except OSError as reason:
            raise MonitorError(f"QEMU's monitor takes no command: {reason}") from reason
        while True:
            match self._next(deadline):
                case qmp.Answer(value):
                    return value
                case qmp.Refusal(_, text):
                    raise MonitorError(f"QEMU refuses {name}: {text}")

    def _next(self, deadline: float) -> qmp.Message:
        while not self._messages:
            left = deadline - time.monotonic()
            if left <= 0:
                raise MonitorError("QEMU's monitor does not answer")
            try:
                self._socket.settimeout(left)
                data = self._socket.recv(65536)
                self._messages.extend(self._decoder.feed(data))
            except TimeoutError:
                continue
            except (OSError, qmp.QMPBroken) as reason:
                raise MonitorError(f"QEMU's monitor failed: {reason}") from reason
            if not data:
                raise MonitorError("QEMU's monitor was closed")
        return self._messages.popleft()


@contextmanager
def monitor(path: Path, timeout: float = PATIENCE) -> Iterator[Monitor]:
    """
    A connection to the machine monitor at C{path}.

    @param timeout: Seconds until it must be usable.
    @raise MonitorError: It cannot be had.
    """
    try:
        connected = sockets.connect(path, timeout)
    except OSError as reason:
        raise MonitorError(f"QEMU's monitor cannot be reached: {reason}") from reason
    with connected:
        found = Monitor(connected)
        found.begin(timeout)
        yield found
