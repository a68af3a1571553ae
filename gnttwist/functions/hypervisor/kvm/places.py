"""
Where the kvm hypervisor keeps its files (reference: KVM, section 10.2).
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from attrs import frozen

from gnttwist.functions.registry import FunctionError
from gnttwist.paths import Paths

Socket = Literal["monitor", "qmp", "kvmd", "serial", "qga"]
SOCKETS: tuple[Socket, ...] = ("monitor", "qmp", "kvmd", "serial", "qga")
"""
What listens for a guest: the human monitor, two machine monitors (ours, and one for kvmd), its console, its agent.
"""

SOCKET_NAME_LIMIT = 107
"""
Most bytes of a socket's path: sockaddr_un has 108, the last one a null byte.
"""


@frozen
class Places:
    """
    One node's files for guests.
    """

    _paths: Paths

    @property
    def base(self) -> Path:
        """
        The directory of all but the logs.
        """
        return self._paths.run / "kvm-hypervisor"

    @property
    def sockets(self) -> Path:
        """
        The directory of all sockets. QEMU is started in it, since the full path may be too long for one.
        """
        return self.base / "ctrl"

    @property
    def pids(self) -> Path:
        """
        The directory of the files that QEMU writes its number to, and locks.
        """
        return self.base / "pid"

    @property
    def acceleration(self) -> Path:
        """
        What was found out about this machine.
        """
        return self.base / "acceleration.json"

    def pid(self, name: str) -> Path:
        """
        A guest's pid file.
        """
        return self.pids / name

    def presence(self, name: str) -> Path:
        """
        The file that a guest's process has locked as long as it is there.
        """
        return self.base / "alive" / name

    def socket(self, name: str, kind: Socket) -> Path:
        """
        A guest's socket.
        """
        return self.sockets / f"{name}.{kind}"

    def uid(self, name: str) -> Path:
        """
        The number of the pool's user that a guest runs as.
        """
        return self.base / "uid" / name

    def chroot(self, name: str) -> Path:
        """
        The empty directory that a guest's QEMU has for its root.
        """
        return self.base / "chroot" / name

    @property
    def quarantine(self) -> Path:
        """
        The directory of those that were not empty when their guest was gone.
        """
        return self.base / "chroot-quarantine"

    def runtime(self, name: str) -> Path:
        """
        How a guest was started.
        """
        return self.base / "conf" / f"{name}.runtime"

    def ballooned(self, name: str) -> Path:
        """
        The file that is there once a guest was told to have other memory than at its start.
        """
        return self.base / "ballooned" / name

    def nic(self, name: str) -> Path:
        """
        The directory of the names of a guest's tap devices, by its interfaces' numbers.
        """
        return self.base / "nic" / name

    def log(self, name: str) -> Path:
        """
        What a guest's QEMU has said.
        """
        return self._paths.log / "kvm" / f"{name}.log"

    def make(self) -> None:
        """
        Make the directories.

        @raise FunctionError: One cannot be made.
        """
        for each in (
            self.sockets,
            self.pids,
            self.base / "alive",
            self.base / "conf",
            self._paths.log / "kvm",
        ):
            try:
                each.mkdir(mode=0o755, parents=True, exist_ok=True)
            except OSError as reason:
                raise FunctionError(f"Cannot make {each}: {reason.strerror}") from reason

    def check(self, name: str) -> None:
        """
        @raise FunctionError: The name is too long for sockets that have it.
        """
        longest = max(len(os.fsencode(f"{name}.{kind}")) for kind in SOCKETS)
        if longest > SOCKET_NAME_LIMIT:
            raise FunctionError(
                f"The instance name {name} is too long for this hypervisor's sockets, "
                f"by {longest - SOCKET_NAME_LIMIT} characters"
            )

    def clean(self, name: str) -> None:
        """
        Remove what is left of a guest that does not run, but for its log and its lock.
        """
        sockets = [self.socket(name, kind) for kind in SOCKETS]
        for each in (self.pid(name), self.runtime(name), self.ballooned(name), *sockets):
            with suppress(FileNotFoundError):
                each.unlink()
        with suppress(FileNotFoundError):
            for entry in self.nic(name).iterdir():
                entry.unlink()
            self.nic(name).rmdir()
