"""
Tests for L{gnttwist.noded.vacant}, and how its answers are given.
"""

import json
from pathlib import Path
from typing import Any

from twisted.internet.defer import succeed
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.noded.resource import NodeResource
from gnttwist.noded.vacant import Vacant
from gnttwist.wire.rpc_answers import STREAM_TYPE
from tests.noded.test_resource import ResourceCase

KEY = "k/cluster/epoch/1/step/1"


class VacantTests(SynchronousTestCase):
    """
    Tests for what needs no process.
    """

    def setUp(self) -> None:
        self.hooks = Path(self.mktemp())
        self.vacant = Vacant(self.hooks)

    def said(self, *arguments: Any, function: str = "hooks_runner") -> bytes | None:
        """
        What is known of a call.
        """
        return self.vacant(function, json.dumps(arguments).encode())

    def test_no_hooks(self) -> None:
        """
        Without the directory, or with nothing in it, no hook is run.
        """
        self.assertEqual(self.said("instance-start", "pre", {}), b"[true,[]]")
        (self.hooks / "instance-start-pre.d").mkdir(parents=True)
        self.assertEqual(self.said("instance-start", "pre", {}), b"[true,[]]")

    def test_hooks(self) -> None:
        """
        A directory with anything in it is for a process to look at; so is one that cannot be read.
        """
        directory = self.hooks / "instance-start-pre.d"
        directory.mkdir(parents=True)
        (directory / "x").touch()
        (self.hooks / "instance-stop-pre.d").touch()
        self.assertIsNone(self.said("instance-start", "pre", {}))
        self.assertIsNone(self.said("instance-stop", "pre", {}))

    def test_others(self) -> None:
        """
        Other functions, and arguments that are to be refused, need a process.
        """
        self.assertIsNone(self.said("instance-start", "pre", {}, function="test_delay"))
        for arguments in (
            ["../x", "pre", {}],
            ["x", "mid", {}],
            ["x", "pre"],
            ["x", "pre", []],
            [1, "pre", {}],
        ):
            self.assertIsNone(self.said(*arguments))
        self.assertIsNone(self.vacant("hooks_runner", b"{"))


class AnswerTests(ResourceCase):
    """
    Such calls, as callers see them.
    """

    def setUp(self) -> None:
        super().setUp()
        vacant = Vacant(Path(self.mktemp()))
        self.site.resource = NodeResource(self.clock, self.node.calls, lambda: succeed({}), vacant)

    def test_answered(self) -> None:
        """
        In every form, the call has returned an empty list, and no process was started.
        """
        arguments = ["instance-start", "pre", {}]
        self.assertEqual(self.ask("/hooks_runner", arguments), (200, [True, []]))
        asked = ["hooks_runner", arguments, 1, {"key": KEY}]
        self.assertEqual(self.ask("/StartFunction", asked), (200, [None, True, [True, []]]))
        self.client.send("/StartFunction", json.dumps(asked).encode(), "POST", f"Accept: {STREAM_TYPE}")
        status, _, body = self.client.received()
        self.assertEqual(status, 200)
        self.assertIn(b'{"result":[null,true,[true,[]]]}\x03', body)
        self.assertEqual(self.node.processes.running, [])
