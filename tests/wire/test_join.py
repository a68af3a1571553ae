"""
Tests for L{gnttwist.wire.join}.
"""

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import RemoteError
from gnttwist.wire import join
from gnttwist.wire.framing import SEPARATOR

CODE = join.Code.of(b"a certificate", bytes(range(16)))
codes = st.builds(join.Code, st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
numbers = st.binary(min_size=32, max_size=32)


class CodeTests(SynchronousTestCase):
    """
    Tests for L{join.Code}.
    """

    @given(codes)
    def test_round_trip(self, code: join.Code) -> None:
        """
        A code is read as it was printed, also in capitals and with spaces.
        """
        self.assertEqual(join.Code.parse(str(code)), code)
        self.assertEqual(join.Code.parse(f"  {str(code).upper().replace('-', ' ')}\n"), code)

    @given(codes, st.integers(0, 55), st.sampled_from("abcdefgh234567"))
    def test_slip(self, code: join.Code, place: int, letter: str) -> None:
        """
        A letter that was copied wrongly is noticed.
        """
        letters = str(code).replace("-", "")
        wrong = letters[:place] + letter + letters[place + 1 :]
        if wrong != letters:
            self.assertRaises(join.BadCode, join.Code.parse, wrong)

    @given(st.text())
    def test_anything(self, text: str) -> None:
        """
        Anything else is no code.
        """
        self.assertRaises(join.BadCode, join.Code.parse, text)

    def test_names(self) -> None:
        """
        A code is for one certificate.
        """
        self.assertTrue(CODE.names(b"a certificate"))
        self.assertFalse(CODE.names(b"another"))

    def test_secret(self) -> None:
        """
        A code is not in what is logged.
        """
        self.assertNotIn("\\x01\\x02", repr(CODE))


class MessageTests(SynchronousTestCase):
    """
    Tests for messages.
    """

    PACKAGE = join.Package("cluster", "node", {"server.pem": b"key \x03\xff"}, {"node_list": "node\n"})

    def test_round_trip(self) -> None:
        """
        Messages come as they were sent, whatever bytes files have.
        """
        messages: tuple[join.Message, ...] = (
            join.Hello(1, b"n"),
            join.Proof(b"n", b"p"),
            join.Answer(b"p", "h"),
            self.PACKAGE,
            join.Done("AA"),
        )
        for message in messages:
            data = join.encode(message)
            self.assertEqual((data[-1:], data.count(SEPARATOR)), (SEPARATOR, 1))
            self.assertEqual(join.decode(type(message), data[:-1]), message)

    @given(st.binary())
    def test_garbage(self, data: bytes) -> None:
        """
        What is not the message that must come is told, without quoting it.
        """
        error = self.assertRaises(RemoteError, join.decode, join.Proof, data)
        self.assertEqual(str(error), "what came is not the message Proof")

    def test_wrong_message(self) -> None:
        """
        Messages are not taken for others.
        """
        self.assertRaises(RemoteError, join.decode, join.Hello, join.encode(join.Done("AA"))[:-1])

    def test_secret(self) -> None:
        """
        Keys are not in what is logged.
        """
        self.assertNotIn("key", repr(self.PACKAGE))


class ProofTests(SynchronousTestCase):
    """
    Tests for L{join.Conversation}.
    """

    @given(st.lists(numbers, min_size=8, max_size=8))
    def test_bound(self, parts: list[bytes]) -> None:
        """
        A proof is of one side, secret, certificate and conversation.
        """
        first, second = join.Conversation(*parts[:4]), join.Conversation(*parts[4:])
        self.assertFalse(join.proves(first.by_master(), first.by_machine()))
        self.assertEqual(join.proves(first.by_master(), second.by_master()), parts[:4] == parts[4:])

    def test_nonce(self) -> None:
        """
        Short numbers are refused.
        """
        self.assertRaises(RemoteError, join.checked_nonce, b"")
