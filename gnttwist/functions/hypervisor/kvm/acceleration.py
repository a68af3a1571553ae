"""
Whether guests run on KVM or on QEMU's own translation, TCG.

C{/dev/kvm} may be there, open, and yet never run a guest, so it is tried once in each boot of the machine and for
each QEMU; the answer is kept in a file.
"""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
from attrs import define, frozen

from gnttwist.functions import files
from gnttwist.functions.facts import boot_id
from gnttwist.functions.hypervisor.kvm import trial
from gnttwist.functions.registry import FunctionError

DEVICE = Path("/dev/kvm")

LOCK_WAIT = 60.0
"""
Seconds to wait for another call that is trying.
"""


@frozen
class Choice:
    """
    What a guest is started with.

    @ivar accelerator: C{kvm} or C{tcg}, as QEMU calls them.
    @ivar why: In a few words.
    """

    accelerator: str
    why: str

    def __str__(self) -> str:
        """
        As it is told.
        """
        return f"acceleration: {self.accelerator.upper()} ({self.why})"


class Remembered(msgspec.Struct, frozen=True):
    """
    What was found out.

    @ivar boot: The boot's id.
    @ivar program: The path of QEMU, with its time and size, by which another version is known.
    """

    boot: str
    program: str
    works: bool
    detail: str


@define
class Acceleration:
    """
    @ivar _file: Where the answer is kept.
    @ivar _device: KVM's device.
    @ivar _boot: Which boot of the machine this is.
    @ivar _attempt: Tries an accelerator with a program.
    """

    _file: Path
    _device: Path = DEVICE
    _boot: Callable[[], str] = boot_id
    _attempt: Callable[[str, str], trial.Outcome] = trial.run

    def choose(self, program: str, flag: str = "") -> Choice:
        """
        Choose for a guest.

        @param flag: The parameter C{kvm_flag}: C{enabled} and C{disabled} leave no choice.
        @raise FunctionError: QEMU cannot be started.
        """
        if flag == "enabled":
            return Choice("kvm", "kvm_flag is enabled")
        if flag == "disabled":
            return Choice("tcg", "kvm_flag is disabled")
        if not self._device.exists():
            return Choice("tcg", f"there is no {self._device}")
        if not os.access(self._device, os.R_OK | os.W_OK):
            return Choice("tcg", f"{self._device} may not be used by this user")
        found = self._remembered(program)
        return Choice("kvm", found.detail) if found.works else Choice("tcg", f"KVM fails: {found.detail}")

    def _remembered(self, program: str) -> Remembered:
        boot, identity = self._boot(), _identity(program)
        with files.locked(self._file.with_suffix(".lock"), LOCK_WAIT):
            known = self._read()
            if known is not None and (known.boot, known.program) == (boot, identity):
                return known
            outcome = self._attempt(program, "kvm")
            found = Remembered(boot, identity, outcome.works, outcome.detail)
            files.replace(self._file, msgspec.json.encode(found), mode=0o644)
        return found

    def _read(self) -> Remembered | None:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Remembered)
        except (FileNotFoundError, msgspec.DecodeError):
            # None yet, or by another version of this: found out again.
            return None


def _identity(program: str) -> str:
    try:
        status = os.stat(program)
    except OSError as reason:
        raise FunctionError(f"{program} cannot be used: {reason.strerror}") from reason
    return f"{os.path.realpath(program)} {status.st_mtime_ns} {status.st_size}"
