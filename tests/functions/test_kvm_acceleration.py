"""
Tests for L{gnttwist.functions.hypervisor.kvm.acceleration} and L{gnttwist.functions.hypervisor.kvm.trial}.
"""

from attrs import define, field

from gnttwist.functions.hypervisor.kvm import testguest, trial
from gnttwist.functions.hypervisor.kvm.acceleration import Acceleration
from gnttwist.functions.hypervisor.kvm.trial import Outcome
from gnttwist.functions.registry import FunctionError
from tests.functions.context import NodeTestCase

WORKS = Outcome(testguest.LETTERS, "", testguest.STATUS, 0.2)
FAILS = Outcome(b"RP", "qemu: warning: odd\nKVM internal error. Suberror: 1\nEAX=0\n", None, 3.0)


@define
class Trials:
    """
    Gives outcomes in order, and remembers what was tried.
    """

    outcomes: list[Outcome]
    tried: list[tuple[str, str]] = field(factory=list)

    def __call__(self, program: str, accelerator: str) -> Outcome:
        """
        Try.
        """
        self.tried.append((program, accelerator))
        return self.outcomes.pop(0)


class AccelerationTests(NodeTestCase):
    """
    Tests for L{Acceleration.choose}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.device = self.root / "kvm"
        self.device.touch(0o600)
        self.qemu = self.root / "qemu"
        self.qemu.write_text("7.2")

    def choose(self, trials: Trials, flag: str = "", boot: str = "b1") -> str:
        """
        What is told of the choice.
        """
        file = self.root / "acceleration.json"
        return str(Acceleration(file, self.device, lambda: boot, trials).choose(str(self.qemu), flag))

    def test_works(self) -> None:
        """
        Where the test guest runs, guests get KVM.
        """
        trials = Trials([WORKS])
        self.assertEqual(self.choose(trials), "acceleration: KVM (a test guest ran in 0.2 s)")
        self.assertEqual(trials.tried, [(str(self.qemu), "kvm")])

    def test_fails(self) -> None:
        """
        Where it does not, they get TCG, and it is told where the test guest stopped and why.
        """
        self.assertEqual(
            self.choose(Trials([FAILS])),
            "acceleration: TCG (KVM fails: a test guest stopped in protected mode: KVM internal error. Suberror: 1)",
        )

    def test_remembered(self) -> None:
        """
        The answer is found out once, good or bad.
        """
        for outcome in (WORKS, FAILS):
            trials = Trials([outcome])
            self.assertEqual(self.choose(trials), self.choose(trials))
            (self.root / "acceleration.json").unlink()

    def test_another_boot(self) -> None:
        """
        After a reboot it is found out again.
        """
        trials = Trials([FAILS, WORKS])
        self.assertIn("TCG", self.choose(trials, boot="b1"))
        self.assertIn("KVM (", self.choose(trials, boot="b2"))

    def test_another_qemu(self) -> None:
        """
        With another QEMU it is found out again.
        """
        trials = Trials([FAILS, WORKS])
        self.assertIn("TCG", self.choose(trials))
        self.qemu.write_text("10.0.0")
        self.assertIn("KVM (", self.choose(trials))

    def test_damaged(self) -> None:
        """
        A file that cannot be read is written again.
        """
        (self.root / "acceleration.json").write_text("{")
        trials = Trials([WORKS])
        self.choose(trials)
        self.assertIn("KVM", self.choose(trials))

    def test_flag(self) -> None:
        """
        C{kvm_flag} leaves no choice, and nothing is tried.
        """
        trials = Trials([])
        self.assertEqual(self.choose(trials, "enabled"), "acceleration: KVM (kvm_flag is enabled)")
        self.assertEqual(self.choose(trials, "disabled"), "acceleration: TCG (kvm_flag is disabled)")

    def test_no_device(self) -> None:
        """
        Without the device nothing is tried.
        """
        self.device.unlink()
        self.assertEqual(self.choose(Trials([])), f"acceleration: TCG (there is no {self.device})")

    def test_no_qemu(self) -> None:
        """
        A QEMU that is not there is an error, not a reason for TCG.
        """
        self.qemu.unlink()
        self.assertRaises(FunctionError, self.choose, Trials([]))


class OutcomeTests(NodeTestCase):
    """
    Tests for L{Outcome} and L{trial.run}.
    """

    def test_slow_emulation(self) -> None:
        """
        A guest that was ended in its loop does not work, whatever it wrote before.
        """
        slow = Outcome(b"RPIL", "", None, 8.0)
        self.assertFalse(slow.works)
        self.assertEqual(slow.detail, "a test guest stopped in long mode, after 8.0 s")

    def test_wrong_end(self) -> None:
        """
        All letters and another exit status are not enough.
        """
        self.assertFalse(Outcome(testguest.LETTERS, "", 0, 0.2).works)

    def test_disk(self) -> None:
        """
        The test guest is a boot sector on a disk of 1 MiB.
        """
        disk = testguest.disk()
        self.assertEqual((len(disk), disk[510:512]), (1 << 20, b"\x55\xaa"))

    def program(self, script: str) -> str:
        """
        A program in the place of QEMU.
        """
        path = self.root / "qemu"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    def test_run(self) -> None:
        """
        What the program writes and how it ends is the outcome.
        """
        outcome = trial.run(self.program("printf RPILK; exit 33"), "kvm", 10)
        self.assertEqual((outcome.letters, outcome.status, outcome.works), (b"RPILK", 33, True))

    def test_hangs(self) -> None:
        """
        One that hangs is ended when the time is over, and what it wrote is kept.
        """
        outcome = trial.run(self.program("printf R; exec sleep 60"), "kvm", 0.3)
        self.assertEqual((outcome.letters, outcome.status), (b"R", None))

    def test_internal_error(self) -> None:
        """
        One that has given up is not waited for.
        """
        outcome = trial.run(self.program("echo KVM internal error. >&2; exec sleep 60"), "kvm", 30)
        self.assertEqual(
            outcome.detail, "a test guest stopped before its first instruction: KVM internal error."
        )
        self.assertLess(outcome.seconds, 20)

    def test_not_there(self) -> None:
        """
        A program that cannot be started is an error.
        """
        self.assertRaises(FunctionError, trial.run, "/nonexistent/qemu", "kvm", 1)

    def test_image_is_passed(self) -> None:
        """
        The program can open the image by the name that it is given.
        """
        seen = self.root / "seen"
        words = (
            'for each; do case "$each" in file=*) f=${each#file=}; cat "${f%%,*}" > ' + f"{seen}; esac; done"
        )
        trial.run(self.program(words), "tcg", 10)
        self.assertEqual(seen.read_bytes(), testguest.disk())
