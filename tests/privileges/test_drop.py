"""
Tests for L{gnttwist.privileges.drop}.
"""

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.privileges.accounts import Account
from gnttwist.privileges.drop import CannotDrop, become, verify

SOMEBODY = Account("somebody", 70001, 70002, (70003, 70004))


def in_child(body: str) -> str:
    """
    What a process of its own prints that runs C{body}.
    """
    lines = (
        "import os",
        "from gnttwist.privileges.accounts import Account",
        "from gnttwist.privileges.drop import CannotDrop, become, verify",
        f"account = Account(*{(SOMEBODY.name, SOMEBODY.uid, SOMEBODY.gid, SOMEBODY.groups)!r})",
        body,
    )
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=20, cwd="/"
    )
    return ended.stdout + ended.stderr


class BecomeTests(SynchronousTestCase):
    """
    Tests for L{become}.
    """

    def need_root(self) -> None:
        """
        Skip where nothing can be dropped.
        """
        if os.geteuid() != 0:
            self.skipTest("only root can become somebody else")

    def test_become(self) -> None:
        """
        All ids, the groups and the capabilities are the account's, and there is no way back.
        """
        self.need_root()
        said = in_child(
            "become(account)\n"
            "print(os.getresuid(), os.getresgid(), sorted(os.getgroups()))\n"
            "print([line for line in open('/proc/self/status') if line.startswith(('CapEff', 'NoNew'))])\n"
            "try:\n    os.setuid(0)\nexcept PermissionError:\n    print('no way back')"
        )
        self.assertIn("(70001, 70001, 70001) (70002, 70002, 70002) [70003, 70004]", said)
        self.assertIn("CapEff:\\t0000000000000000", said)
        self.assertIn("NoNewPrivs:\\t1", said)
        self.assertIn("no way back", said)

    def test_incomplete(self) -> None:
        """
        What is left of another identity is noticed: a group, a saved user, root itself.
        """
        self.need_root()
        for body in (
            "os.setgroups([70003, 70004, 0]); os.setresgid(70002, 70002, 70002); os.setresuid(70001, 70001, 70001)",
            "os.setgroups([70003, 70004]); os.setresgid(70002, 70002, 70002); os.setresuid(70001, 70001, 0)",
            "os.setgroups([70003, 70004]); os.setresgid(70002, 70002, 0); os.setresuid(70001, 70001, 70001)",
            "pass",
        ):
            with self.subTest(body=body):
                said = in_child(
                    f"{body}\ntry:\n    verify(account)\nexcept CannotDrop as why:\n    print('noticed', why)"
                )
                self.assertIn("noticed not somebody", said)

    def test_without_root(self) -> None:
        """
        Without root nobody can become somebody else, and it is not taken for done.
        """
        if os.geteuid() != 0:
            self.assertRaises(CannotDrop, become, SOMEBODY)
            self.assertRaises(CannotDrop, verify, SOMEBODY)
            return
        said = in_child(
            "os.setuid(70009)\ntry:\n    become(account)\nexcept CannotDrop as why:\n    print('refused', why)"
        )
        self.assertIn("refused cannot become somebody", said)
