"""
Tests for L{gnttwist.wire.framing}.
"""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import LocalError, RemoteError
from gnttwist.wire.framing import Splitter, frame

LIMIT = 16
messages = st.lists(st.binary(max_size=LIMIT).filter(lambda each: b"\x03" not in each), max_size=6)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """
    C{data} cut at the given places.
    """
    places = sorted({0, len(data), *(each % (len(data) + 1) for each in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


class SplitterTests(SynchronousTestCase):
    """
    Tests for L{Splitter} and L{frame}.
    """

    @given(messages, st.lists(st.integers(0, 200)))
    def test_any_split(self, sent: list[bytes], cuts: list[int]) -> None:
        """
        The same messages arrive, in order, however their bytes were split.
        """
        splitter = Splitter(LIMIT)
        stream = b"".join(frame(each) for each in sent)
        received = [each for piece in pieces(stream, cuts) for each in splitter.feed(piece)]
        self.assertEqual(received, sent)
        self.assertEqual(splitter.pending, 0)

    @given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
    def test_garbage(self, garbage: bytes, cuts: list[int]) -> None:
        """
        Any bytes are messages or a L{RemoteError}, and what is kept stays within the limit.
        """
        splitter = Splitter(LIMIT)
        try:
            for piece in pieces(garbage, cuts):
                for message in splitter.feed(piece):
                    self.assertLessEqual(len(message), LIMIT)
                self.assertLessEqual(splitter.pending, LIMIT)
        except RemoteError:
            self.assertTrue(any(len(each) > LIMIT for each in garbage.split(b"\x03")))
        else:
            self.assertTrue(all(len(each) <= LIMIT for each in garbage.split(b"\x03")))

    def test_limit(self) -> None:
        """
        A message of exactly the limit passes; one byte more is refused, even before its separator came.
        """
        self.assertEqual(Splitter(3).feed(b"abc\x03"), [b"abc"])
        self.assertRaises(RemoteError, Splitter(3).feed, b"abcd")

    def test_stays_broken(self) -> None:
        """
        After a message over the limit nothing is accepted any more.
        """
        splitter = Splitter(3)
        self.assertRaises(RemoteError, splitter.feed, b"abcd")
        self.assertRaises(RemoteError, splitter.feed, b"\x03ok\x03")

    def test_separator_within(self) -> None:
        """
        A message that holds the separator is not framed.
        """
        self.assertRaises(LocalError, frame, b"a\x03b")
