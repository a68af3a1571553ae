"""
Tests for L{gnttwist.model.opcodes}.
"""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import OpCodeUnknown, OpExecError, OpPrereqError
from gnttwist.model.opcode import Opcode
from gnttwist.model.opcode_cluster import OpTestDelay
from gnttwist.model.opcode_instance import OpInstanceCreate
from gnttwist.model.opcodes import GANETI_OP_IDS, OPCODES, from_input, parse, summary, to_input

DELAY: dict[str, Any] = {"OP_ID": "OP_TEST_DELAY", "duration": 0.5}
CREATE: dict[str, Any] = {
    "OP_ID": "OP_INSTANCE_CREATE",
    "instance_name": "i.example.com",
    "mode": "create",
    "disks": [{"size": "1g"}, {"size": 128, "mode": "ro"}],
    "nics": [{"mac": None}],
}
KEYS = st.sampled_from(
    sorted({*OpTestDelay.__struct_fields__, *OpInstanceCreate.__struct_fields__, "OP_ID", "x"})
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-200, 200) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


class TableTests(SynchronousTestCase):
    """
    Tests for L{OPCODES} and L{GANETI_OP_IDS}.
    """

    def test_names(self) -> None:
        """
        All 75 of Ganeti's opcodes are known, and each supported one is among them.
        """
        self.assertEqual(len(GANETI_OP_IDS), 75)
        self.assertEqual(set(OPCODES) - GANETI_OP_IDS, set())
        self.assertIn("OP_INSTANCE_CREATE", OPCODES)

    def test_summary_fields(self) -> None:
        """
        Summary and secret fields are fields.
        """
        for kind in OPCODES.values():
            fields = set(kind.__struct_fields__)
            self.assertLessEqual({kind.summary_field} - {None}, fields)
            self.assertLessEqual(kind.secret_fields, fields)


class ParseTests(SynchronousTestCase):
    """
    Tests for L{parse}.
    """

    def refusal(self, members: dict[str, Any]) -> str:
        """
        The text with which an opcode's parameters are refused.
        """
        error = self.assertRaises(OpPrereqError, parse, members)
        self.assertEqual(error.args[1], "wrong_input")
        return str(error)

    def test_defaults(self) -> None:
        """
        What is not given, or null, is Ganeti's default.
        """
        op = parse({**DELAY, "on_nodes": None, "depends": None, "repeat": 3})
        assert isinstance(op, OpTestDelay)
        self.assertEqual((op.duration, op.on_nodes, op.on_master, op.repeat), (0.5, [], True, 3))
        self.assertEqual((op.priority, op.dry_run, op.reason), (0, None, []))

    def test_widening(self) -> None:
        """
        A whole number will do for a fraction; text and true will not do for a number.
        """
        op = parse({**DELAY, "duration": 2})
        assert isinstance(op, OpTestDelay)
        self.assertEqual(op.duration, 2.0)
        self.assertIn("parameter duration", self.refusal({**DELAY, "duration": "2"}))
        self.assertIn("parameter repeat", self.refusal({**DELAY, "repeat": True}))

    def test_dependencies(self) -> None:
        """
        Job numbers may be relative or text; states are the final ones only.
        """
        self.assertEqual(
            parse({**DELAY, "depends": [["7", []], [-1, ["success"]]]}).depends, [(7, []), (-1, ["success"])]
        )
        for wrong in (3, [3], [["x", []]], [[1]], [[1, ["queued"]]], [["9" * 99, []]]):
            self.assertIn("parameter depends", self.refusal({**DELAY, "depends": wrong}))

    def test_unknown(self) -> None:
        """
        An opcode that does not exist, one not supported and a missing OP_ID are told apart, by name.
        """
        for members, words in [
            ({"OP_ID": "OP_MAKE_COFFEE"}, "There is no opcode 'OP_MAKE_COFFEE'"),
            (
                {"OP_ID": "OP_BACKUP_EXPORT"},
                "Opcode OP_BACKUP_EXPORT is not supported by this version of gnttwist",
            ),
            ({}, "The opcode has no OP_ID"),
            ({"OP_ID": ["x"]}, "OP_ID must be a string"),
        ]:
            self.assertIn(words, str(self.assertRaises(OpCodeUnknown, parse, members)))

    def test_names_what_is_wrong(self) -> None:
        """
        A refusal names the opcode, the parameter and the words that it can be.
        """
        self.assertIn(
            "OP_TEST_DELAY: Object missing required field `duration`",
            self.refusal({"OP_ID": "OP_TEST_DELAY"}),
        )
        self.assertIn("unknown field `colour`", self.refusal({**DELAY, "colour": 1}))
        self.assertIn("parameter repeat: Expected `int` >= 0", self.refusal({**DELAY, "repeat": -1}))
        self.assertIn("(one of create, import, remote-import)", self.refusal({**CREATE, "mode": "steal"}))
        self.assertIn("parameter nics[0]", self.refusal({**CREATE, "nics": [{"speed": "1"}]}))

    def test_names_what_is_like_it(self) -> None:
        """
        Of many words that a parameter can be, a refusal names the one that is most like the wrong one.
        """
        verify = {"OP_ID": "OP_CLUSTER_VERIFY"}
        self.assertIn("(is ENODELVM meant? There are", self.refusal({**verify, "ignore_errors": ["ENODLVM"]}))
        self.assertIn("ENODELVM", self.refusal({**verify, "ignore_errors": ["enodelvm"]}))
        text = self.refusal({**verify, "ignore_errors": ["x"]})
        self.assertIn(", such as ", text)
        self.assertLess(len(text), 200)

    @given(st.sampled_from([DELAY, CREATE]), st.dictionaries(KEYS, JSON, max_size=4))
    def test_anything(self, base: dict[str, Any], changes: dict[str, Any]) -> None:
        """
        Any JSON is an opcode that is stored and read back unchanged, or is refused by an operation error.
        """
        try:
            op = parse({**base, **changes})
        except (OpPrereqError, OpCodeUnknown):
            return
        stored, secrets = to_input(op)
        self.assertEqual(json.loads(json.dumps(stored)), stored)
        self.assertEqual(from_input(stored, secrets), op)


