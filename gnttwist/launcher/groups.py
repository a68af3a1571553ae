"""
A control group for each call, where the machine has version 2 of them and lets us make some.

The group has every program that a call started, also what left its session and lost its parents, which nothing else
can find; the call's own process joins it before the first of them. It is ended at once: frozen, so that nothing forks
meanwhile, and killed. Guests are taken out before.
"""

import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from attrs import frozen

from gnttwist.functions.hypervisor.kvm.cgroups import MOUNTS, SYSTEMD, mount_point
from gnttwist.launcher import tree
from gnttwist.paths import Paths
from gnttwist.wire.calls import FUNCTIONS, UNPRIVILEGED
from gnttwist.wire.limits import CallLimits

OWN = Path("/proc/self/cgroup")
TREE = "gnttwist-calls"
"""
The group of all calls' groups where systemd does not look after groups.
"""

CONTROLLERS = frozenset({"memory", "pids"})
"""
What limits a call as a whole, where the kernel has it in this hierarchy.
"""

GUESTS = "guests"
"""
Beside the calls' groups: where guests are put that were still in their call's.
"""


PROGRAMS = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "pty.spawn", "subprocess.Popen"}
)
"""
Python's events (PEP 578) before a process starts another one, or becomes one.
"""


def tidy(base: Path) -> None:
    """
    Remove the groups of a node that has no calls now, and that of all nodes where it was the last.
    """
    with suppress(OSError):
        with suppress(FileNotFoundError):
            (base / GUESTS).rmdir()
        base.rmdir()
        base.parent.rmdir()


@frozen
class Group:
    """
    One call's group.
    """

    path: Path

    def limit(self, limits: CallLimits) -> CallLimits:
        """
        Limit all of it together, as far as the kernel can here.

        @return: What is left for limits of each process.
        """
        if limits.memory is not None and self._set("memory.max", limits.memory << 20):
            # Not on disk instead, and not half of a call. Kernels may be without either.
            self._set("memory.swap.max", 0)
            self._set("memory.oom.group", 1)
            limits = msgspec.structs.replace(limits, memory=None)
        if limits.processes is not None and self._set("pids.max", limits.processes):
            limits = msgspec.structs.replace(limits, processes=None)
        return limits

    def _set(self, name: str, value: int) -> bool:
        try:
            descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            os.write(descriptor, str(value).encode())
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def join(self) -> bool:
        """
        Put the calling process into it; what it starts follows.

        @return: Whether it is in. Otherwise the call runs as it would without a group.
        """
        try:
            (self.path / "cgroup.procs").write_text("0")
        except OSError:
            return False
        return True

    def join_before_programs(self) -> None:
        """
        Let the calling process L{join} when it is about to start its first program. One that starts none is spared
        what joining costs: the kernel waits until nobody reads which group a process is in, 10 to 20 ms unless
        another one has joined just before.
        """
        joined = False

        def audit(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal joined
            if event in PROGRAMS and not joined:
                joined = True
                self.join()

        sys.addaudithook(audit)

    def members(self) -> Sequence[tree.Stat]:
        """
        Who is in it, guests left out.
        """
        found = (tree.stat(each) for each in self._pids() if not tree.is_guest(each))
        return [each for each in found if each is not None]

    def kill(self) -> None:
        """
        End everything in it but guests, at once.
        """
        with suppress(OSError):
            (self.path / "cgroup.freeze").write_text("1")
            self._release_guests()
            # Reaches frozen processes too. Kernels before 5.14 lack the file; there the search in /proc must do.
            (self.path / "cgroup.kill").write_text("1")
        with suppress(OSError):
            (self.path / "cgroup.freeze").write_text("0")

    def remove(self) -> None:
        """
        Remove it, when the call has ended. What a call leaves behind keeps it until the next launcher looks.
        """
        with suppress(OSError):
            self._release_guests()
            self.path.rmdir()
            tidy(self.path.parent)

    def _release_guests(self) -> None:
        guests = [each for each in self._pids() if tree.is_guest(each)]
        if guests:
            place = self.path.parent / GUESTS
            place.mkdir(exist_ok=True)
            for each in guests:
                (place / "cgroup.procs").write_text(str(each))

    def _pids(self) -> Iterator[int]:
        try:
            text = (self.path / "cgroup.procs").read_text()
        except OSError:
            return iter(())
        # A process of another namespace is 0.
        return iter([int(each) for each in text.split() if each != "0"])


@frozen
class Groups:
    """
    Where calls' groups are made.

    @ivar top: The group at or above C{base} that is ours, or has been given to us.
    """

    base: Path
    top: Path

    def make(self, call: str, function: str) -> Group | None:
        """
        Make a call's group; C{None} where the kernel has no more, and for functions that are not root: those start no
        programs, and for a short call a group is a tenth of its cost.
        """
        if function in FUNCTIONS and FUNCTIONS[function].user == UNPRIVILEGED:
            return None
        group = self.of(call)
        try:
            try:
                group.path.mkdir()
            except FileNotFoundError:
                self.open()
                group.path.mkdir()
        except OSError:
            return None
        return group

    def open(self) -> None:
        """
        Make the group of all calls' groups, and give it those of L{CONTROLLERS} that there are.

        A group that has processes itself cannot hand controllers on, as the launcher's own under systemd; calls have
        limits of each process then.

        @raise OSError: It cannot be made.
        """
        self.base.mkdir(parents=True, exist_ok=True)
        below = self.base.relative_to(self.top).parts
        for depth in range(len(below) + 1):
            group = self.top.joinpath(*below[:depth])
            with suppress(OSError):
                found = CONTROLLERS.intersection((group / "cgroup.controllers").read_text().split())
                for each in sorted(found):
                    (group / "cgroup.subtree_control").write_text(f"+{each}")

    def of(self, call: str) -> Group:
        """
        A call's group, which may not exist.

        @param call: The end of its id.
        """
        return Group(self.base / f"call-{call}")

    def sweep(self) -> None:
        """
        Remove the groups that earlier launchers left, as far as they are empty.
        """
        for each in self.base.glob("call-*"):
            with suppress(OSError):
                each.rmdir()
        tidy(self.base)


def find(paths: Paths, mounts: Path = MOUNTS, systemd: Path = SYSTEMD, own: Path = OWN) -> Groups | None:
    """
    Where this node's calls have their groups; C{None} where there can be none.
    """
    try:
        mount = mount_point(mounts.read_text())
        if mount is None:
            return None
        if systemd.exists():
            # Our unit delegates its group to us.
            top = mount / _own(own.read_text()).lstrip("/")
            base = top / TREE
        else:
            # Several nodes of one name may be on one machine, in different places.
            place = zlib.crc32(bytes(paths.root))
            top, base = mount, mount / TREE / f"{paths.hostname}-{place:08x}"
        groups = Groups(base, top)
        groups.sweep()
        groups.open()
        # The mount may be there and forbid this, as in containers.
        trial = groups.of("trial")
        trial.path.mkdir(parents=True, exist_ok=True)
        usable = os.access(trial.path / "cgroup.procs", os.W_OK)
        trial.remove()
    except OSError:
        return None
    return groups if usable else None


def _own(text: str) -> str:
    """
    The path of this process's group of version 2.
    """
    return next((line[3:] for line in text.splitlines() if line.startswith("0::")), "/")
