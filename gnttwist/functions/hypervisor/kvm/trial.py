"""
Runs the test guest, and judges how it went.
"""

import os
import selectors
import subprocess
import time
from collections.abc import Sequence

from attrs import frozen

from gnttwist.functions.children import die_with
from gnttwist.functions.hypervisor.kvm import testguest
from gnttwist.functions.registry import FunctionError

PATIENCE = 8.0
"""
Seconds for the test guest. Where KVM works it takes 0.2 s; a software emulation of its 64 million steps takes
longer than this.
"""

OUTPUT_LIMIT = 64 << 10
"""
Most bytes taken from QEMU: letters, and the state of a processor that failed.
"""

ENDED_BADLY = b"internal error"
"""
What QEMU says when the kernel's KVM gave up; it waits then, for ever.
"""


@frozen
class Outcome:
    """
    How the test guest went.

    @ivar letters: What it wrote.
    @ivar said: What QEMU wrote.
    @ivar status: QEMU's exit status, or C{None} where it was ended.
    @ivar seconds: How long it took.
    """

    letters: bytes
    said: str
    status: int | None
    seconds: float

    @property
    def works(self) -> bool:
        """
        Whether it did all that it should.
        """
        return self.letters == testguest.LETTERS and self.status == testguest.STATUS

    @property
    def detail(self) -> str:
        """
        How it went, in a few words.
        """
        if self.works:
            return f"a test guest ran in {self.seconds:.1f} s"
        lines = [each for each in self.said.splitlines() if "warning:" not in each]
        state = testguest.STATES[min(len(self.letters), len(testguest.STATES) - 1)]
        why = f": {lines[0][:200]}" if lines else f", after {self.seconds:.1f} s"
        return f"a test guest stopped {state}{why}"


def command(program: str, accelerator: str, disk: str) -> list[str]:
    """
    The command line that runs the test guest from the image C{disk}.
    """
    words = [program, "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", "-m", "16"]
    words += ["-machine", f"pc,accel={accelerator}"]
    words += ["-drive", f"file={disk},format=raw,if=ide"]
    words += [
        "-chardev",
        "stdio,id=letters,signal=off",
        "-device",
        "isa-debugcon,iobase=0xe9,chardev=letters",
    ]
    return [*words, "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]


def run(program: str, accelerator: str, timeout: float = PATIENCE) -> Outcome:
    """
    Run it.

    @param timeout: Seconds after which it has failed.
    @raise FunctionError: QEMU cannot be started.
    """
    disk = os.memfd_create("test-guest", os.MFD_CLOEXEC)
    try:
        os.write(disk, testguest.disk())
        words = command(program, accelerator, f"/proc/self/fd/{disk}")
        begun = time.monotonic()
        with _start(words, disk) as process:
            try:
                letters, said, ended = _read(process, begun + timeout)
            finally:
                process.kill()
        return Outcome(
            letters,
            said.decode("utf-8", "replace"),
            process.returncode if ended else None,
            time.monotonic() - begun,
        )
    finally:
        os.close(disk)


def _start(words: Sequence[str], disk: int) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(disk,),
            preexec_fn=die_with(os.getpid()),
        )
    except OSError as reason:
        raise FunctionError(f"{words[0]} cannot be started: {reason.strerror}") from reason


def _read(process: "subprocess.Popen[bytes]", deadline: float) -> tuple[bytes, bytes, bool]:
    """
    What it writes until it ends or has failed, and whether it ended.
    """
    assert process.stdout is not None and process.stderr is not None, "it was started with pipes"
    found = {process.stdout.fileno(): b"", process.stderr.fileno(): b""}
    letters, said = found
    with selectors.DefaultSelector() as selector:
        for each in found:
            selector.register(each, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(deadline - time.monotonic())
            if not ready:
                return found[letters], found[said], False
            for key, _ in ready:
                data = os.read(key.fd, 4096)
                if not data:
                    selector.unregister(key.fd)
                found[key.fd] += data
            if (
                len(found[said]) > OUTPUT_LIMIT
                or len(found[letters]) > OUTPUT_LIMIT
                or ENDED_BADLY in found[said]
            ):
                return found[letters], found[said], False
    # Both ends are closed at its end only.
    try:
        process.wait(max(0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return found[letters], found[said], False
    return found[letters], found[said], True
