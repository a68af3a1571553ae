"""
Tests for L{gnttwist.sandbox.requirements}.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.sandbox import requirements
from gnttwist.sandbox.layout import SandboxError


class Machine:
    """
    A machine with some programs.

    @ivar ran: What was run on it.
    """

    def __init__(self, *programs: str, works: bool = True) -> None:
        self.programs = programs
        self.ran: list[Sequence[str]] = []
        self.said: list[str] = []
        self.works = works

    def find(self, program: str) -> str | None:
        """
        Where a program is.
        """
        return f"/bin/{program}" if program in self.programs else None

    def run(self, command: Sequence[str]) -> int:
        """
        Pretend to run a command.
        """
        self.ran.append(command)
        return 0 if self.works else 100

    def hypervisor(self, uid: int, **environ: str) -> str:
        """
        The demonstration's hypervisor on this machine.
        """
        return requirements.hypervisor(environ, uid, self.said.append, self.find, self.run)


ALL = ("qemu-system-x86_64", "flock", "tar", "apt-get")


class HypervisorTests(SynchronousTestCase):
    """
    Tests for L{requirements.hypervisor}.
    """

    def test_complete(self) -> None:
        """
        Where everything is there, the guest is a real one and nothing is installed, whoever asks.
        """
        for uid in (0, 1000):
            machine = Machine(*ALL)
            self.assertEqual(machine.hypervisor(uid), "kvm")
            self.assertEqual((machine.ran, machine.said), ([], []))

    def test_installs(self) -> None:
        """
        As root, what is missing is named and installed.
        """
        machine = Machine("apt-get", "tar", "flock")
        self.assertEqual(machine.hypervisor(0), "kvm")
        self.assertIn("qemu-system-x86", machine.said[0])
        self.assertEqual(machine.ran[-1][-1], "qemu-system-x86")

    def test_install_fails(self) -> None:
        """
        An installation that fails ends in an error that shows the command.
        """
        machine = Machine("apt-get", works=False)
        error = self.assertRaises(SandboxError, machine.hypervisor, 0)
        self.assertIn("apt-get", str(error))

    def test_forbidden(self) -> None:
        """
        Where installing is forbidden, what is missing is named, and nothing is installed.
        """
        machine = Machine("apt-get")
        error = self.assertRaises(SandboxError, machine.hypervisor, 0, GNT_NO_INSTALL="1")
        self.assertIn("qemu-system-x86", str(error))
        self.assertEqual(machine.ran, [])

    def test_nobody_can_install(self) -> None:
        """
        Without root and without QEMU the guest is a fake one, and one line says so.
        """
        machine = Machine("apt-get", "tar", "flock")
        self.assertEqual(machine.hypervisor(1000), "fake")
        self.assertEqual(len(machine.said), 1)
        self.assertIn("fake", machine.said[0])

    def test_wanted(self) -> None:
        """
        C{GNT_DEMO} decides: C{fake} needs nothing, C{kvm} does not fall back to it, others are unknown.
        """
        self.assertEqual(Machine(*ALL).hypervisor(0, GNT_DEMO="fake"), "fake")
        self.assertRaises(SandboxError, Machine().hypervisor, 1000, GNT_DEMO="kvm")
        self.assertRaises(SandboxError, Machine(*ALL).hypervisor, 0, GNT_DEMO="xen")


class PrivateDirectoryTests(SynchronousTestCase):
    """
    Tests for L{requirements.private_directory}.
    """

    def test_mine(self) -> None:
        """
        A directory of one's own is made, or taken as it is.
        """
        path = Path(self.mktemp())
        requirements.private_directory(path)
        requirements.private_directory(path)
        self.assertEqual(path.stat().st_mode & 0o777, 0o700)

    def test_not_mine(self) -> None:
        """
        What somebody may have put there is refused.
        """
        path = Path(self.mktemp())
        os.symlink("/tmp", path)
        self.assertRaises(SandboxError, requirements.private_directory, path)
