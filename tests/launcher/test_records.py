"""
Tests for L{gnttwist.launcher.records}.
"""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.launcher.records import (
    RECORD_LIMIT,
    RESULT_PREFIX,
    RESULT_SUFFIX,
    Begin,
    SpoolCorrupt,
    encode_begin,
    encode_feedback,
    encode_result,
    parse,
)

BEGIN = Begin("1:2:3:4", "version", "k/1", 2, 1700000000.25)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
MESSAGES = st.lists(st.tuples(st.sampled_from(["message", "progress"]), JSON), max_size=5)


def spool(messages: list[tuple[str, Any]], result: Any = None) -> bytes:
    """
    A whole file.
    """
    data = encode_begin(BEGIN)
    for serial, (type, payload) in enumerate(messages, 1):
        data += encode_feedback(serial, 1700000000.5, type, payload)
    return data + encode_result(True, result)


class RecordTests(SynchronousTestCase):
    """
    Tests for the spool's records.
    """

    @given(MESSAGES, JSON)
    def test_round_trip(self, messages: list[tuple[str, Any]], result: Any) -> None:
        """
        What was written is read, in order and numbered, and the result is where it is said to be.
        """
        data = spool(messages, result)
        found = parse(data)
        self.assertEqual(found.begin, BEGIN)
        self.assertEqual([(each.type, json.loads(each.payload)) for each in found.feedback], messages)
        self.assertEqual([each.serial for each in found.feedback], list(range(1, len(messages) + 1)))
        self.assertTrue(found.result)
        value = data[found.consumed + len(RESULT_PREFIX) : -len(RESULT_SUFFIX)]
        self.assertEqual(json.loads(value), [True, result])

    @given(MESSAGES, st.data())
    def test_any_split(self, messages: list[tuple[str, Any]], draw: st.DataObject) -> None:
        """
        Reading on from where the whole records of a part ended gives the same as reading at once.
        """
        data = spool(messages)
        cut = draw.draw(st.integers(0, len(data)))
        first = parse(data[:cut])
        second = parse(data[first.consumed :])
        self.assertEqual([*first.feedback, *second.feedback], parse(data).feedback)
        self.assertEqual(first.begin or second.begin, BEGIN)
        self.assertTrue(second.result)

    @given(st.binary(max_size=200))
    def test_garbage(self, data: bytes) -> None:
        """
        Bytes that are no records are damage, and nothing worse.
        """
        try:
            found = parse(data)
        except SpoolCorrupt:
            return
        self.assertLessEqual(found.consumed, len(data))

    def test_damage(self) -> None:
        """
        Records of no kind, of two kinds or of wrong form are damage.
        """
        feedback = b'"feedback":[1,[0,0],"message","x"]'
        begin = b'"begin":{"id":"i","function":"f","key":null,"pid":1,"started":0.0}'
        for record in (b"{}", b"[]", b"{%b,%b}" % (begin, feedback), b'{"feedback":[1,[0,0]]}', b'{"x":1}'):
            self.assertRaises(SpoolCorrupt, parse, record + b"\x03")
        self.assertRaises(SpoolCorrupt, parse, b"[" * 1000 + b"\x03")

    def test_endless(self) -> None:
        """
        A record that does not end is damage once it is too long, unless it is the result.
        """
        self.assertEqual(parse(b"x" * (RECORD_LIMIT - 1)).consumed, 0)
        self.assertRaises(SpoolCorrupt, parse, b"x" * RECORD_LIMIT)
        self.assertTrue(parse(RESULT_PREFIX + b"x" * RECORD_LIMIT).result)

    def test_message(self) -> None:
        """
        A feedback's message is its record, to be sent on as it is.
        """
        found = parse(encode_feedback(7, 1700000000.25, "message", "tick"))
        expected = {"feedback": [7, [1700000000, 250000], "message", "tick"]}
        self.assertEqual(json.loads(found.feedback[0].message), expected)