class InputTests(SynchronousTestCase):
    """
    Tests for L{to_input} and L{from_input}.
    """

    def test_every_parameter(self) -> None:
        """
        Everything is written, with the OP_ID.
        """
        stored, secrets = to_input(parse(DELAY))
        self.assertEqual(set(stored), {"OP_ID", *OpTestDelay.__struct_fields__})
        self.assertEqual(secrets, {})

    def test_secrets_apart(self) -> None:
        """
        Secret values are neither in what is stored nor in the opcode's text, and come back from apart.
        """
        op = parse({**CREATE, "osparams_secret": {"password": "hunter2"}})
        stored, secrets = to_input(op)
        self.assertNotIn("hunter2", json.dumps(stored) + repr(op))
        self.assertEqual(stored["osparams_secret"], {"password": "<redacted>"})
        self.assertEqual(secrets, {"osparams_secret": {"password": "hunter2"}})
        self.assertEqual(from_input(stored, secrets), op)

    def test_secrets_gone(self) -> None:
        """
        An opcode whose secrets are gone is not carried out.
        """
        stored, _ = to_input(parse({**CREATE, "osparams_secret": {"password": "hunter2"}}))
        self.assertIn("osparams_secret", str(self.assertRaises(OpExecError, from_input, stored, {})))


class SummaryTests(SynchronousTestCase):
    """
    Tests for L{summary}.
    """

    def test_summaries(self) -> None:
        """
        The name without its beginning, and the one telling value.
        """
        for members, text in [
            (to_input(parse({**DELAY, "duration": 1}))[0], "TEST_DELAY(1.0)"),
            (CREATE, "INSTANCE_CREATE(i.example.com)"),
            ({"OP_ID": "OP_CLUSTER_POST_INIT"}, "CLUSTER_POST_INIT"),
            ({"OP_ID": "OP_FROM_THE_FUTURE", "x": 1}, "FROM_THE_FUTURE"),
            ({"OP_ID": "OP_TEST_DELAY"}, "TEST_DELAY"),
            ({}, "INVALID_OP"),
        ]:
            self.assertEqual(summary(members), text)


class DeclarationTests(SynchronousTestCase):
    """
    Tests for L{Opcode}.
    """

    def test_op_id(self) -> None:
        """
        A class's name gives its OP_ID.
        """

        class OpMakeCoffee(Opcode, frozen=True, kw_only=True):
            """
            An opcode for this test.
            """

        self.assertEqual(OpMakeCoffee.op_id(), "OP_MAKE_COFFEE")
