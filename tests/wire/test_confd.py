"""
Tests for L{gnttwist.wire.confd}.
"""

import json

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import Rejected
from gnttwist.wire.confd import (
    MAGIC,
    MAX_QUERY,
    Reply,
    Request,
    decode_reply,
    decode_request,
    encode_prepared,
    encode_request,
    prepare,
    seal,
    unseal,
)

KEY = b"0123456789abcdef\n"
NOW = 1_700_000_000.0
REQUEST = Request(1, 1, "11111111-2222-3333-4444-555555555555", "node1")


class EnvelopeTests(SynchronousTestCase):
    """
    Tests for L{seal} and L{unseal}.
    """

    def test_vector(self) -> None:
        """
        The signature is the one that the reference gives for a message that Python has made.
        """
        message = (
            '{"protocol": 1, "type": 0, "query": null, "rsalt": "11111111-2222-3333-4444-555555555555"}\n'
        )
        envelope = json.loads(seal(KEY, "1700000000", message.encode())[len(MAGIC) :])
        self.assertEqual(envelope["hmac"], "74a7a072abab39eea916fb8a51a47cd82e275b8b")
        self.assertEqual(envelope["msg"], message)

    @given(st.text(), st.text())
    def test_round_trip(self, salt: str, message: str) -> None:
        """
        What was sealed comes out, whatever it is.
        """
        self.assertEqual(unseal(KEY, seal(KEY, salt, message.encode())), (salt, message.encode()))

    @given(st.integers(0, 200), st.integers(0, 255))
    def test_altered(self, position: int, byte: int) -> None:
        """
        A datagram with one byte changed is rejected, or says what it said.
        """
        good = seal(KEY, "17", b"hello")
        position %= len(good)
        altered = good[:position] + bytes([byte]) + good[position + 1 :]
        try:
            found = unseal(KEY, altered)
        except Rejected:
            return
        self.assertEqual(found, ("17", b"hello"))

    @given(st.binary(max_size=200))
    def test_garbage(self, data: bytes) -> None:
        """
        Garbage is rejected, and nothing else is raised.
        """
        for each in (data, MAGIC + data, MAGIC + b"[" * 2000 + data):
            self.assertRaises(Rejected, unseal, KEY, each)

    def test_capital_digits(self) -> None:
        """
        The signature may be written in capitals.
        """
        good = seal(KEY, "17", b"hello")
        envelope = json.loads(good[len(MAGIC) :])
        envelope["hmac"] = envelope["hmac"].upper()
        self.assertEqual(unseal(KEY, MAGIC + json.dumps(envelope).encode()), ("17", b"hello"))

    def test_other_key(self) -> None:
        """
        Another key's signature is wrong; the key's newline is part of it.
        """
        self.assertRaises(Rejected, unseal, KEY.rstrip(), seal(KEY, "17", b"hello"))


class RequestTests(SynchronousTestCase):
    """
    Tests for L{decode_request}.
    """

    def test_round_trip(self) -> None:
        """
        A question arrives as it was asked, within five minutes either way.
        """
        for skew in (-300, 0, 300):
            self.assertEqual(decode_request(KEY, encode_request(KEY, REQUEST, NOW), NOW + skew), REQUEST)

    def test_skewed(self) -> None:
        """
        A question from another time is rejected.
        """
        for skew in (-301, 301):
            self.assertRaises(Rejected, decode_request, KEY, encode_request(KEY, REQUEST, NOW), NOW + skew)

    def test_bad_salts(self) -> None:
        """
        A salt that is not a plain number is rejected.
        """
        message = json.dumps({"protocol": 1, "type": 0, "rsalt": "x"}).encode()
        for salt in ("", "1700000000.0", "-1700000000", "\u0661", "9" * 4000, "0x10"):
            self.assertRaises(Rejected, decode_request, KEY, seal(KEY, salt, message), NOW)

    def test_schema(self) -> None:
        """
        Members that are missing, unknown or of the wrong type are rejected, as Ganeti's daemon does.
        """
        good = {"protocol": 1, "type": 0, "rsalt": "x"}
        for bad in (
            {"type": "x"},
            {"type": None},
            {"more": 1},
            {"query": ["a"]},
            {"query": 3},
            {"rsalt": None},
        ):
            datagram = seal(KEY, str(int(NOW)), json.dumps({**good, **bad}).encode())
            self.assertRaises(Rejected, decode_request, KEY, datagram, NOW)
        decode_request(KEY, seal(KEY, str(int(NOW)), json.dumps({**good, "query": None}).encode()), NOW)

    def test_long(self) -> None:
        """
        A query that is longer than Ganeti's daemon reads is rejected.
        """
        long = encode_request(KEY, Request(1, 1, "x", "n" * MAX_QUERY), NOW)
        self.assertRaises(Rejected, decode_request, KEY, long, NOW)


class ReplyTests(SynchronousTestCase):
    """
    Tests for L{encode_reply} and L{decode_reply}.
    """

    def test_round_trip(self) -> None:
        """
        A reply comes back with the salt of its question.
        """
        data = encode_prepared(KEY, "salt", prepare(Reply(1, 0, [1], 12)))
        self.assertEqual(decode_reply(KEY, data), ("salt", Reply(1, 0, [1], 12)))

    @given(st.text(), st.text())
    def test_prepared(self, salt: str, answer: str) -> None:
        """
        A prepared reply is sealed like any other message.
        """
        prepared = prepare(Reply(1, 0, answer, 1))
        self.assertEqual(encode_prepared(KEY, salt, prepared), seal(KEY, salt, prepared.message))

    def test_not_an_answer(self) -> None:
        """
        A signed message that is no answer is rejected.
        """
        self.assertRaises(Rejected, decode_reply, KEY, seal(KEY, "salt", b'{"protocol":1}'))
