"""
The board that C{gnt watch} draws: nodes, instances and jobs on one screen.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gnttwist.cli.bars import amount
from gnttwist.cli.listing import any_of
from gnttwist.cli.output import plain, size
from gnttwist.client.luxi import LuxiClient, NotReachable
from gnttwist.model.job import FINAL, UNFINISHED
from gnttwist.wire.events import JOB_FIELDS

NODE_FIELDS = ("name", "role", "pinst_cnt", "mtotal", "mfree", "dtotal", "dfree")
INSTANCE_FIELDS = ("name", "status", "pnode", "oper_ram")

LOOK_EVERY = 5.0
"""
Seconds between two looks at what nobody tells of: memory, and guests that stop by themselves.
"""

LINES = 6
"""
Lines of jobs' logs that are shown.
"""

ENDED = 5
"""
Jobs that have ended and are still shown.
"""

JOBS = 12
"""
Rows of jobs: the rest of a long queue is counted.
"""

ROLES = {"M": "master", "C": "candidate", "R": "regular", "D": "drained", "O": "offline"}
STYLES = {"running": "green", "success": "green", "error": "red", "canceled": "yellow", "ADMIN_down": "dim"}


@define(eq=False)
class Board:
    """
    What is shown.

    @ivar _jobs: Those that have not ended, and the latest that have, by number.
    """

    _client: LuxiClient
    _console: Console = field(factory=Console)
    _nodes: list[list[Any]] = field(factory=list, init=False)
    _instances: list[list[Any]] = field(factory=list, init=False)
    _jobs: dict[int, Mapping[str, Any]] = field(factory=dict, init=False)
    _lines: "deque[str]" = field(factory=lambda: deque(maxlen=LINES), init=False)
    _looked: float = field(default=float("-inf"), init=False)
    _away: str = field(default="", init=False)

    def run(self, events: Iterator[Mapping[str, Any]]) -> None:
        """
        Draw, until the user has seen enough.
        """
        self.begin()
        with Live(self.shown(), console=self._console, screen=True, auto_refresh=False) as live:
            for each in events:
                self.take(each)
                if time.monotonic() - self._looked > LOOK_EVERY:
                    self._look()
                live.update(self.shown(), refresh=True)

    def begin(self) -> None:
        """
        Look at all that is there already.
        """
        self._look()
        for id, *values in self._rows("job", ("id", *JOB_FIELDS), any_of("status", UNFINISHED)):
            self._jobs[id] = dict(zip(JOB_FIELDS, values, strict=True))

    def take(self, event: Mapping[str, Any]) -> None:
        """
        Take in what has happened.
        """
        self._away = event["text"] if event.get("event") == "away" else ""
        for job in event.get("jobs", ()):
            self._jobs.pop(job["id"], None)
            self._jobs[job["id"]] = job
            for line in job["log"]:
                if line["type"] == "message":
                    self._lines.append(f"{job['id']}: {plain(line['payload'])}")
            if job["status"] in FINAL:
                # What it has changed is looked at now, and not some seconds later.
                self._looked = float("-inf")
        if event.get("event") in ("objects", "snapshot"):
            self._looked = float("-inf")
        over = [id for id, job in self._jobs.items() if job["status"] in FINAL]
        for id in over[:-ENDED]:
            del self._jobs[id]

    def shown(self) -> RenderableType:
        """
        The board as it is now.
        """
        jobs = min(len(self._jobs), JOBS)
        room = max(3, self._console.height - len(self._nodes) - jobs - len(self._lines) - 10)
        parts: list[RenderableType] = [self._heading(), Text(), self._node_table(), Text()]
        parts += [self._instance_table(room), Text(), self._job_table(), Text()]
        parts += [Text(each, style="dim", no_wrap=True) for each in self._lines]
        return Group(*parts)

    def _look(self) -> None:
        try:
            self._nodes = self._rows("node", NODE_FIELDS)
            self._instances = self._rows("instance", INSTANCE_FIELDS)
        except NotReachable as reason:
            self._away = str(reason)
        self._looked = time.monotonic()

    def _rows(self, what: str, fields: Sequence[str], chosen: Sequence[Any] | None = None) -> list[list[Any]]:
        answer = self._client.call("Query", what, list(fields), chosen)
        return [[value if status == 0 else None for status, value in row] for row in answer["data"]]

    def _heading(self) -> Text:
        if self._away:
            return Text(f"gnt-masterd does not answer: {self._away}", style="bold red")
        up = sum(row[1] == "running" for row in self._instances)
        wrong = [row[0] for row in self._instances if str(row[1]).startswith("ERROR")]
        text = Text(f"{len(self._nodes)} nodes, {up} of {len(self._instances)} instances run", style="bold")
        if wrong:
            text.append(f"; not as they should be: {', '.join(wrong[:5])}", style="bold red")
        text.append(f"   {time.strftime('%H:%M:%S')}   Ctrl-C ends", style="dim")
        return text

    def _node_table(self) -> Table:
        table = _table("Node", "Role", "Instances", "Memory used", "", "Disk used", "")
        for name, role, instances, *space in self._nodes:
            cells: list[RenderableType] = [
                Text(name),
                Text(ROLES.get(role, plain(role))),
                Text(plain(instances)),
            ]
            for total, free in (space[:2], space[2:]):
                if total is None or free is None:
                    cells += [Text("?"), Text()]
                else:
                    cells += [
                        ProgressBar(total, total - free, 16),
                        Text(f"{size(total - free)} of {size(total)}"),
                    ]
            table.add_row(*cells)
        return table

    def _instance_table(self, room: int) -> Table:
        table = _table("Instance", "Status", "Node", "Memory")
        for name, status, node, memory in self._instances[:room]:
            style = STYLES.get(str(status), "red" if str(status).startswith("ERROR") else "")
            table.add_row(
                Text(name),
                Text(plain(status), style=style),
                Text(plain(node)),
                Text("-" if memory is None else size(memory)),
            )
        if len(self._instances) > room:
            table.add_row(Text(f"... and {len(self._instances) - room} more", style="dim"))
        return table

    def _job_table(self) -> Table:
        table = _table("Job", "Status", "What", "", "")
        # Those that run come first; the others in the order in which something happened to them.
        order = sorted(self._jobs.items(), key=lambda item: item[1]["status"] not in ("running", "canceling"))
        for id, job in order[:JOBS]:
            going = dict(job["progress"] or {}) if job["status"] not in FINAL else {}
            cells = [Text(str(id)), Text(job["status"], style=STYLES.get(job["status"], ""))]
            summary = Text(", ".join(job["summary"]), overflow="ellipsis", no_wrap=True)
            if not going:
                table.add_row(*cells, summary)
            for what, far in going.items():
                bar = ProgressBar(far["total"] or 100, far["done"], 20, pulse=far["total"] is None)
                table.add_row(*cells, summary, bar, Text(f"{what}: {amount(far)}"))
                cells, summary = [Text(), Text()], Text()
        if len(order) > JOBS:
            table.add_row(Text(), Text(), Text(f"... and {len(order) - JOBS} more", style="dim"))
        return table


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for each in titles:
        table.add_column(each, no_wrap=True)
    return table
