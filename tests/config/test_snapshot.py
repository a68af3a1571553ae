"""
Tests for L{gnttwist.config.snapshot} and L{gnttwist.config.draft}.
"""

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.draft import Draft
from gnttwist.errors import OpPrereqError
from gnttwist.model.objects import Instance
from tests.config.objects import CLUSTER, EMPTY, instance, node


class FindTests(SynchronousTestCase):
    """
    Tests for L{Table.find}.
    """

    config = EMPTY.with_objects(
        [node("n1", "web.example.com"), node("n2", "web.example.org"), node("n3", "db.example.com")]
    )

    def test_short_name(self) -> None:
        """
        A name's beginning up to a dot is enough, a part of a label is not.
        """
        self.assertEqual(self.config.nodes.find("db").uuid, "n3")
        self.assertEqual(self.config.nodes.find("db.example").uuid, "n3")
        self.assertRaises(OpPrereqError, self.config.nodes.find, "d")

    def test_exact(self) -> None:
        """
        Full names and UUIDs are found.
        """
        self.assertEqual(self.config.nodes.find("web.example.org").uuid, "n2")
        self.assertEqual(self.config.nodes.find("n2").name, "web.example.org")

    def test_ambiguous(self) -> None:
        """
        A beginning of several names is refused, and they are named.
        """
        error = self.assertRaises(OpPrereqError, self.config.nodes.find, "web")
        self.assertIn("web.example.com, web.example.org", str(error))

    def test_unknown(self) -> None:
        """
        An unknown name is refused in Ganeti's words.
        """
        error = self.assertRaises(OpPrereqError, self.config.nodes.find, "nope")
        self.assertEqual(error.args, ("Node name nope not found", "unknown_entity"))
        self.assertRaises(OpPrereqError, self.config.nodes.find, "")


class IndexTests(SynchronousTestCase):
    """
    Indexes agree with the objects, whatever is added, renamed, moved and removed.
    """

    @given(
        st.lists(
            st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", "z", None]), st.sampled_from("mn"))
        )
    )
    def test_indexes(self, steps: list[tuple[str, str | None, str]]) -> None:
        """
        After any history, finding by name and by node gives what a search through all instances gives.
        """
        config = EMPTY.with_objects([node("m", "m.example.com"), node("n", "n.example.com")])
        model: dict[str, tuple[str, str]] = {}
        for uuid, name, on in steps:
            if name is None:
                if uuid in model:
                    config = config.without(Instance, uuid)
                    del model[uuid]
            elif all(other == uuid or held[0] != name for other, held in model.items()):
                config = config.with_object(instance(uuid, name, on))
                model[uuid] = (name, on)
        for name in "xyz":
            found = config.instances.named(name)
            self.assertEqual(
                found.uuid if found else None, {held[0]: uuid for uuid, held in model.items()}.get(name)
            )
        for each in ("m", "n"):
            self.assertEqual(
                [found.uuid for found in config.instances_on(config.nodes[each])],
                [
                    uuid
                    for uuid, held in sorted(model.items(), key=lambda item: item[1][0])
                    if held[1] == each
                ],
            )


class DraftTests(SynchronousTestCase):
    """
    Tests for L{Draft}.
    """

    def setUp(self) -> None:
        self.draft = Draft(EMPTY.with_object(node("n1", "one.example.com")), 1234.5, random.Random(1))

    def test_new_object(self) -> None:
        """
        A new object begins at serial number 1 with both times set.
        """
        written = self.draft.put(instance("i", "i.example.com", "n1"))
        self.assertEqual((written.serial_no, written.ctime, written.mtime), (1, 1234.5, 1234.5))
        self.assertIs(self.draft.config.instances["i"], written)

    def test_changed_object(self) -> None:
        """
        A changed object keeps its creation time and counts its serial number up.
        """
        old = self.draft.config.nodes["n1"]
        written = self.draft.put(msgspec.structs.replace(old, offline=True))
        self.assertEqual((written.serial_no, written.ctime, written.mtime), (2, 0.0, 1234.5))

    def test_cluster(self) -> None:
        """
        The cluster is an object like the others.
        """
        self.draft.put(msgspec.structs.replace(CLUSTER, tags=["red"]))
        self.assertEqual(self.draft.config.cluster.tags, ["red"])
        self.assertEqual(list(self.draft.written), ["/config/cluster"])

    def test_delete(self) -> None:
        """
        A removed object is gone from reads and marked in what was written; the base is untouched.
        """
        self.draft.delete(self.draft.config.nodes["n1"])
        self.assertEqual(len(self.draft.config.nodes), 0)
        self.assertEqual(self.draft.written, {"/config/node/n1": None})
        self.assertEqual(len(self.draft.base.nodes), 1)
