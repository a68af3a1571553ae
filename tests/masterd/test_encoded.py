"""
Tests for L{gnttwist.masterd.encoded}.
"""

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.masterd.encoded import Encoded
from gnttwist.wire.luxi_messages import decode_response, encode_success


class EncodedTests(SynchronousTestCase):
    """
    Tests for L{Encoded}.
    """

    def setUp(self) -> None:
        self.made: list[list[int]] = []
        self.encoded: Encoded[list[int]] = Encoded(self.make)

    def make(self, value: list[int]) -> list[int]:
        """
        Keep what was asked for.
        """
        self.made.append(value)
        return value

    def answer(self, value: list[int]) -> object:
        """
        What a client reads.
        """
        return decode_response(encode_success(self.encoded.of(value)))

    def test_once(self) -> None:
        """
        An answer is made once for one value, and is what its client reads.
        """
        value = [1, 2]
        self.assertEqual([self.answer(value), self.answer(value)], [[1, 2], [1, 2]])
        self.assertEqual(self.made, [[1, 2]])

    def test_replaced(self) -> None:
        """
        Another value has an answer of its own, also if it is equal.
        """
        for value in ([1], [1], [2]):
            self.assertEqual(self.answer(value), value)
        self.assertEqual(self.made, [[1], [1], [2]])

    def test_type(self) -> None:
        """
        What comes out cannot be taken for a value that still has to be encoded.
        """
        self.assertIsInstance(self.encoded.of([1]), msgspec.Raw)
