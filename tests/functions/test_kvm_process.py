"""
Tests for L{gnttwist.functions.hypervisor.kvm.process}, C{cgroups} and C{sockets}.
"""

import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.functions.hypervisor.kvm.cgroups import Groups, groups, mount_point
from gnttwist.functions.hypervisor.kvm.hypervisor import KVMHypervisor
from gnttwist.functions.hypervisor.kvm.places import Places
from gnttwist.functions.hypervisor.kvm.presence import Taken, held, take
from gnttwist.functions.hypervisor.kvm.process import Command, Process, parse
from gnttwist.functions.hypervisor.kvm.sockets import connect
from gnttwist.functions.registry import FunctionError
from tests.functions.context import NodeTestCase, instance

STAT = "4711 (qemu) x) {state} 1 4711 4711 0 -1 4194560 1 0 0 0 {user} {system} 0 0 20 0 4 0 54321 0 0"
WORDS = ["/usr/bin/kvm", "-name", "inst1", "-m", "128", "-smp", "2,cores=2"]


class ParseTests(SynchronousTestCase):
    """
    Tests for L{parse}.
    """

    def test_ours(self) -> None:
        """
        The name, the memory and the processors are read.
        """
        self.assertEqual(parse(WORDS), Command("inst1", 128, 2))

    def test_newer_ganeti(self) -> None:
        """
        What newer releases of Ganeti add to the name does not belong to it.
        """
        words = ["kvm", "-name", "inst1,debug-threads=on", "-m", "size=1", "-m", "64", "-smp", "1"]
        self.assertEqual(parse(words), Command("inst1", 64, 1))

    @given(st.lists(st.sampled_from([*WORDS, "", "x"]), max_size=8))
    def test_anything(self, words: list[str]) -> None:
        """
        Another program's command line is not a guest's, and no error.
        """
        found = parse(words)
        self.assertTrue(found is None or "-name" in words)


