"""
Tests for L{gnttwist.rapi.routes} and L{gnttwist.rapi.table}.
"""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

import tests
from gnttwist.model.opcodes import GANETI_OP_IDS
from gnttwist.query.run import RESOURCES
from gnttwist.rapi.fields import QUERIED
from gnttwist.rapi.routes import Router
from gnttwist.rapi.table import ROUTES
from gnttwist.rapi.users import PERMISSIONS

ROUTER = Router(ROUTES)


class TableTests(SynchronousTestCase):
    """
    Tests for the table of resources.
    """

    def test_each_route_once(self) -> None:
        """
        A method of a path is there once.
        """
        keys = [(each.method, each.path) for each in ROUTES]
        self.assertEqual(len(keys), len(set(keys)))

    def test_known_words(self) -> None:
        """
        Every permission and opcode that a route names exists.
        """
        self.assertEqual({each.permission for each in ROUTES} - PERMISSIONS.keys(), set())
        opcodes = {each.opcode for each in ROUTES if each.opcode}
        self.assertEqual(opcodes - GANETI_OP_IDS, {"OP_NETWORK_RENAME"})

    def test_all_of_ganetis(self) -> None:
        """
        Every method of every resource of Ganeti 3.0.2 is there, and submits the same opcode.
        """
        golden = Path(tests.__file__).parent / "golden/rapi-3.0.2.txt"
        wanted = {tuple(line.split()[:3]) for line in golden.read_text().splitlines()}
        ours = {(each.method, each.path, each.opcode or "-") for each in ROUTES}
        self.assertEqual(wanted - ours, set())
        self.assertEqual(
            ours - wanted,
            {
                ("GET", "/openapi.json", "-"),
                ("GET", "/metrics", "-"),
                ("GET", "/2/events", "-"),
                ("POST", "/2/jobs", "-"),
                ("PUT", "/2/networks/{network}/rename", "OP_NETWORK_RENAME"),
            },
        )

    def test_what_can_be_queried(self) -> None:
        """
        Just what masterd can be asked for is let through.
        """
        self.assertEqual(QUERIED, set(RESOURCES))

    def test_what_is_found(self) -> None:
        """
        Paths are matched whole, with the names in them.
        """
        routes, names = ROUTER.methods("/2/instances/web.example.com/disk/2/grow")
        self.assertEqual((list(routes), names), (["POST"], {"instance": "web.example.com", "disk": "2"}))
        for path in ("/2/", "/2/nodes/", "/2/jobs/x", "/2/jobs/1/", "/2/nodes/a%2fb", "/2/nodes/a\n", "2"):
            self.assertEqual(ROUTER.methods(path), ({}, {}), path)

    @given(st.text())
    def test_any_path(self, path: str) -> None:
        """
        Whatever the path, there is an answer.
        """
        ROUTER.methods(path)
        ROUTER.methods(f"/2/nodes/{path}")
