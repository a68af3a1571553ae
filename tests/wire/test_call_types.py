"""
Tests for L{gnttwist.wire.call_types} and the types in L{gnttwist.wire.calls}.
"""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.wire.call_types import DiskArgument, WrongArguments, check_types, shown
from gnttwist.wire.calls import FUNCTIONS

TYPES = {"bdev": DiskArgument, "amount": int, "factor": float, "names": list[str] | None}
DISK = {"dev_type": "file", "logical_id": ["loop", "/d"], "size": 4, "serial_no": 1}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


class CheckTests(SynchronousTestCase):
    """
    Tests for L{check_types}.
    """

    def test_right(self) -> None:
        """
        Values of the table's types pass: objects with more members, whole numbers as numbers, C{null} where allowed.
        """
        check_types("f", TYPES, [DISK, 1, 2, None])
        check_types("f", TYPES, [DISK, 1, 2.5, ["a"]])
        check_types("f", TYPES, [DISK])

    def test_wrong(self) -> None:
        """
        One error names the function, the argument, its type and what is wrong with it.
        """
        for values, words in (
            ([DISK, "1"], "wrong argument amount for f, which is int: Expected `int`, got `str`"),
            ([DISK, True], "wrong argument amount for f, which is int: "),
            ([DISK, 1, "x"], "wrong argument factor for f, which is float: "),
            ([DISK, 1, 1, [None]], "wrong argument names for f, which is list[str] | null: "),
            (
                [{"size": 4}],
                "wrong argument bdev for f, which is DiskArgument: Object missing required field",
            ),
        ):
            with self.assertRaises(WrongArguments) as caught:
                check_types("f", TYPES, values)
            self.assertIn(words, str(caught.exception))

    @given(st.sampled_from(sorted(FUNCTIONS)), st.lists(JSON, max_size=6))
    def test_any_json(self, name: str, values: list[Any]) -> None:
        """
        Whatever JSON is given to whatever function, it passes or is refused as L{WrongArguments}.
        """
        try:
            check_types(name, FUNCTIONS[name].arguments, msgspec.json.decode(msgspec.json.encode(values)))
        except WrongArguments as reason:
            self.assertIn(name, str(reason))

    def test_shown(self) -> None:
        """
        Types read as in Python, without modules, and with JSON's word for nothing.
        """
        self.assertEqual(shown(None), "null")
        self.assertEqual(shown(list[DiskArgument] | None), "list[DiskArgument] | null")
