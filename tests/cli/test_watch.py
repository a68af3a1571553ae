"""
Tests for C{gnt watch}, against a server that plays a script.
"""

import io
from itertools import islice
from typing import Any

from rich.console import Console

from gnttwist.cli.board import Board
from gnttwist.cli.watch import Follower, begin
from gnttwist.client.luxi import LuxiClient
from gnttwist.wire import luxi
from gnttwist.wire.events import Cursor
from tests.cli.fake_cluster import CommandTestCase

JOB = [
    7,
    [
        "running",
        ["TEST(7)"],
        0,
        None,
        None,
        None,
        ["running"],
        {"copying": {"done": 1, "total": 4, "unit": "MiB"}},
    ],
]
LINES = [[1, [1, 0], "message", "halfway"]]


class WatchTests(CommandTestCase):
    """
    Tests for following and showing.
    """

    def setUp(self) -> None:
        super().setUp()
        self.config: Any = [5, []]
        self.jobs: Any = [9, [], 3]
        self.answers.update(
            WaitForConfigChange=lambda call: self.config,
            WaitForAnyJobChange=lambda call: self.jobs if call.moment is not None else self.jobs[:2],
            Query=self.rows,
        )
        path = self.root / "var/run/ganeti/socket/ganeti-query"
        self.client = LuxiClient(path)
        self.addCleanup(self.client.close)

    def rows(self, call: Any) -> Any:
        assert isinstance(call, luxi.Query)
        found = {
            "node": ["node1", "M", 1, 4096, 1024, None, None],
            "instance": ["web", "running", "node1", 128],
            "job": [4, "queued", ["TEST(4)"], 0, None, None, None, ["queued"], None],
        }[call.what]
        return {"fields": [], "data": [[[0 if each is not None else 2, each] for each in found]]}

    def test_events(self) -> None:
        """
        What changed is told with ids to go on from; each call asks for what came after the last one.
        """
        self.assertEqual(begin(self.client), Cursor(9, 5))
        self.config = [6, [["node", "u", "n1", False]]]
        self.jobs = [12, [[*JOB, LINES]], 4]
        follower = Follower(self.client, Cursor(9, 5))
        objects, jobs = islice(follower.events(), 2)
        self.assertEqual((objects["id"], objects["objects"][0]["name"]), ("9.6", "n1"))
        self.assertEqual((jobs["id"], jobs["jobs"][0]["log"][0]["payload"]), ("12.6", "halfway"))
        asked = [each for each in self.master.calls if isinstance(each, luxi.WaitForAnyJobChange)]
        self.assertEqual(asked[-1].revision, 9)
        self.config = [20, None]
        self.assertEqual(next(follower.events())["event"], "snapshot")

    def test_board(self) -> None:
        """
        Nodes have bars, instances their state, and jobs how far they are, with the last lines of their logs.
        """
        console = Console(file=io.StringIO(), width=120, height=40, force_terminal=False)
        board = Board(self.client, console)
        board.begin()
        board.take({"event": "jobs", "jobs": [self.told()]})
        console.print(board.shown())
        shown = console.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO
        for word in (
            "1 of 1 instances",
            "node1",
            "3.0G of 4.0G",
            "web",
            "TEST(4)",
            "TEST(7)",
            "copying: 1M of 4M",
            "7: halfway",
        ):
            self.assertIn(word, shown)

    def test_many_jobs(self) -> None:
        """
        Of many jobs those that run are shown, and the rest are counted.
        """
        board = Board(self.client, Console(file=io.StringIO(), width=120, height=40, force_terminal=False))
        waiting = {**self.told(), "status": "queued", "progress": None, "log": []}
        board.take({"jobs": [{**waiting, "id": 100 + each} for each in range(50)]})
        board.take({"jobs": [self.told()]})
        board._console.print(board.shown())
        shown = board._console.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO
        self.assertIn("copying: 1M of 4M", shown)
        self.assertIn("... and 39 more", shown)

    def told(self) -> dict[str, Any]:
        """
        A job as an event tells it.
        """
        self.jobs = [12, [[*JOB, LINES]], 4]
        follower = Follower(self.client, Cursor(9, 5))
        [event] = islice(follower.events(), 1)
        job: dict[str, Any] = event["jobs"][0]
        return job

    def test_away(self) -> None:
        """
        While gnt-masterd is away the board says so, and goes on afterwards.
        """
        board = Board(self.client, Console(file=io.StringIO(), width=120))
        board.take({"event": "away", "text": "nobody there"})
        self.assertIn("nobody there", str(board._heading()))
        board.take({})
        self.assertNotIn("nobody there", str(board._heading()))

    def test_mistakes(self) -> None:
        """
        A wrong id, and no terminal to draw on, are each one line.
        """
        self.assertIn("--after", self.fails("watch", "--after", "x"))
        self.assertIn("--json", self.fails("watch"))
