"""
Real guests: QEMU is started, asked and ended, and tinylinux boots from a disk that its own scripts made.

Skipped where QEMU is not installed, or where tinylinux' packages cannot be had.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from twisted.trial.unittest import SkipTest

import gnttwist
from gnttwist.functions.hypervisor.interface import AttachedDisk
from gnttwist.functions.hypervisor.kvm import sockets, testguest, trial
from gnttwist.functions.hypervisor.kvm.hypervisor import KVMHypervisor
from gnttwist.functions.hypervisor.kvm.monitor import monitor
from gnttwist.functions.hypervisor.kvm.places import Places
from gnttwist.functions.hypervisor.kvm.presence import held
from gnttwist.functions.hypervisor.kvm.process import Process
from gnttwist.functions.registry import GUEST_MARK, FunctionError
from gnttwist.paths import Paths
from tests.functions.context import NODE, NodeTestCase, Recorder, instance

QEMU = "/usr/bin/qemu-system-x86_64"
NAME = "inst1.example.com"
ABOVE = Path(gnttwist.__file__).parent.parent
TINYLINUX = ABOVE / "conf" / "os" / "tinylinux"
NOT_HERE = ("missing Debian packages", "cannot fetch", "apt-get update fails", "there is no tinylinux for")
"""
What tinylinux says where it cannot be made, for want of a network or of Debian.
"""
DISK_UUID = "7c079136-2573-4112-82d0-0d3d2aa90d8f"


STARTER = """
import sys
from pathlib import Path
from gnttwist.functions.hypervisor.interface import AttachedDisk
from gnttwist.functions.hypervisor.kvm.hypervisor import KVMHypervisor
from gnttwist.paths import Paths
from tests.functions.context import NODE, Recorder, instance

