"""
What real QEMU processes of confined guests may do, read from /proc. Needs root.
"""

import contextlib
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen

from gnttwist.functions.hypervisor.interface import AttachedDisk
from gnttwist.functions.hypervisor.kvm import testguest
from gnttwist.functions.hypervisor.kvm.hypervisor import KVMHypervisor
from gnttwist.functions.hypervisor.kvm.places import Places
from gnttwist.functions.hypervisor.kvm.process import Process
from gnttwist.functions.registry import FunctionError
from gnttwist.paths import Paths
from tests.functions.context import NodeTestCase, Recorder, instance

QEMU = "/usr/bin/qemu-system-x86_64"
NODE = f"node{os.getpid()}.example.com"
"""
Its own: guests' control groups are the machine's, and are named by node and guest.
"""
FIRST, LAST = 61_000, 61_039
"""
Users that no system gives out.
"""
ROUND = 20
"""
Guests that are started in a row, and at once.
"""
PARALLEL = 5
"""
How many of them are being started at the same instant, on two cores.
"""


@frozen
class Seen:
    """
    What /proc says of a process.
    """

    uids: list[int]
    gids: list[int]
    groups: list[int]
    seccomp: int
    root: str
    effective: int


def seen(pid: int) -> Seen:
    """
    Look at a process.
    """
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    return Seen(
        uids=[int(each) for each in lines["Uid"].split()],
        gids=[int(each) for each in lines["Gid"].split()],
        groups=[int(each) for each in lines["Groups"].split()],
        seccomp=int(lines["Seccomp"]),
        root=os.readlink(f"/proc/{pid}/root"),
        effective=int(lines["CapEff"], 16),
    )


