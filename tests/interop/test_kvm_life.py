"""
One real guest's life under kvm, led by Ganeti 3.0.2's own C{gnt-instance}.

Skipped where QEMU is not installed, or where tinylinux' packages cannot be had.
"""

import os
import re
import socket
import time

from twisted.trial.unittest import SkipTest

from gnttwist.client.console import connect, serial_socket
from gnttwist.paths import Paths
from tests.functional.test_kvm_guest import NOT_HERE, QEMU
from tests.interop.ganeti import NODE, SandboxTestCase

PROMPT = rb"/root # "
BOOT = 60.0
"""
Seconds that a guest has to boot and to answer, under translation on a busy machine; it takes three.
"""


class Console:
    """
    A guest's shell.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._said = b""
        connected.settimeout(1.0)

    def until(self, pattern: bytes) -> str:
        """
        Read until C{pattern} comes; what its first group matched.
        """
        deadline = time.monotonic() + BOOT
        while (found := re.search(pattern, self._said)) is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"the guest only said {self._said[-2000:]!r}")
            try:
                self._said += self._socket.recv(4096)
            except TimeoutError:
                # A shell that was there before this connection has said its prompt already.
                self._socket.sendall(b"\r")
        self._said = self._said[found.end() :]
        return (found[1] if found.groups() else found[0]).decode()

    def answer(self, command: str) -> str:
        """
        What a shell command prints.
        """
        self.until(PROMPT)
        self._socket.sendall(f"echo '<'$({command})'>'\r".encode())
        return self.until(rb"\n<([^>]*)>\r")


class KVMLifeTests(SandboxTestCase):
    """
    A sandbox with real guests.
    """

    timeout = 300
    hypervisor = "kvm"
    if not os.access(QEMU, os.X_OK):
        skip = f"there is no {QEMU} (Debian package qemu-system-x86)"

    def ran(self, *arguments: str) -> str:
        """
        What C{gnt-instance} prints; it must succeed.
        """
        output = self.tool("gnt-instance", *arguments)
        self.assertEqual((output.code, output.err), (0, ""), f"{arguments}: {output.out}")
        return output.out

    def asked(self, name: str, command: str) -> str:
        """
        What a shell command in the guest prints.
        """
        assert self.directory is not None
        with connect(serial_socket(Paths(self.directory / "s" / NODE, NODE), name)) as connected:
            return Console(connected).answer(command)

    def test_life(self) -> None:
        """
        It is created, talked to, rebooted, given a disk that grows, renamed, reinstalled and removed; nothing stays.
        """
        made = self.tool(
            "gnt-instance", "add", "-t", "file", "--disk", "0:size=64M", "-B", "memory=128M", "--no-nics", "-o",
            "tinylinux", "-n", NODE, "--no-name-check", "--no-ip-check", "guest1",
        )  # fmt: skip
        if any(reason in made.err for reason in NOT_HERE):
            raise SkipTest(made.err.splitlines()[-1])
        self.assertEqual((made.code, made.err), (0, ""))
        self.assertEqual(self.asked("guest1", "hostname"), "guest1")
        self.asked("guest1", "touch /tmp/here")
        self.ran("reboot", "-t", "soft", "guest1")
        self.assertEqual(self.asked("guest1", "ls /tmp"), "")
        self.ran("modify", "--disk", "add:size=32M", "guest1")
        self.ran("reboot", "-t", "hard", "guest1")
        self.assertEqual(self.asked("guest1", "cat /sys/block/vdb/size"), str((32 << 20) // 512))
        self.ran("grow-disk", "guest1", "1", "32M")
        self.assertEqual(self.asked("guest1", "cat /sys/block/vdb/size"), str((64 << 20) // 512))
        self.ran("shutdown", "guest1")
        self.ran("rename", "guest1", "guest2")
        self.ran("startup", "guest2")
        self.assertEqual(
            self.asked("guest2", "hostname; cat /sys/block/vdb/size"), f"guest2 {(64 << 20) // 512}"
        )
        self.ran("shutdown", "guest2")
        self.ran("reinstall", "-f", "guest2")
        self.ran("startup", "guest2")
        self.assertEqual(self.asked("guest2", "hostname"), "guest2")
        self.ran("remove", "-f", "guest2")
        self.assertEqual(self.left(), [])

    def left(self) -> list[str]:
        """
        Files of guests that are there: disks, sockets, process ids.
        """
        assert self.directory is not None
        root = self.directory / "s" / NODE
        places = ("srv/ganeti/file-storage", "var/run/ganeti/kvm-hypervisor", "var/run/ganeti/instance-disks")
        return [
            str(found)
            for place in places
            for found in (root / place).rglob("*")
            if "guest" in found.name or found.name.startswith("disk")
        ]
