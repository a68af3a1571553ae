"""
Tests for L{gnttwist.rapi.writing}.
"""

import json
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.rapi import writing
from gnttwist.rapi.call import Call, Services
from gnttwist.rapi.failures import BadRequest, Forbidden
from gnttwist.rapi.routes import Router
from gnttwist.rapi.table import ROUTES
from gnttwist.rapi.users import NOBODY
from gnttwist.rapi.writing import Opcode, constant, flag, name

ROUTER = Router(ROUTES)
NOTHING = cast(Services, None)


def call(body: Any = None, path: str = "/2/nodes/n1/modify", method: str = "POST", **query: str) -> Call:
    """
    A request.
    """
    routes, names = ROUTER.methods(path)
    arguments = {key.replace("_", "-") if key == "dry_run" else key: [value] for key, value in query.items()}
    data = b"" if body is None else json.dumps(body).encode()
    return Call(routes[method], NOBODY, names, arguments, NOTHING, data)


class OpcodeTests(SynchronousTestCase):
    """
    Tests for L{Opcode}.
    """

    opcode = Opcode(
        "OP_X",
        {"node_name": name("node"), "dry_run": flag("dry-run"), "kind": constant("node")},
        renamed={"old": "new"},
        forbidden=("secret",),
    )

    def test_parameters(self) -> None:
        """
        Parameters come from the body, renamed, and from path and query.
        """
        found = self.opcode.opcode(call({"old": 1, "other": [2]}, dry_run="1"))
        self.assertEqual(
            found,
            {"OP_ID": "OP_X", "new": 1, "other": [2], "node_name": "n1", "dry_run": True, "kind": "node"},
        )

    def test_refused(self) -> None:
        """
        Fixed parameters cannot be given, nor forbidden ones, nor one under both its names.
        """
        bodies: list[Any] = [{"node_name": "n2"}, {"OP_ID": "OP_Y"}, {"old": 1, "new": 2}, [], "x", 1]
        for body in bodies:
            self.assertRaises(BadRequest, self.opcode.opcode, call(body))
        self.assertRaises(Forbidden, self.opcode.opcode, call({"secret": 1}))

    def test_creation(self) -> None:
        """
        A creation says its version; USB devices may be separated by spaces.
        """
        body = {"__version__": 1, "hvparams": {"usb_devices": "a b"}}
        self.assertEqual(writing.creation(call(body), {}), {"hvparams": {"usb_devices": "a,b"}})
        for wrong in ({}, {"__version__": 0}, {"__version__": "1"}, {"__version__": True}):
            self.assertRaises(BadRequest, writing.creation, call(wrong), {})

    def test_creations(self) -> None:
        """
        So do the instances of a creation of several have clients' names or opcodes', and not both.
        """
        body = {"instances": [{"name": "a", "os": "noop"}, {"instance_name": "b"}], "iallocator": "hail"}
        self.assertEqual(
            writing.creations(call(body), {}),
            {
                "instances": [{"instance_name": "a", "os_type": "noop"}, {"instance_name": "b"}],
                "iallocator": "hail",
            },
        )
        for wrong in (
            {},
            {"instances": "a"},
            {"instances": ["a"]},
            {"instances": [{"os": "a", "os_type": "b"}]},
        ):
            self.assertRaises(BadRequest, writing.creations, call(wrong), {})

    def test_role(self) -> None:
        """
        A role is a word that stands for three flags.
        """
        found = writing.role(call("drained"), {})
        self.assertEqual(found, {"master_candidate": False, "drained": True, "offline": False})
        for wrong in ("king", 1, None, ["drained"]):
            self.assertRaises(BadRequest, writing.role, call(wrong), {})

    def test_old_requests(self) -> None:
        """
        Requests of old clients, which say it in the query, are understood.
        """
        self.assertEqual(writing.migration(call(live="0"), {}), {"mode": "non-live"})
        self.assertEqual(writing.migration(call(mode="live"), {}), {"mode": "live"})
        self.assertEqual(
            writing.replacement(call(disks="0,2", mode="replace_auto"), {}),
            {"mode": "replace_auto", "disks": [0, 2]},
        )
        self.assertRaises(BadRequest, writing.replacement, call({"disks": "a"}), {})