root = Path(sys.argv[1])
wanted = instance(uuid="", hypervisor="kvm", beparams={"maxmem": 128, "vcpus": 1}, hvparams={"kvm_flag": "disabled"})
disk = AttachedDisk({"dev_type": "file"}, root / "disk")
KVMHypervisor().start(Recorder(Paths(root, NODE)), wanted, [disk], False)
"""


class GuestTestCase(NodeTestCase):
    """
    A node whose root is too deep for the address of a socket, and one disk.
    """

    timeout = 60
    if not os.access(QEMU, os.X_OK):
        skip = f"there is no {QEMU} (Debian package qemu-system-x86)"

    def setUp(self) -> None:
        super().setUp()
        self.root = self.root.parent / ("deep" * 30) / NODE
        self.root.mkdir(parents=True)
        self.context = Recorder(Paths(self.root, NODE))
        self.places = Places(self.context.paths)
        self.kvm = KVMHypervisor()
        self.disk = self.root / "disk"
        self.pids: list[int] = []
        self.addCleanup(self.kill)

    def kill(self) -> None:
        """
        Leave no guest behind.
        """
        process = Process.find(self.places.pid(NAME), NAME)
        if process is not None:
            with process:
                process.end(0, 20)
        # They are children of this process, and not of one that has ended as in a function process.
        for pid in self.pids:
            os.waitpid(pid, 0)

    def start(self, *, paused: bool = False, **hvparams: Any) -> None:
        """
        Start the guest, without trying KVM again for each test.
        """
        wanted = instance(
            name=NAME,
            uuid="8ff76b53-63a0-4ec5-ac44-804a7d75e260",
            hypervisor="kvm",
            beparams={"maxmem": 128, "vcpus": 1},
            hvparams={"kvm_flag": "disabled", **hvparams},
        )
        disk = {"dev_type": "file", "uuid": DISK_UUID, "size": 64}
        self.kvm.start(self.context, wanted, [AttachedDisk(disk, self.disk)], paused)
        self.pids.append(self.pid())

    def pid(self) -> int:
        """
        The process of the guest.
        """
        return int(self.places.pid(NAME).read_text())

    def left(self) -> list[str]:
        """
        The guest's files, but for its log.
        """
        return sorted(each.name for each in self.places.base.rglob(f"{NAME}*"))


class QemuTests(GuestTestCase):
    """
    Starting and ending QEMU. The guest is the test guest, which has no exit to leave by here, and halts.
    """

    def setUp(self) -> None:
        super().setUp()
        self.disk.write_bytes(testguest.disk())

    def test_life(self) -> None:
        """
        A guest that was started is known with its memory, cannot be started again, and is gone when it was ended.
        """
        self.start()
        found = self.kvm.info(self.context, NAME)
        assert found is not None
        self.assertEqual((found.memory, found.vcpus, found.state), (128, 1, 0))
        self.assertEqual(self.kvm.names(self.context), [NAME])
        pid = self.pid()
        reason = self.assertRaises(FunctionError, self.start)
        self.assertIn("already running", str(reason))
        self.assertEqual(self.pid(), pid)
        self.kvm.stop(self.context, NAME, force=True, timeout=0)
        self.assertIsNone(self.kvm.info(self.context, NAME))
        self.assertEqual(self.left(), [])

    def test_memory(self) -> None:
        """
        QEMU tells what a guest has after it was told to change: without a driver for that, what it had.
        """
        self.start()
        self.kvm.balloon(self.context, NAME, 64)
        with monitor(self.places.socket(NAME, "qmp")) as connected:
            self.assertEqual(connected.execute("query-balloon"), {"actual": 128 << 20})
        found = self.kvm.info(self.context, NAME)
        assert found is not None
        self.assertEqual(found.memory, 128)

    def test_apart(self) -> None:
        """
        A guest has a session of its own and bears the mark, so that no call's end reaches it; it holds none of the
        call's descriptors.
        """
        with tempfile.TemporaryFile() as file:
            os.set_inheritable(file.fileno(), True)
            self.start()
            pid = self.pid()
            self.assertNotIn(os.readlink(f"/proc/self/fd/{file.fileno()}"), held_by(pid))
        self.assertEqual(os.getsid(pid), pid)
        self.assertIn(f"{GUEST_MARK}={NAME}".encode(), Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))

    def test_runtime(self) -> None:
        """
        The runtime file has the command line with full paths, and the disk with its place.
        """
        self.start()
        words, nics, hvparams, disks = msgspec.json.decode(self.places.runtime(NAME).read_bytes())
        self.assertEqual((words[0], words[1:3], nics), (QEMU, ["-name", NAME], []))
        self.assertIn(f"unix:{self.places.socket(NAME, 'serial')},server=on,wait=off", words)
        self.assertEqual(hvparams, {"kvm_flag": "disabled"})
        self.assertEqual((disks[0][0]["uuid"], disks[0][1]), (DISK_UUID, str(self.disk)))

    def test_refused_by_qemu(self) -> None:
        """
        What QEMU says when it cannot start is the error, and nothing is left.
        """
        reason = self.assertRaises(FunctionError, self.start, cpu_type="no-such-processor")
        self.assertIn("no-such-processor", str(reason))
        self.assertEqual(self.left(), [])

    def test_disk_in_use(self) -> None:
        """
        A disk that another guest has open is refused, whatever our files say.
        """
        self.start()
        pid, presence = self.places.pid(NAME), self.places.presence(NAME)
        pid.rename(self.root / "pid")
        presence.unlink()
        reason = self.assertRaises(FunctionError, self.start)
        self.assertIn("lock", str(reason))
        (self.root / "pid").rename(pid)

    def test_killed_starter(self) -> None:
        """
        A guest whose start was killed right after the fork is found at the first look, and can be ended.
        """
        starter = subprocess.Popen(
            [sys.executable, "-c", STARTER, str(self.root)], env={"PYTHONPATH": str(ABOVE)}
        )
        with starter:
            presence = self.places.presence(NAME)
            deadline = time.monotonic() + 40
            while not held(presence):
                self.assertLess(time.monotonic(), deadline)
                self.assertIsNone(starter.poll())
            starter.kill()
        if (found := self.kvm.info(self.context, NAME)) is not None:
            self.assertEqual(found.memory, 128)
            self.kvm.stop(self.context, NAME, force=True, timeout=0)
        self.assertFalse(held(presence))
        self.assertEqual(self.kvm.names(self.context), [])

    def test_paused(self) -> None:
        """
        A paused guest has executed nothing.
        """
        self.start(paused=True)
        found = self.kvm.info(self.context, NAME)
        assert found is not None
        self.assertLess(found.time, 1)

    def test_deaf(self) -> None:
        """
        A guest that does not obey its power button is ended when the time is over, and it is told.
        """
        self.start()
        self.kvm.stop(self.context, NAME, force=False, timeout=1)
        self.assertIn(("message", f"Instance {NAME} did not shut down within 1 s"), self.context.told)
        self.assertEqual(self.left(), [])

    def test_without_acpi(self) -> None:
        """
        A guest without a power button is ended at once.
        """
        self.start(acpi=False)
        begun = time.monotonic()
        self.kvm.stop(self.context, NAME, force=False, timeout=50)
        self.assertLess(time.monotonic() - begun, 30)

    def test_hung(self) -> None:
        """
        A QEMU that has no ear for an orderly end is killed.
        """
        self.start()
        process = Process.find(self.places.pid(NAME), NAME)
        assert process is not None
        with process:
            process.signal(signal.SIGSTOP)
            self.assertTrue(process.end(0.2, 20))

    def test_test_guest(self) -> None:
        """
        The test guest does all that it should where nothing is emulated by the kernel.
        """
        outcome = trial.run(QEMU, "tcg", 40)
        self.assertTrue(outcome.works, outcome)


def held_by(pid: int) -> set[str]:
    """
    What a process has open. It is at work, and may close some of it meanwhile.
    """
    found = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(each))
    return found


class TinylinuxTests(GuestTestCase):
    """
    The OS definition, and the guest that it makes.
    """

    timeout = 120

    def install(self, size: int = 64) -> "subprocess.CompletedProcess[str]":
        """
        Run the create script, as the node daemon would.
        """
        return subprocess.run(
            ["./create"],
            cwd=TINYLINUX,
            env={
                "PATH": "/sbin:/bin:/usr/sbin:/usr/bin",
                "DISK_COUNT": "1",
                "DISK_0_PATH": str(self.disk),
                "DISK_0_SIZE": str(size),
                "INSTANCE_NAME": NAME,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )

    def test_small_disk(self) -> None:
        """
        A disk that is too small is refused in one line.
        """
        found = self.install(size=16)
        self.assertEqual(found.returncode, 1)
        self.assertEqual(found.stderr, "tinylinux: the first disk has 16 MiB; tinylinux needs at least 32\n")

    def test_boots(self) -> None:
        """
        The guest boots from its disk, says its name, gives a shell, and obeys its power button.
        """
        self.disk.touch()
        os.truncate(self.disk, 64 << 20)
        found = self.install()
        if any(reason in found.stderr for reason in NOT_HERE):
            raise SkipTest(found.stderr.splitlines()[-1])
        self.assertEqual((found.returncode, found.stderr), (0, ""))
        self.start()
        with sockets.connect(self.places.socket(NAME, "serial"), 60) as console:
            said = self.until(console, rb"\n?tinylinux: this is (\S+)\r\n")
            self.assertEqual(said, NAME)
            self.until(console, rb"(#) ")
            console.sendall(b"echo disk $(cat /sys/block/vda/size)\r")
            self.assertEqual(self.until(console, rb"\ndisk (\d+)\r"), str((64 << 20) // 512))
        begun = time.monotonic()
        self.kvm.stop(self.context, NAME, force=False, timeout=50)
        self.assertLess(time.monotonic() - begun, 30)
        self.assertNotIn(("message", f"Ending instance {NAME}"), self.context.told)
        self.assertEqual(self.left(), [])

    said = b""
    """
    What the guest has said and nobody has looked for yet: one piece may hold its line and its prompt.
    """

    def until(self, console: socket.socket, pattern: bytes) -> str:
        """
        Read until C{pattern} comes; what its group matched.
        """
        deadline = time.monotonic() + 60
        while (found := re.search(pattern, self.said)) is None:
            self.assertLess(time.monotonic(), deadline, self.said)
            data = console.recv(4096)
            self.assertTrue(data, self.said)
            self.said += data
        self.said = self.said[found.end() :]
        return found[1].decode()
