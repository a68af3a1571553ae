"""
Tests for L{gnttwist.rapi.rows}.
"""

from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.rapi.fields import FIELDS
from gnttwist.rapi.rows import Described


def instance(name: str, **values: Any) -> list[Any]:
    """
    A row.
    """
    return [name if each == "name" else values.get(each) for each in FIELDS["instance"]]


class DescribedTests(SynchronousTestCase):
    """
    Tests for L{Described}.
    """

    def setUp(self) -> None:
        self.described = Described()

    def all(self, *values: list[Any], kind: str = "instance") -> list[msgspec.Raw]:
        """
        What is made of rows.
        """
        return self.described.all(kind, msgspec.Raw(msgspec.json.encode(values)))

    def test_members(self) -> None:
        """
        Each row is an object with all fields' names, in order, and the older names that clients know.
        """
        (found,) = self.all(instance("a", beparams={"maxmem": 5}))
        document = msgspec.json.decode(found)
        self.assertEqual(list(document), list(FIELDS["instance"]))
        self.assertEqual((document["name"], document["beparams"]), ("a", {"maxmem": 5, "memory": 5}))
        node = ["192.0.2.7" if each == "sip" else None for each in FIELDS["node"]]
        (found,) = self.all(node, kind="node")
        self.assertEqual(msgspec.json.decode(found)["secondary_ip"], "192.0.2.7")

    def test_only_changes(self) -> None:
        """
        Rows that came before are not made again, wherever they stand; changed ones are.
        """
        one, two = self.all(instance("a"), instance("b"))
        other, first, changed = self.all(instance("c"), instance("a"), instance("b", status="running"))
        self.assertIs(first, one)
        self.assertEqual(msgspec.json.decode(other)["name"], "c")
        self.assertEqual(msgspec.json.decode(changed)["status"], "running")
        # Only the newest list's are kept.
        again = self.all(instance("b"))
        self.assertEqual((again[0] is two, bytes(again[0])), (False, bytes(two)))

    def test_bounded(self) -> None:
        """
        A list that is too long is made, and kept as far as there is room.
        """
        self.described = Described(1)
        before, after = self.all(instance("a")), self.all(instance("a"))
        self.assertEqual(
            ([bytes(each) for each in before], before[0] is after[0]), ([bytes(after[0])], False)
        )
