"""
Tests for L{gnttwist.model.stored}.
"""

import json

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.model.objects import Instance, Node
from gnttwist.model.stored import Undecodable, decode, encode, to_members

KNOWN = {"uuid": "u", "name": "i", "primary_node": "p", "os": "", "hypervisor": "fake"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5), st.lists, max_leaves=4
)


class StoredTests(SynchronousTestCase):
    """
    Tests for L{decode}, L{encode} and L{to_members}.
    """

    @given(st.dictionaries(st.text(min_size=1).map(lambda name: "new-" + name), JSON))
    def test_unknown_members_survive(self, unknown: dict[str, object]) -> None:
        """
        What this version does not know is written back, in the object and in its interfaces.
        """
        nic = {"mac": "aa", "uuid": "n", **unknown}
        data = json.dumps({**KNOWN, "nics": [nic], **unknown}).encode()
        written = json.loads(encode(decode(Instance, data)))
        self.assertEqual({name: written[name] for name in unknown}, unknown)
        self.assertEqual({name: written["nics"][0][name] for name in unknown}, unknown)
        self.assertNotIn("extra", written)

    def test_members_are_closed(self) -> None:
        """
        Ganeti's closed schemas get our own members only.
        """
        data = json.dumps({**KNOWN, "new": 1, "nics": [{"mac": "aa", "uuid": "n", "new": 1}]}).encode()
        members = to_members(decode(Instance, data))
        self.assertNotIn("new", members)
        self.assertNotIn("new", members["nics"][0])
        self.assertNotIn("extra", members["nics"][0])

    def test_damaged(self) -> None:
        """
        What cannot be read raises one kind of error, which names the kind of object.
        """
        for data in (b"", b"[]", b"{", b'{"uuid": 3}', b'{"uuid": "u"}', b"\xff"):
            error = self.assertRaises(Undecodable, decode, Node, data)
            self.assertIn("Node", str(error))