class FindTests(NodeTestCase):
    """
    Tests for L{Process}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.pidfile = self.root / "pid"
        self.pidfile.write_text(f"{os.getpid()}\n")
        self.proc = self.root / "proc"
        directory = self.proc / str(os.getpid())
        directory.mkdir(parents=True)
        self.stat = directory / "stat"
        self.stat.write_text(STAT.format(state="S", user=150, system=50))
        (directory / "cmdline").write_bytes("\0".join(WORDS).encode() + b"\0")

    def find(self, name: str = "inst1") -> Process | None:
        """
        Find it.
        """
        found = Process.find(self.pidfile, name, self.proc)
        if found is not None:
            self.addCleanup(found.close)
        return found

    def test_found(self) -> None:
        """
        A guest that runs is found, with the processor time that it has used.
        """
        found = self.find()
        assert found is not None
        self.assertEqual((found.pid, found.command), (os.getpid(), Command("inst1", 128, 2)))
        self.assertEqual(found.seconds(self.proc), 200 / os.sysconf("SC_CLK_TCK"))
        self.assertFalse(found.ended(0))

    def test_number_reused(self) -> None:
        """
        Another program, or another guest, that has the number now is not taken for it.
        """
        self.assertIsNone(self.find("inst2"))
        (self.proc / str(os.getpid()) / "cmdline").write_bytes(b"vi\0-name\0")
        self.assertIsNone(self.find())

    def test_zombie(self) -> None:
        """
        One that has ended and was not reaped yet does not run.
        """
        self.stat.write_text(STAT.format(state="Z", user=1, system=1))
        self.assertIsNone(self.find())

    def test_bad_pid_files(self) -> None:
        """
        A pid file that is missing, empty or odd names no process.
        """
        for text in ("", "x", "-1", "0", "9" * 30):
            self.pidfile.write_text(text)
            self.assertIsNone(self.find())
        self.pidfile.unlink()
        self.assertIsNone(self.find())


class GroupTests(NodeTestCase):
    """
    Tests for the control groups of guests.
    """

    HYBRID = (
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /sys/fs/cgroup/my\\040groups rw shared:9 - cgroup2 cgroup2 rw\n"
    )

    def test_hybrid(self) -> None:
        """
        Version 2 is found beside version 1, with blanks in its path.
        """
        self.assertEqual(mount_point(self.HYBRID), Path("/sys/fs/cgroup/my groups"))

    def test_none(self) -> None:
        """
        Without version 2 there are no groups.
        """
        self.assertIsNone(mount_point(self.HYBRID.replace("cgroup2", "cgroup")))

    def test_systemd(self) -> None:
        """
        Where systemd owns the groups none are made beside its own.
        """
        mounts = self.root / "mountinfo"
        mounts.write_text(self.HYBRID)
        self.assertEqual(
            groups("n1", mounts, self.root / "none"),
            Groups(Path("/sys/fs/cgroup/my groups/gnttwist-guests/n1")),
        )
        self.assertIsNone(groups("n1", mounts, self.root))

    def test_not_writable(self) -> None:
        """
        Where a group cannot be made, the guest goes without.
        """
        (self.root / "file").touch()
        self.assertIsNone(Groups(self.root / "file").join("inst1"))

    def test_join_and_leave(self) -> None:
        """
        A guest's group is a directory that goes with the guest, and with the last one all above it.
        """
        base = self.root / "top" / "n1"
        for each in ("a", "b"):
            (base / each).mkdir(parents=True)
            (base / each / "cgroup.procs").touch()
            descriptor = Groups(base).join(each)
            assert descriptor is not None
            os.close(descriptor)
            (base / each / "cgroup.procs").unlink()
        Groups(base).leave("a")
        self.assertEqual(os.listdir(base), ["b"])
        Groups(base).leave("b")
        self.assertFalse(base.parent.exists())


class SocketTests(NodeTestCase):
    """
    Tests for L{connect}.
    """

    def test_long_path(self) -> None:
        """
        A socket is reached although its path is longer than an address.
        """
        directory = self.root / ("x" * 120)
        directory.mkdir()
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        link = self.root.parent / "s"
        link.symlink_to(directory)
        listener.bind(str(link / "socket"))
        listener.listen()
        with connect(directory / "socket", 5) as found:
            found.sendall(b"hello")
            accepted, _ = listener.accept()
            with accepted:
                self.assertEqual(accepted.recv(10), b"hello")

    def test_nobody(self) -> None:
        """
        Where nothing is, or nothing listens any more, it is an error at once.
        """
        self.assertRaises(FileNotFoundError, connect, self.root / "socket", 5)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.root / "socket"))
        self.assertRaises(ConnectionRefusedError, connect, self.root / "socket", 5)


class HypervisorTests(NodeTestCase):
    """
    Tests for L{KVMHypervisor} as far as it goes without QEMU.
    """

    def setUp(self) -> None:
        super().setUp()
        self.kvm = KVMHypervisor()

    def test_nothing_runs(self) -> None:
        """
        On a node that never had guests there are none.
        """
        self.assertEqual(self.kvm.names(self.context), [])
        self.assertEqual(self.kvm.all_info(self.context), {})
        self.assertIsNone(self.kvm.info(self.context, "inst1"))

    def test_left_over(self) -> None:
        """
        The files of a guest that has gone do not count, and go when it is stopped.
        """
        places = Places(self.context.paths)
        places.make()
        for each in (places.pid("inst1"), places.runtime("inst1"), places.socket("inst1", "qmp")):
            each.write_text("0")
        self.assertEqual(self.kvm.names(self.context), [])
        reason = self.assertRaises(
            FunctionError, self.kvm.stop, self.context, "inst1", force=False, timeout=1
        )
        self.assertEqual(str(reason), "Failed to stop instance inst1: not running")
        self.assertFalse(places.pid("inst1").exists() or places.runtime("inst1").exists())

    def test_another_guests_number(self) -> None:
        """
        A pid file that names this very process, which is no guest, does not make it one.
        """
        places = Places(self.context.paths)
        places.make()
        places.pid("inst1").write_text(str(os.getpid()))
        self.assertEqual(self.kvm.all_info(self.context), {})

    def test_no_qemu(self) -> None:
        """
        Where QEMU is not installed, the package is named.
        """
        reason = self.assertRaises(
            FunctionError, self.kvm.validate, self.context, {"kvm_path": "/usr/bin/qemu-system-none"}
        )
        self.assertIn("qemu-system-x86", str(reason))
        self.assertEqual(
            self.kvm.verify(self.context, {"kvm_path": "/usr/bin/qemu-system-none"}), str(reason)
        )

    def console(self, **hvparams: Any) -> dict[str, Any]:
        """
        How the console is reached.
        """
        node, group = {"name": "node1.example.com"}, {"ndparams": {"ssh_port": 2222}}
        return self.kvm.console(self.context, instance(), node, group, hvparams, {})

    def test_console(self) -> None:
        """
        The console is Ganeti's command on the node, by its ssh port, and names the serial socket.
        """
        found = self.console()
        control = self.root / "var/run/ganeti/kvm-hypervisor/ctrl"
        self.assertEqual(
            found,
            {
                "instance": "inst1.example.com",
                "kind": "ssh",
                "host": "node1.example.com",
                "port": 2222,
                "user": "root",
                "command": [
                    "/usr/lib/ganeti/tools/kvm-console-wrapper",
                    "/usr/bin/socat",
                    "inst1.example.com",
                    f"{control}/inst1.example.com.monitor",
                    "STDIO,raw,echo=0,escape=0x1d",
                    f"UNIX-CONNECT:{control}/inst1.example.com.serial",
                ],
            },
        )

    def test_no_console(self) -> None:
        """
        A guest without a serial port has a message in its place.
        """
        self.assertEqual(self.console(serial_console=False)["kind"], "msg")

    def test_node_info(self) -> None:
        """
        The node's memory and processors are told by the names that callers know, and no others.
        """
        self.assertEqual(
            set(self.kvm.node_info(self.context, {})),
            {
                "memory_total",
                "memory_free",
                "memory_dom0",
                "cpu_total",
                "cpu_dom0",
                "cpu_nodes",
                "cpu_sockets",
            },
        )


class PresenceTests(NodeTestCase):
    """
    Tests for L{gnttwist.functions.hypervisor.kvm.presence}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.file = self.root / "inst1"

    def test_inherited(self) -> None:
        """
        Who has inherited the lock holds it, whatever becomes of who took it, and lets go by its end.
        """
        lock = take(self.file)
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=(lock,)):
            os.close(lock)
            self.assertTrue(held(self.file))
            self.assertRaises(Taken, take, self.file)
        self.assertFalse(held(self.file))
        os.close(take(self.file))

    def test_nobody(self) -> None:
        """
        Without the file, or with one that nobody has locked, there is no process.
        """
        self.assertFalse(held(self.file))
        self.file.touch()
        self.assertFalse(held(self.file))

    def test_asking_disturbs_nobody(self) -> None:
        """
        Somebody who looks does not keep a guest from being started.
        """
        self.file.touch()
        held(self.file)
        lock = take(self.file)
        self.addCleanup(os.close, lock)
        self.assertTrue(held(self.file))
