"""
Ends a guest: asks its system over ACPI, tells how long it takes, and ends its QEMU where that is not enough.
"""

import time
from pathlib import Path

from attrs import frozen

from gnttwist.functions.hypervisor.kvm.monitor import MonitorError, monitor
from gnttwist.functions.hypervisor.kvm.process import Process
from gnttwist.functions.registry import Context, FunctionError

PRESS_EVERY = 5.0
"""
Seconds between two presses of the power button, as in Ganeti: a system that is just booting does not feel the
first.
"""

TELL_EVERY = 1.0
"""
Seconds between two messages on how long it takes.
"""

TERM_WAIT = 10.0
"""
Seconds for QEMU to write what it holds, and to end.
"""

KILL_WAIT = 10.0
"""
Seconds for the kernel to end a killed QEMU, which may have to finish writing.
"""


@frozen
class Ending:
    """
    How to end a guest.

    @ivar qmp: Its machine monitor.
    @ivar term: Seconds for an orderly end of QEMU.
    @ivar kill: Seconds for its end after a SIGKILL.
    """

    context: Context
    name: str
    qmp: Path
    term: float = TERM_WAIT
    kill: float = KILL_WAIT

    def ask(self, process: Process, timeout: float) -> bool:
        """
        Press the power button, and wait.

        @param timeout: Seconds.
        @return: Whether it has ended.
        """
        begun = time.monotonic()
        last_press = -PRESS_EVERY
        while (elapsed := time.monotonic() - begun) < timeout:
            if elapsed - last_press >= PRESS_EVERY:
                last_press = elapsed
                if not self._press(process):
                    return process.ended(0)
            if process.ended(min(TELL_EVERY, timeout - elapsed)):
                return True
            self.context.feedback(
                "progress",
                {
                    "what": f"waiting for {self.name} to shut down",
                    "done": min(timeout, round(time.monotonic() - begun, 1)),
                    "total": timeout,
                    "unit": "s",
                },
            )
        self.context.feedback("message", f"Instance {self.name} did not shut down within {timeout:.0f} s")
        return process.ended(0)

    def force(self, process: Process) -> None:
        """
        End its QEMU.

        @raise FunctionError: It still runs.
        """
        self.context.feedback("message", f"Ending instance {self.name}")
        if not process.end(self.term, self.kill):
            raise FunctionError(
                f"Failed to stop instance {self.name}: process {process.pid} has not ended after SIGKILL"
            )

    def _press(self, process: Process) -> bool:
        """
        @return: Whether QEMU has taken it.
        """
        try:
            with monitor(self.qmp) as connected:
                connected.execute("system_powerdown")
        except MonitorError as reason:
            if not process.ended(0):
                self.context.feedback("message", f"Cannot ask instance {self.name} to shut down: {reason}")
            return False
        return True
