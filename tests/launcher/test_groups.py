"""
Tests for L{gnttwist.launcher.groups}, with the kernel's own groups where there are any.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import rmtree

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.functions.registry import GUEST_MARK
from gnttwist.launcher import tree
from gnttwist.launcher.groups import Group, Groups, find
from gnttwist.paths import Paths
from gnttwist.sandbox.processes import wait_until
from gnttwist.wire.limits import CallLimits

DEADLINE = 5.0

JOINING = """
import os, subprocess, sys
from pathlib import Path
from gnttwist.launcher.groups import Group

group = Group(Path(sys.argv[1]))
group.join_before_programs()
before = len(group.members())
match sys.argv[2]:
    case "popen": subprocess.run(["true"], check=True)
    case "spawn": os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
    case "system": os.system("true")
    case "fork":
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
print(before, [each.pid for each in group.members()] == [os.getpid()])
"""
"""
A process that starts a program, and looks who is in the group before and after.
"""

ESCAPE = "(setsid sleep 30 >/dev/null 2>&1 &)"
"""
A program in a session of its own, whose parents have ended: nothing in C{/proc} tells where it came from.
"""


class GroupTests(SynchronousTestCase):
    """
    Tests for L{Group}.
    """

    def setUp(self) -> None:
        top = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(rmtree, top)
        groups = find(Paths(top / "node1", "node1"))
        if groups is None:
            self.skipTest("there is no cgroup v2 here in which groups can be made")
        self.groups = groups
        self.addCleanup(self.tidy)

    def tidy(self) -> None:
        """
        Whatever a test has left, ends.
        """
        for each in self.groups.base.glob("*/cgroup.kill"):
            each.write_text("1")
        for place in self.groups.base.glob("*/"):
            wait_until(lambda at=place: self.removed(at), DEADLINE)  # type: ignore[misc]
        self.groups.sweep()
        self.assertFalse(self.groups.base.exists())

    def removed(self, place: Path) -> bool:
        """
        Remove a group, which the kernel refuses until its last process is gone.
        """
        try:
            place.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def made(self) -> Group:
        """
        A new group.
        """
        group = self.groups.make("1.0:1", "upload_file")
        assert group is not None
        return group

    def run_in(self, group: Group, script: str, **environment: str) -> None:
        """
        Run a script to its end; what it starts stays.
        """
        subprocess.run(
            ["sh", "-c", f"echo 0 > {group.path}/cgroup.procs; {script}"],
            check=True,
            timeout=DEADLINE,
            env={**os.environ, **environment},
        )

    def test_escaped(self) -> None:
        """
        A group knows and ends what has left its call's session and lost its parents.
        """
        group = self.made()
        self.run_in(group, ESCAPE)
        (escaped,) = group.members()
        self.assertNotIn(escaped.pid, tree.belonging(tree.processes(), os.getpid()) - {escaped.pid})
        group.kill()
        self.assertTrue(wait_until(lambda: not group.members(), DEADLINE))
        group.remove()
        self.assertFalse(group.path.exists())

    def test_guest(self) -> None:
        """
        A guest is no member, survives the group's end, and does not keep the group.
        """
        group = self.made()
        self.run_in(group, ESCAPE, **{GUEST_MARK: "web1"})
        (guest,) = [int(each) for each in (group.path / "cgroup.procs").read_text().split()]
        self.assertEqual(group.members(), [])
        group.kill()
        group.remove()
        self.assertFalse(group.path.exists())
        self.assertIsNotNone(tree.stat(guest))
        os.kill(guest, signal.SIGKILL)

    def test_kept(self) -> None:
        """
        What a call leaves behind keeps the group, until a later launcher finds it empty.
        """
        group = self.made()
        self.run_in(group, ESCAPE)
        group.remove()
        self.groups.sweep()
        self.assertTrue(group.path.exists())
        group.kill()
        self.assertTrue(wait_until(lambda: not group.members(), DEADLINE))

        def swept() -> bool:
            self.groups.sweep()
            return not group.path.exists()

        self.assertTrue(wait_until(swept, DEADLINE))

    def test_before_programs(self) -> None:
        """
        A process joins before it starts a program, whichever way, and not earlier.
        """
        for way in ("popen", "spawn", "system", "fork", "none"):
            group = self.made()
            found = subprocess.run(
                [sys.executable, "-c", JOINING, str(group.path), way],
                check=True,
                timeout=DEADLINE,
                capture_output=True,
                text=True,
            )
            self.assertEqual(found.stdout, f"0 {way != 'none'}\n", way)
            group.remove()

    def test_none_needed(self) -> None:
        """
        A function that starts no programs gets none.
        """
        self.assertIsNone(self.groups.make("1.0:1", "version"))

    def test_gone(self) -> None:
        """
        A group that was never made, or is gone, has nobody in it, and ending it does nothing.
        """
        group = self.groups.of("never")
        group.join()
        group.kill()
        group.remove()
        self.assertEqual(group.members(), [])


class LimitTests(SynchronousTestCase):
    """
    Tests for limits of whole groups, on ordinary files in the kernel's place: few hierarchies have the controllers.
    """

    def setUp(self) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(rmtree, self.top)
        self.groups = Groups(self.top / "tree" / "node1", self.top)
        self.group = self.groups.of("1.0:1")
        self.group.path.mkdir(parents=True)

    def test_limits(self) -> None:
        """
        What a controller can limit is limited for all of the call together, and the rest left to each process.
        """
        for name in ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max"):
            (self.group.path / name).touch()
        left = self.group.limit(CallLimits(cpu=5, memory=64, files=200, processes=10))
        self.assertEqual(left, CallLimits(cpu=5, files=200))
        told = {each.name: each.read_text() for each in self.group.path.iterdir()}
        wanted = {
            "memory.max": f"{64 << 20}",
            "memory.swap.max": "0",
            "memory.oom.group": "1",
            "pids.max": "10",
        }
        self.assertEqual(told, wanted)

    def test_without_controllers(self) -> None:
        """
        Where there are no controllers everything is left to limits of each process, and no file appears.
        """
        limits = CallLimits(memory=64, processes=10)
        self.assertEqual(self.group.limit(limits), limits)
        self.assertEqual(list(self.group.path.iterdir()), [])

    def test_handed_on(self) -> None:
        """
        Each group above the calls' hands on those controllers that it has and that are of use.
        """
        for each in (self.top, self.top / "tree"):
            (each / "cgroup.controllers").write_text("cpuset pids\n")
        self.groups.open()
        for each in (self.top, self.top / "tree"):
            self.assertEqual((each / "cgroup.subtree_control").read_text(), "+pids")
        self.assertFalse((self.groups.base / "cgroup.subtree_control").exists())


class FindTests(SynchronousTestCase):
    """
    Tests for L{find}.
    """

    def setUp(self) -> None:
        self.top = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(rmtree, self.top)
        self.mounts = self.top / "mountinfo"
        self.own = self.top / "own"
        self.systemd = self.top / "systemd"
        self.paths = Paths(self.top / "node1", "node1")

    def found(self) -> Path | None:
        """
        Where groups would be; an ordinary directory is none, so nothing is found in it.
        """
        groups = find(self.paths, self.mounts, self.systemd, self.own)
        return None if groups is None else groups.base

    def test_none(self) -> None:
        """
        Without the table of mounts, without version 2, and where nothing can be made, there are no groups.
        """
        self.assertIsNone(self.found())
        self.mounts.write_text("32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n")
        self.assertIsNone(self.found())
        self.mounts.write_text("41 31 0:38 / /proc/no/such rw,relatime - cgroup2 cgroup2 rw\n")
        self.assertIsNone(self.found())

    def test_not_a_group(self) -> None:
        """
        A directory in which the kernel makes no files is not taken for a group.
        """
        self.mounts.write_text(f"41 31 0:38 / {self.top} rw,relatime - cgroup2 cgroup2 rw\n")
        self.assertIsNone(self.found())

    def test_systemd(self) -> None:
        """
        Under systemd groups are made in the launcher's own unit, which delegates them.
        """
        self.mounts.write_text(f"41 31 0:38 / {self.top} rw,relatime - cgroup2 cgroup2 rw\n")
        self.systemd.mkdir()
        self.own.write_text("9:name=systemd:/x\n0::/system.slice/gnt-launcher.service\n")
        place = self.top / "system.slice/gnt-launcher.service/gnttwist-calls/call-trial"
        place.mkdir(parents=True)
        (place / "cgroup.procs").touch()
        self.assertEqual(self.found(), place.parent)
