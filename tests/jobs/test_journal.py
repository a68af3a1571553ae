"""
Tests for L{gnttwist.jobs.journal} and L{gnttwist.jobs.steps}.
"""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import (
    CallAborted,
    FunctionDied,
    FunctionFailed,
    NodeError,
    NotAnswering,
    OpExecError,
    OpPrereqError,
    ProgrammerError,
)
from gnttwist.jobs.context import LockMode
from gnttwist.jobs.journal import Journal, Record, decode_error, encode_error, plain
from gnttwist.jobs.steps import Scope, call_key, digest, source
from gnttwist.model.stored import Undecodable

SEED = "ab" * 32

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


class JournalTests(SynchronousTestCase):
    """
    Tests for L{Journal}.
    """

    def reloaded(self, *journals: list[Record]) -> Journal:
        """
        What a process finds that comes after one which wrote these.
        """
        writer = Journal(7)
        puts = [writer.add(each) for records in journals for each in records]
        entries = [
            (int(each.key.rpartition("/")[2]), msgspec.json.decode(each.value, type=Record)) for each in puts
        ]
        return Journal(7, entries)

    @given(json_values)
    def test_values(self, value: object) -> None:
        """
        A step's value is found again as it was given.
        """
        journal = self.reloaded([Record(op=0, path="a", value=value)])
        found = journal.outcome("a")
        assert found is not None
        self.assertEqual(found.answer(), value)

    def test_errors(self) -> None:
        """
        A step's failure fails again, with the same class and arguments.
        """
        for error in (
            OpPrereqError("no such node", "unknown_entity"),
            OpExecError("no"),
            NodeError("a"),
            NotAnswering("node1 is silent"),
            FunctionFailed("no such disk"),
            FunctionDied("gone"),
            CallAborted("late"),
        ):
            record = Record(op=0, path="a", error=encode_error(error))
            found = self.reloaded([record]).outcome("a")
            assert found is not None
            raised = self.assertRaises(type(error), found.answer)
            self.assertEqual((type(raised), raised.args), (type(error), error.args))

    def test_damaged_error(self) -> None:
        """
        What is no error in the journal is not taken for one.
        """
        self.assertRaises(Undecodable, decode_error, ["just", "text"])

    def test_locks(self) -> None:
        """
        The locks held are those of the last record about locks.
        """
        records = [
            Record(op=0, path="a", held={"node/1": "exclusive"}),
            Record(op=0, path="b", held={"node/1": "shared"}),
            Record(op=0, path="c", value=1),
        ]
        self.assertEqual(self.reloaded(records).held(), {"node/1": LockMode.SHARED})

    def test_notes_are_no_outcomes(self) -> None:
        """
        A deadline is kept apart from how the step ended.
        """
        journal = self.reloaded([Record(op=0, path="a", kind="deadline", value=12.5)])
        self.assertIsNone(journal.outcome("a"))
        self.assertEqual(journal.note("a", "deadline"), 12.5)

    def test_numbers_go_on(self) -> None:
        """
        A record never takes the place of an older one, not even of one that was cleared.
        """
        journal = Journal(7)
        first = journal.add(Record(op=0, path="a"))
        self.assertEqual([each.key for each in journal.clear()], [first.key])
        self.assertNotEqual(journal.add(Record(op=1, path="a")).key, first.key)
        self.assertIsNone(Journal(7).outcome("a"))

    def test_oldest_read(self) -> None:
        """
        The oldest revision is that of the oldest read, whatever other steps gave.
        """
        journal = self.reloaded(
            [
                Record(op=0, path="0/now::x#0", value=3),
                Record(op=0, path="0/config::x#0", value=17),
                Record(op=0, path="0/gather::x#0/1/config::x#0", value=12),
            ]
        )
        self.assertEqual(journal.oldest_read, 12)

    def test_plain(self) -> None:
        """
        What a unit sees of a value is what a replay will see; what is not JSON is refused.
        """
        self.assertEqual(plain({"a": (1, 2)}), {"a": [1, 2]})
        self.assertRaises(ProgrammerError, plain, object())


class ScopeTests(SynchronousTestCase):
    """
    Tests for L{Scope}.
    """

    @given(st.lists(st.tuples(st.sampled_from(["call", "log"]), st.sampled_from("ab/"), json_values)))
    def test_names(self, steps: list[tuple[str, str, object]]) -> None:
        """
        No two steps have the same name, and the same steps have the same names again.
        """
        first, again = Scope("0", SEED), Scope("0", SEED)
        names = [first.name(kind, what, [value]) for kind, what, value in steps]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual(names, [again.name(kind, what, [value]) for kind, what, value in steps])

    def test_branches_apart(self) -> None:
        """
        Steps of a branch do not change what the others' steps are called.
        """
        outer = Scope("0", SEED)
        inner = outer.inner("0/gather::x#0/1")
        inner.name("now", "")
        self.assertEqual(outer.name("now", ""), Scope("0", SEED).name("now", ""))

    def test_digest_is_keyed(self) -> None:
        """
        Who does not know the job's seed cannot guess arguments by their digest.
        """
        self.assertNotEqual(digest(SEED, ["secret"]), digest("cd" * 32, ["secret"]))
        self.assertNotIn("secret", Scope("0", SEED).name("call", "f", ["secret"]))

    def test_keys(self) -> None:
        """
        Another step, job, store or attempt is another key.
        """
        keys = {
            call_key("c", "e", 1, "0/a"),
            call_key("c", "e", 1, "0/b"),
            call_key("c", "e", 2, "0/a"),
            call_key("c", "f", 1, "0/a"),
            call_key("c", "e", 1, "0/a", 2),
        }
        self.assertEqual(len(keys), 5)
        self.assertTrue(all(each.startswith("k/") for each in keys))

    def test_randomness(self) -> None:
        """
        It is the same for the same step, and only then.
        """
        self.assertEqual(source(SEED, "a").random(), source(SEED, "a").random())
        self.assertNotEqual(source(SEED, "a").random(), source(SEED, "b").random())
