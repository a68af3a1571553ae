"""
Namespaces for a guest's QEMU: it sees no other process, no network device and no mount of anybody else.

Its network devices stay where bridges can have them: QEMU holds them by descriptors, which no namespace takes away.
"""

import ctypes
import os
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
ALL = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x8, 0x4000, 0x40000

_libc = ctypes.CDLL(None, use_errno=True)


def enter(pidfile: Path) -> None:
    """
    Go on in a new process that has namespaces of its own, after its number is in the pid file; this process ends.

    Called between fork and exec. A program within cannot write its own number, for there it is 1. Whenever this
    process is killed, either the number is in the file, or nothing is started.

    @param pidfile: Replaced.
    @raise OSError: The kernel refuses.
    """
    _call("unshare", ALL)
    waiting, telling = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        os.close(telling)
        if os.read(waiting, 1) != b"1":
            os._exit(1)
        # What is mounted here from now on is seen by nobody else, and /proc shows this namespace's processes.
        _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
        _call("mount", b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
        return
    try:
        fresh = pidfile.with_name(f".{pidfile.name}")
        fresh.write_text(f"{child}\n")
        fresh.replace(pidfile)
        os.write(telling, b"1")
    finally:
        os._exit(0)


def _call(function: str, *arguments: object) -> None:
    converted = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
    if getattr(_libc, function)(*converted) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
