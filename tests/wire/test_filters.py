"""
Tests for L{gnttwist.wire.filters}.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import ParameterError
from gnttwist.wire.filters import DEPTH_LIMIT, GONE, OPEN, PATTERN_LIMIT, evaluate, fields, parse, requested

ROW: dict[str, Any] = {
    "name": "web1.example.com",
    "size": 10,
    "ratio": 0.5,
    "up": True,
    "down": False,
    "tags": ["a", "b", 3],
    "live": OPEN,
    "gone": GONE,
    "thing": {"x": 1},
}


def matches(value: object) -> bool | None:
    """
    Whether a filter, as clients send it, matches the row.
    """
    return evaluate(parse(value), ROW.__getitem__, lambda name: name == "name")


NAMES = st.sampled_from(sorted(ROW))
LEAVES = st.one_of(
    st.tuples(st.just("?"), NAMES),
    st.tuples(
        st.sampled_from(["==", "=", "!=", "<", ">", "<=", ">=", "=[]"]), NAMES, st.integers() | st.text()
    ),
    st.tuples(st.just("=~"), NAMES, st.text(max_size=5)),
)
FILTERS = st.recursive(
    LEAVES.map(list),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: ["&", *parts]),
        st.lists(inner, max_size=3).map(lambda parts: ["|", *parts]),
        inner.map(lambda part: ["!", part]),
    ),
    max_leaves=8,
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=10,
)


class ParseTests(SynchronousTestCase):
    """
    Tests for L{parse}, L{fields} and L{requested}.
    """

    @given(FILTERS | JUNK)
    def test_garbage(self, value: object) -> None:
        """
        Whatever comes is a filter or refused with L{ParameterError}; nothing else happens.
        """
        try:
            fields(parse(value))
        except ParameterError as reason:
            self.assertTrue(str(reason))

    def test_refused(self) -> None:
        """
        Each way of being wrong is told in words that show the wrong part.
        """
        for wrong, word in (
            (["<>", "name", "x"], "<>"),
            (["==", "name"], "Not a filter"),
            (["==", "size", 1.5], "1.5"),
            (["==", "up", True], "True"),
            (["==", "name", None], "None"),
            (["=~", "name", "("], "regular expression"),
            (["=~", "name", "x" * (PATTERN_LIMIT + 1)], "longer"),
            (["!"], "Not a filter"),
            (["!", ["?", "up"], ["?", "down"]], "Not a filter"),
            ("name", "name"),
            ([], "[]"),
        ):
            self.assertIn(word, str(self.assertRaises(ParameterError, parse, wrong)))

    def test_depth(self) -> None:
        """
        A filter nested too deeply is refused before it can exhaust the stack.
        """
        value: list[Any] = ["?", "up"]
        for _ in range(DEPTH_LIMIT - 1):
            value = ["!", value]
        parse(value)
        for _ in range(10_000):
            value = ["!", value]
        self.assertIn("nested", str(self.assertRaises(ParameterError, parse, value)))

    def test_size(self) -> None:
        """
        A filter with too many operators is refused.
        """
        self.assertIn(
            "operators", str(self.assertRaises(ParameterError, parse, ["|"] + [["?", "up"]] * 100_001))
        )

    def test_fields(self) -> None:
        """
        All fields that are looked at are known, however deep.
        """
        value = ["&", ["!", ["?", "up"]], ["|", ["=", "name", "x"], ["=[]", "tags", "a"]]]
        self.assertEqual(fields(parse(value)), {"up", "name", "tags"})
        self.assertEqual(fields(parse(None)), frozenset())

    def test_requested(self) -> None:
        """
        Only filters that do nothing but list names ask for names, in their order.
        """
        for value, names in (
            (["=", "name", "b"], ["b"]),
            (["|", ["==", "name", "b"], ["|", ["==", "name", "a"]]], ["b", "a"]),
            (["|"], None),
            (None, None),
            (["&", ["=", "name", "b"]], None),
            (["!=", "name", "b"], None),
            (["|", ["=", "name", "b"], ["?", "up"]], None),
            (["=", "size", 1], None),
        ):
            self.assertEqual(requested(parse(value), "name"), names)


class EvaluateTests(SynchronousTestCase):
    """
    Tests for L{evaluate}.
    """

    def test_table(self) -> None:
        """
        Each operator means what Ganeti's does.
        """
        for value, expected in (
            (None, True),
            (["&"], True),
            (["|"], False),
            (["&", ["?", "up"], ["?", "down"]], False),
            (["|", ["?", "down"], ["?", "up"]], True),
            (["!", ["?", "down"]], True),
            (["==", "name", "web1.example.com"], True),
            (["=", "name", "web1"], True),
            (["=", "name", "web"], False),
            (["=", "name", ""], False),
            (["!=", "name", "web1"], False),
            (["!=", "size", 11], True),
            (["<", "size", 11], True),
            (["<=", "size", 10], True),
            ([">", "size", 10], False),
            ([">=", "ratio", 1], False),
            (["<", "name", "x"], True),
            (["=~", "name", "example"], True),
            (["=~", "name", "^example"], False),
            (["=~", "name", "(?i)WEB"], True),
            (["=[]", "tags", "a"], True),
            (["=[]", "tags", 3], True),
            (["=[]", "tags", "c"], False),
            (["==", "size", 10.0], True),
        ):
            self.assertIs(matches(value), expected, repr(value))

    def test_wrong_types(self) -> None:
        """
        Comparing what cannot be compared is an error, not a mismatch.
        """
        for value in (
            ["?", "size"],
            ["==", "size", "10"],
            ["==", "up", 1],
            ["<", "name", 1],
            ["=~", "size", "1"],
            ["=[]", "name", "w"],
            ["==", "thing", "x"],
        ):
            self.assertRaises(ParameterError, matches, value)

    def test_gone(self) -> None:
        """
        A cell that cannot be had passes every comparison.
        """
        for value in (["?", "gone"], ["<", "gone", 1], ["=~", "gone", "x"], ["=[]", "gone", 1]):
            self.assertIs(matches(value), True)
            self.assertIs(matches(["!", value]), False)

    def test_open(self) -> None:
        """
        A verdict stays open only as long as it depends on a cell that is not there yet.
        """
        live = ["==", "live", 1]
        self.assertIsNone(matches(live))
        self.assertIsNone(matches(["!", live]))
        self.assertIsNone(matches(["&", live, ["?", "up"]]))
        self.assertIs(matches(["&", live, ["?", "down"]]), False)
        self.assertIs(matches(["|", live, ["?", "up"]]), True)
        self.assertIsNone(matches(["|", live, ["?", "down"]]))

    @given(FILTERS)
    def test_negation(self, value: list[Any]) -> None:
        """
        A filter and its negation never agree; while one is open, so is the other.
        """
        try:
            verdict = matches(value)
        except ParameterError:
            return
        self.assertIs(matches(["!", value]), None if verdict is None else not verdict)