class SecurityTests(NodeTestCase):
    """
    Guests with the models C{none}, C{user} and C{pool}, and with C{use_chroot}.
    """

    timeout = 120
    if not os.access(QEMU, os.X_OK):
        skip = f"there is no {QEMU} (Debian package qemu-system-x86)"
    elif os.geteuid() != 0:
        skip = "needs root, to have other users"

    def setUp(self) -> None:
        super().setUp()
        # Its directories must be such that other users could get in, if only the files let them.
        self.root = Path(tempfile.mkdtemp(prefix="gnt-")) / NODE
        self.root.parent.chmod(0o755)
        self.root.mkdir()
        self.addCleanup(shutil.rmtree, self.root.parent)
        self.context = Recorder(Paths(self.root, NODE))
        self.places = Places(self.context.paths)
        self.kvm = KVMHypervisor()
        pool = self.context.paths.ssconf("uid_pool")
        pool.parent.mkdir(parents=True)
        pool.write_text(f"{FIRST}-{LAST}\n")
        self.started: dict[str, int] = {}
        self.addCleanup(self.end_all)

    def end_all(self) -> None:
        """
        Leave no guest behind.
        """
        for name in list(self.started):
            process = Process.find(self.places.pid(name), name)
            if process is not None:
                with process:
                    process.end(0, 20)
            self.reap(name)

    def start(self, name: str = "inst1.example.com", **hvparams: Any) -> int:
        """
        Start a guest that stands still.

        @return: Its process.
        """
        disk = self.root / f"{name}.disk"
        disk.touch(mode=0o600)
        disk.write_bytes(testguest.disk())
        wanted = instance(
            name=name,
            uuid="",
            hypervisor="kvm",
            beparams={"maxmem": 16, "vcpus": 1},
            hvparams={"kvm_flag": "disabled", **hvparams},
        )
        self.kvm.start(self.context, wanted, [AttachedDisk({"dev_type": "file"}, disk)], True)
        self.started[name] = int(self.places.pid(name).read_text())
        return self.started[name]

    def reap(self, name: str) -> None:
        """
        Here guests are children of this process, and not of one that has ended as in a function process.
        """
        os.waitpid(self.started.pop(name), 0)

    def stop(self, name: str = "inst1.example.com") -> None:
        """
        End a guest.
        """
        with ThreadPoolExecutor(1) as waiting:
            gone = waiting.submit(self.reap, name)
            self.kvm.stop(self.context, name, force=True, timeout=0)
            gone.result(20)

    def locks(self) -> list[str]:
        """
        The pool's files.
        """
        return sorted(os.listdir(self.context.paths.uid_pool_locks))

    def test_pool(self) -> None:
        """
        A guest of the pool is a user of the pool in every respect, in no group but its own, without capabilities,
        filtered, and holds no file but those that it was started with.
        """
        pid = self.start(security_model="pool")
        found = seen(pid)
        uid = found.uids[0]
        self.assertTrue(FIRST <= uid <= LAST)
        self.assertEqual((found.uids, found.gids, found.groups), ([uid] * 4, [uid] * 4, [uid]))
        self.assertEqual((found.seccomp, found.effective), (2, 0))
        self.assertEqual(self.places.uid("inst1.example.com").read_text(), str(uid))
        self.assertEqual(self.locks(), [str(uid)])
        files = {os.readlink(f"/proc/{pid}/fd/{each}") for each in os.listdir(f"/proc/{pid}/fd")}
        below = {Path(each).relative_to(self.root) for each in files if each.startswith(str(self.root))}
        base = self.places.base.relative_to(self.root)
        self.assertEqual(
            {str(each) for each in below},
            {
                "inst1.example.com.disk",
                "var/log/ganeti/kvm/inst1.example.com.log",
                f"{base}/alive/inst1.example.com",
                f"{base}/pid/inst1.example.com",
                f"var/run/ganeti/uid-pool/{uid}",
            },
        )
        self.stop()
        self.assertEqual(self.locks(), [])
        self.assertFalse(self.places.uid("inst1.example.com").exists())

    def test_strangers(self) -> None:
        """
        What has a guest's user cannot signal or read another guest, its disk, its sockets or its console.
        """
        one = seen(self.start("one", security_model="pool")).uids[0]
        two = self.start("two", security_model="pool")
        self.assertNotEqual(one, seen(two).uids[0])
        own = self.root / "one.disk"
        sockets = [self.places.socket(name, "qmp") for name in ("one", "two")]
        attempts: list[Callable[[], object]] = [
            lambda: os.kill(two, 0),
            lambda: os.listdir(f"/proc/{two}/fd"),
            *(
                partial(os.open, each, os.O_RDONLY)
                for each in (own, self.root / "two.disk", f"/proc/{two}/mem")
            ),
            *(
                partial(socket.socket(socket.AF_UNIX).connect, os.path.relpath(each))
                for each in (*sockets, self.places.socket("two", "serial"))
            ),
        ]
        self.assertEqual(self.permitted(one, attempts), [])
        # The same attempts do succeed for who may.
        self.assertEqual(len(self.permitted(0, attempts)), len(attempts))

    def permitted(self, uid: int, attempts: list[Callable[[], object]]) -> list[int]:
        """
        Make attempts as a user.

        @return: The positions of those that were not refused for want of permission.
        """
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
                for position, attempt in enumerate(attempts):
                    try:
                        attempt()
                    except PermissionError:
                        continue
                    except OSError as reason:
                        os.write(2, f"{position}: {reason}\n".encode())
                    os.write(writing, bytes([position]))
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            found = list(pipe.read())
        os.waitpid(child, 0)
        return found

    def test_user(self) -> None:
        """
        A guest of the model C{user} is that user; a name that is none, or is root, is refused.
        """
        found = seen(self.start(security_model="user", security_domain="nobody"))
        self.assertEqual(set(found.uids), {65534})
        self.assertEqual((found.seccomp, found.effective), (2, 0))
        self.stop()
        for name, word in (("nobody-such", "no user"), ("root", "is root")):
            reason = self.assertRaises(FunctionError, self.start, security_model="user", security_domain=name)
            self.assertIn(word, str(reason))
        self.assertEqual(self.kvm.names(self.context), [])

    def test_chroot(self) -> None:
        """
        A guest can be locked into an empty directory that it cannot write to; what is found there in spite of that is
        kept for an administrator.
        """
        pid = self.start(security_model="pool", use_chroot=True)
        root = self.places.chroot("inst1.example.com")
        self.assertEqual(seen(pid).root, str(root))
        self.assertEqual((root.stat().st_uid, root.stat().st_mode & 0o777), (0, 0o700))
        self.stop()
        self.assertFalse(root.exists())
        self.start(use_chroot=True)
        (root / "strange").touch()
        self.stop()
        self.assertFalse(root.exists())
        [kept] = self.places.quarantine.iterdir()
        self.assertTrue((kept / "root" / "strange").exists())

    def test_namespaces(self) -> None:
        """
        A guest can have its own mounts, processes, network and more: it is the first process there is, it has no
        network device, and is known, asked and ended as any other.
        """
        pid = self.start(security_model="pool", use_chroot=True, use_namespaces=True)
        kinds = ("mnt", "pid", "net", "ipc", "uts")
        shared = [
            each
            for each in kinds
            if os.readlink(f"/proc/{pid}/ns/{each}") == os.readlink(f"/proc/self/ns/{each}")
        ]
        self.assertEqual(shared, [])
        self.assertIn(f"NSpid:\t{pid}\t1\n", Path(f"/proc/{pid}/status").read_text())
        devices = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
        self.assertEqual([each.split(":")[0].strip() for each in devices], ["lo"])
        # What it mounts, the machine does not.
        self.assertEqual(Path("/proc/self/mounts").read_text().count("proc /proc proc"), 1)
        self.assertEqual(seen(pid).seccomp, 2)
        found = self.kvm.info(self.context, "inst1.example.com")
        assert found is not None
        self.assertEqual(found.memory, 16)
        self.stop()
        self.assertEqual(self.kvm.names(self.context), [])
        self.assertEqual([each.name for each in self.places.base.rglob("*inst1*")], [])

    def test_namespaces_and_failure(self) -> None:
        """
        A guest with namespaces of its own that does not start says why, and leaves nothing.
        """
        reason = self.assertRaises(
            FunctionError, self.start, use_namespaces=True, machine_version="no-such-machine"
        )
        self.assertIn("unsupported machine type", str(reason))
        self.assertEqual([each.name for each in self.places.base.rglob("*inst1*")], [])

    def test_killed(self) -> None:
        """
        The user of a guest that was killed is free, and is given out again.
        """
        self.context.paths.ssconf("uid_pool").write_text(str(FIRST))
        os.kill(self.start(security_model="pool"), signal.SIGKILL)
        self.reap("inst1.example.com")
        self.assertEqual(seen(self.start("other", security_model="pool")).uids[0], FIRST)

    def test_all_taken(self) -> None:
        """
        Where all users are taken, the guest is refused, and nothing is left of the attempt.
        """
        self.context.paths.ssconf("uid_pool").write_text(str(FIRST))
        self.start("one", security_model="pool")
        reason = self.assertRaises(FunctionError, self.start, "two", security_model="pool")
        self.assertIn("No user is free", str(reason))
        self.assertEqual([each.name for each in self.places.base.rglob("two*")], [])
        self.assertEqual(self.locks(), [str(FIRST)])

    def test_failed_start(self) -> None:
        """
        A guest that does not start gives its user back.
        """
        self.assertRaises(FunctionError, self.start, security_model="pool", machine_version="no-such-machine")
        self.assertEqual(self.locks(), [])
        self.assertEqual([each.name for each in self.places.base.rglob("inst1*")], [])

    def test_many(self) -> None:
        """
        Guests in a row and at once each have a user of their own, and afterwards the pool is whole.
        """
        for _ in range(ROUND):
            self.start(security_model="pool")
            self.stop()
        self.assertEqual(self.locks(), [])
        names = [f"inst{each}" for each in range(ROUND)]
        with ThreadPoolExecutor(PARALLEL) as at_once:
            pids = list(at_once.map(lambda name: self.start(name, security_model="pool"), names))
        uids = {seen(each).uids[0] for each in pids}
        self.assertEqual(len(uids), ROUND)
        with ThreadPoolExecutor(PARALLEL) as at_once:
            list(at_once.map(self.stop, names))
        self.assertEqual(self.locks(), [])
