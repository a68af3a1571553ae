"""
A control group for each guest, where the machine has version 2 of them and nobody else looks after it.

A guest's group lies outside of the one that its call runs in, so that neither its limits nor an end of the call's
group reach the guest.
"""

import os
from contextlib import suppress
from pathlib import Path

from attrs import frozen

MOUNTS = Path("/proc/self/mountinfo")
SYSTEMD = Path("/run/systemd/system")
"""
Exists where systemd runs. It owns all groups then: guests stay in their launcher's unit, whose C{KillMode} spares
them.
"""

TREE = "gnttwist-guests"
"""
The group of all guests' groups.
"""


@frozen
class Groups:
    """
    Where guests' groups are made.

    @ivar base: The group of this node's guests.
    """

    base: Path

    def join(self, name: str) -> int | None:
        """
        Make a guest's group.

        @return: A descriptor: a process that writes C{0} to it is in the group. C{None} where it cannot be made.
        """
        group = self.base / name
        try:
            group.mkdir(mode=0o755, parents=True, exist_ok=True)
            return os.open(group / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            # Without rights, or read-only, as in many containers: the guest runs as well without.
            return None

    def leave(self, name: str) -> None:
        """
        Remove the group of a guest that has ended, and those above that are empty then.
        """
        with suppress(OSError):
            (self.base / name).rmdir()
            self.base.rmdir()
            self.base.parent.rmdir()


def groups(hostname: str, mounts: Path = MOUNTS, systemd: Path = SYSTEMD) -> Groups | None:
    """
    Where this node's guests' groups are made, or C{None}.

    @param hostname: The node's: several nodes may share a machine.
    """
    if systemd.exists():
        return None
    try:
        text = mounts.read_text()
    except OSError:
        return None
    mount = mount_point(text)
    return None if mount is None else Groups(mount / TREE / hostname)


def mount_point(text: str) -> Path | None:
    """
    Where version 2 is mounted, which may be beside version 1.

    @param text: The content of C{mountinfo}.
    """
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        if after.split(" ")[0] == "cgroup2":
            return Path(before.split(" ")[4].encode().decode("unicode_escape"))
    return None
