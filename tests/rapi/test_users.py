"""
Tests for L{gnttwist.rapi.users}.
"""

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.rapi.users import ALL, NOBODY, ROLES, BadUsersFile, User, hashed, parse


class UsersFileTests(SynchronousTestCase):
    """
    Tests for reading users files.
    """

    def test_ganetis_grammar(self) -> None:
        """
        C{write} may do everything; without options a user reads what nobody needs a right for.
        """
        users = parse("# staff\n\nann secret write\nbob pass\ncy pw read,write\ndee pw read\n")
        self.assertEqual(users["ann"].permissions, ALL)
        self.assertEqual(users["bob"].permissions, {"read"})
        self.assertEqual(users["cy"].permissions, ALL)
        self.assertEqual(users["dee"].permissions, {"read", "query", "console", "metrics"})

    def test_roles_and_permissions(self) -> None:
        """
        Roles and single permissions are applied from left to right.
        """
        users = parse("op x @operator,+nodes,-console\nblind x -read,+submit")
        self.assertEqual(users["op"].permissions, (ROLES["operator"] | {"nodes"}) - {"console"})
        self.assertEqual(users["blind"].permissions, {"submit"})

    def test_mistakes_name_the_line_and_no_password(self) -> None:
        """
        A line that cannot be read is named by its number; what it holds is not told.
        """
        for line in ("ann", "ann topsecret a b", "ann topsecret @boss", "ann topsecret ,+fly"):
            reason = self.assertRaises(BadUsersFile, parse, f"ok pw\n{line}\n")
            self.assertIn("line 2", str(reason))
            self.assertNotIn("topsecret", str(reason))

    def test_a_name_once(self) -> None:
        """
        A name that comes twice is a mistake: which password counts would be a guess.
        """
        self.assertRaises(BadUsersFile, parse, "ann a\nann b\n")


class PasswordTests(SynchronousTestCase):
    """
    Tests for comparing passwords.
    """

    def test_forms(self) -> None:
        """
        Passwords are clear, marked as clear, or hashed; the scheme's case does not matter.
        """
        for secret in ("p", "{CLEARTEXT}p", "{cleartext}p", "{HA1}" + hashed("ann", "p").upper()):
            user = User("ann", secret, ALL)
            self.assertTrue(user.has_password("p"), secret)
            self.assertFalse(user.has_password("q"), secret)

    def test_known_hash(self) -> None:
        """
        The hash is that of HTTP's digest authentication with Ganeti's realm, as C{md5sum} prints it.
        """
        self.assertEqual(hashed("jack", "abc123")[:13], "54c12257ee9be")

    def test_unknown_scheme_refuses(self) -> None:
        """
        A scheme that nobody knows lets nobody in, also not with its own text.
        """
        user = User("ann", "{BCRYPT}p", ALL)
        self.assertFalse(user.has_password("p") or user.has_password("{BCRYPT}p"))

    @given(st.text())
    def test_nobody(self, password: str) -> None:
        """
        No password is nobody's.
        """
        self.assertFalse(NOBODY.has_password(password))

    def test_representation_hides_the_password(self) -> None:
        """
        What is logged of a user has no password.
        """
        self.assertNotIn("topsecret", repr(User("ann", "topsecret", ALL)))
