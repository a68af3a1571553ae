"""
Tests for L{gnttwist.rapi.auth}.
"""

import os
from base64 import b64encode
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.net.http import Refusal
from gnttwist.rapi.auth import (
    FORGIVEN_AFTER,
    LONGEST_DELAY,
    WAITING_MOST,
    Authentication,
    UsersFile,
)
from gnttwist.rapi.users import READ, User


def basic(name: str, password: str) -> bytes:
    return b"Basic " + b64encode(f"{name}:{password}".encode())


class AuthenticationTests(SynchronousTestCase):
    """
    Tests for L{Authentication} and L{UsersFile}.
    """

    def setUp(self) -> None:
        """
        A file with two users.
        """
        self.path = Path(self.mktemp())
        self.path.write_text("ann secret write\nbob pass\n")
        self.clock = Clock()
        self.users = UsersFile(self.path)
        self.authentication = Authentication(self.clock, self.users)

    def check(self, header: bytes | None, source: str = "::1", permission: str = READ) -> User | Refusal:
        """
        Look at a request.
        """
        return self.authentication.check(header, source, permission)

    def refused(self, *arguments: bytes | str | None) -> Refusal:
        """
        Look at a request that must be refused.
        """
        found = self.check(*arguments)  # type: ignore[arg-type]
        assert isinstance(found, Refusal), found
        return found

    def test_let_in(self) -> None:
        """
        Who has the password is let in, to what the user may do.
        """
        found = self.check(basic("ann", "secret"), "::1", "nodes")
        self.assertEqual(found.name if isinstance(found, User) else found, "ann")
        self.assertEqual(self.refused(basic("bob", "pass"), "::1", "nodes").status, 403)

    def test_all(self) -> None:
        """
        Who looked at all users keeps what was so then; who looks again sees what has become of the file.
        """
        before = self.users.all()
        self.path.write_text("ann secret write\n")
        self.assertEqual((list(before), list(self.users.all())), (["ann", "bob"], ["ann"]))

    def test_without_user(self) -> None:
        """
        Without a user nothing is shown, unless reading is allowed; writing never is.
        """
        self.assertEqual(self.refused(None).status, 401)
        self.assertIn((b"WWW-Authenticate", b'Basic realm="Ganeti Remote API"'), self.refused(None).headers)
        self.authentication = Authentication(self.clock, self.users, anonymous=True)
        self.assertIsInstance(self.check(None), User)
        self.assertEqual(self.refused(None, "::1", "nodes").status, 401)
        self.assertEqual(self.refused(basic("ann", "wrong")).status, 401)

    def test_what_is_no_basic_authentication(self) -> None:
        """
        Headers that cannot be read are wrong passwords.
        """
        for number, each in enumerate(
            (b"", b"Basic", b"Basic %%%", b"Bearer x", b"Basic " + b64encode(b"ann"))
        ):
            self.assertEqual(self.refused(each, f"::{number:x}").status, 401, each)

    def test_slowed(self) -> None:
        """
        Each failed attempt of a source is answered later than the one before; other sources are not slowed.
        """
        delays = []
        for _ in range(8):
            delays.append(self.refused(basic("ann", "x")).delay)
            self.clock.advance(delays[-1] + 0.01)
        self.assertEqual(delays, sorted(delays))
        self.assertEqual(delays[-1], LONGEST_DELAY)
        self.assertLess(self.refused(basic("ann", "x"), "::2").delay, 1)
        self.clock.advance(FORGIVEN_AFTER + 1)
        self.assertLess(self.refused(basic("ann", "x")).delay, 1)

    def test_guessing_in_parallel(self) -> None:
        """
        While several failed attempts wait for their answers, others are not even looked at.
        """
        for _ in range(WAITING_MOST):
            self.assertEqual(self.refused(basic("ann", "x")).status, 401)
        self.assertEqual(self.refused(basic("ann", "secret")).status, 429)
        self.clock.advance(LONGEST_DELAY * 2)
        self.assertIsInstance(self.check(basic("ann", "secret")), User)

    def change(self, text: str) -> None:
        """
        Replace the file.
        """
        other = self.path.with_suffix(".new")
        other.write_text(text)
        os.replace(other, self.path)

    def test_changed_file(self) -> None:
        """
        A changed file counts at once; one that cannot be read leaves what was read; a missing one lets nobody in.
        """
        self.assertIsInstance(self.check(basic("ann", "secret")), User)
        self.change("ann other write\n")
        self.assertEqual(self.refused(basic("ann", "secret")).status, 401)
        self.change("ann other fly\n")
        self.assertIsInstance(self.check(basic("ann", "other")), User)
        self.path.unlink()
        self.assertEqual(self.refused(basic("ann", "other")).status, 401)
