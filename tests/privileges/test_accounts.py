"""
Tests for L{gnttwist.privileges.accounts}.
"""

import tempfile
from pathlib import Path
from shutil import rmtree

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.paths import Paths
from gnttwist.privileges.accounts import (
    GROUPS,
    MEMBERSHIPS,
    NAMES,
    USERS,
    Account,
    Accounts,
    BadUsers,
    load,
    numbered,
    users_file,
)
from gnttwist.wire.calls import FUNCTIONS

KNOWN = {NAMES[role]: 500 + position for position, role in enumerate(GROUPS)}


class LoadTests(SynchronousTestCase):
    """
    Tests for L{load}.
    """

    def setUp(self) -> None:
        top = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(rmtree, top)
        self.paths = Paths(top / "node1", "node1")
        self.paths.etc.mkdir(parents=True)

    def load(self, text: str | None) -> Accounts:
        """
        Load a file with this text, on a machine that has Ganeti's names.
        """
        if text is not None:
            users_file(self.paths).write_text(text)
        return load(self.paths, KNOWN.__getitem__, KNOWN.__getitem__)

    def test_virtual(self) -> None:
        """
        A node of a virtual cluster without the file has one user, whatever names the machine has.
        """
        self.assertFalse(self.load(None).separate)

    def test_system(self) -> None:
        """
        A system of its own without the file uses Ganeti's names where there are all of them, else one user.
        """

        def nobody(name: str) -> int:
            raise KeyError(name)

        system = Paths(Path("/"), "node1")
        if users_file(system).exists():
            self.skipTest("this machine is a node")
        self.assertEqual(load(system, KNOWN.__getitem__, KNOWN.__getitem__).uid("confd"), KNOWN["gnt-confd"])
        self.assertIn("gnt-masterd", load(system, nobody, nobody).lacking or "")

    def test_names_and_numbers(self) -> None:
        """
        Values are names or numbers; a role that is left out has Ganeti's name.
        """
        accounts = self.load(
            "[users]\nnoded = 77\nconfd = gnt-rapi\nrapi = gnt-confd\n[groups]\ndaemons = 88\n"
        )
        self.assertEqual(
            accounts.daemon("noded"),
            Account("gnt-noded", 77, KNOWN["gnt-noded"], (KNOWN["gnt-masterd"],)),
        )
        self.assertEqual(accounts.daemon("confd").groups, (88,))
        self.assertEqual(accounts.uid("confd"), KNOWN["gnt-rapi"])
        self.assertEqual((accounts.uid("root"), accounts.gid("root")), (0, 0))

    def test_mistakes(self) -> None:
        """
        A mistake in the file is an error of one line, and never leads to one user for everything.
        """
        for text in (
            "[users]\nnoded = who-is-that\n",
            "[users]\nnoted = 5\n",
            "[colours]\nnoded = 5\n",
            "noded = 5\n",
            "[users]\nnoded = 4294967295\n",
            "[users]\nnoded = 0\n",
            "[users]\nnoded = 9\nconfd = 9\n",
            "\0",
        ):
            with self.subTest(text=text):
                caught = self.assertRaises(BadUsers, self.load, text)
                self.assertNotIn("\n", str(caught))

    def test_numbered(self) -> None:
        """
        A numbered file gives every role a number of its own.
        """
        accounts = self.load(numbered(70000))
        self.assertEqual(len({accounts.gid(each) for each in GROUPS}), len(GROUPS))
        self.assertEqual({accounts.uid(each) for each in USERS}, {70000, 70001, 70002, 70003})

    @given(st.text(max_size=60))
    def test_garbage(self, text: str) -> None:
        """
        Whatever the file holds, it is used or refused, and nothing else happens.
        """
        try:
            users_file(self.paths).write_text(text)
        except UnicodeEncodeError:
            return
        try:
            self.load(None)
        except BadUsers as reason:
            self.assertIn(str(users_file(self.paths)), str(reason))


class RoleTests(SynchronousTestCase):
    """
    Tests for what roles are used.
    """

    def test_functions(self) -> None:
        """
        Every function's user is root or a role that there is.
        """
        self.assertLessEqual({each.user for each in FUNCTIONS.values()}, {"root", *USERS})

    def test_memberships(self) -> None:
        """
        Every daemon's user has its groups listed, and function processes have none of them.
        """
        self.assertEqual(set(MEMBERSHIPS), set(USERS))
        accounts = Accounts(None, dict.fromkeys(USERS, 5), dict.fromkeys(GROUPS, 6))
        self.assertEqual(accounts.function("noded"), Account("gnt-noded", 5, 6, ()))
        self.assertIsNone(accounts.function("root"))
