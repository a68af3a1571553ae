"""
A guest's QEMU as a process: whether it is there, what its command line says, and its end.
"""

import os
import select
import signal
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from attrs import define, frozen

from gnttwist.functions.hypervisor.kvm.places import Places
from gnttwist.functions.hypervisor.kvm.presence import held
from gnttwist.functions.registry import FunctionError

PROC = Path("/proc")

PATIENCE = 10.0
"""
Seconds for QEMU to write its pid file, which is among the first that it does, and to end after it has removed it.
"""

LOOK_EVERY = 0.02
"""
Seconds between two looks for that.
"""


@frozen
class Command:
    """
    What a running QEMU's command line tells.

    @ivar memory: MiB.
    """

    name: str
    memory: int
    vcpus: int


def parse(words: Sequence[str]) -> Command | None:
    """
    Read a command line; C{None} where it is not a guest's.
    """
    values = dict(pairwise(words))
    try:
        # Suboptions may follow each value, as newer releases of Ganeti write the name.
        name = values["-name"].split(",")[0]
        return Command(name, int(values["-m"].split(",")[0]), int(values["-smp"].split(",")[0]))
    except (KeyError, ValueError):
        return None


@define(eq=False)
class Process:
    """
    A guest's process. Its number cannot come to mean another one, as long as this is open.
    """

    pid: int
    command: Command
    _descriptor: int

    @classmethod
    def find(cls, pidfile: Path, name: str, proc: Path = PROC) -> "Process | None":
        """
        The process of the guest C{name}, if it is there.
        """
        try:
            pid = int(pidfile.read_text())
            if pid <= 0:
                return None
            descriptor = os.pidfd_open(pid)
        except (FileNotFoundError, ProcessLookupError, ValueError, OverflowError):
            # QEMU writes the file before it opens its monitor, and removes it at its end.
            return None
        # The number may be another process's by now: what is read after it was opened tells.
        found = _command(proc / str(pid))
        if found is None or found.name != name:
            os.close(descriptor)
            return None
        return cls(pid, found, descriptor)

    def close(self) -> None:
        """
        Let go of it.
        """
        os.close(self._descriptor)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def ended(self, timeout: float) -> bool:
        """
        Wait for its end.

        @param timeout: Seconds.
        @return: Whether it has come.
        """
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(max(0, timeout) * 1000))

    def signal(self, number: int) -> None:
        """
        Send it a signal, unless it has ended.
        """
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def end(self, term: float, kill: float) -> bool:
        """
        End it: ask for an orderly end, which leaves nothing unwritten, then kill it.

        @param term: Seconds for the orderly end.
        @param kill: Seconds for the other, during which the kernel may have to finish writing.
        @return: Whether it has ended.
        """
        self.signal(signal.SIGTERM)
        if self.ended(term):
            return True
        self.signal(signal.SIGKILL)
        return self.ended(kill)

    def pin(self, chosen: Sequence[Collection[int]], proc: Path = PROC) -> None:
        """
        Keep it on some of the machine's processors.

        @param chosen: One set for all, or one for each of the guest's processors, whose threads QEMU names so.
        @raise FunctionError: There are not as many sets as processors.
        @raise OSError: There is no such processor.
        """
        if len(chosen) == 1:
            for entry in (proc / str(self.pid) / "task").iterdir():
                os.sched_setaffinity(int(entry.name), chosen[0])
            return
        raise FunctionError(
            "cpu_mask: a set for each processor is not supported yet; give one for all, such as 0-3,5"
        )

    def seconds(self, proc: Path = PROC) -> float:
        """
        The processor time that it has used.
        """
        try:
            text = (proc / str(self.pid) / "stat").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return 0
        fields = text.rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def running(places: Places, name: str) -> Process | None:
    """
    The process of the guest C{name}. One that is just being started, or is just ending, is waited for.

    @raise FunctionError: There is one, and it does not tell its number.
    """
    deadline = time.monotonic() + PATIENCE
    while (found := Process.find(places.pid(name), name)) is None and held(places.presence(name)):
        if time.monotonic() > deadline:
            raise FunctionError(
                f"There is a QEMU of instance {name}, and {places.pid(name)} does not tell which"
            )
        # No event tells of it; both take some milliseconds.
        select.poll().poll(LOOK_EVERY * 1000)
    return found


def _command(directory: Path) -> Command | None:
    try:
        if (directory / "stat").read_text(errors="replace").rpartition(") ")[2][:1] in ("Z", "X"):
            return None
        raw = (directory / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parse([os.fsdecode(each) for each in raw.split(b"\0")])
