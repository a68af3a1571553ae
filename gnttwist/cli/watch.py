"""
C{gnt watch}: the cluster as it moves.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click
import msgspec
from attrs import define, field

from gnttwist.cli.session import Session, pass_session
from gnttwist.client.luxi import LuxiClient, NotReachable
from gnttwist.wire.events import JOB_FIELDS, Cursor, job_events, object_events

PATIENCE = 1.0
"""
Seconds that a look for changed jobs waits; changed objects are looked for in between.
"""

RETRY = 1.0
"""
Seconds until gnt-masterd is asked again after it went away for long.
"""


@define(eq=False)
class Follower:
    """
    Asks what has changed, one call after the other.

    @ivar cursor: How far everything was told.
    """

    _client: LuxiClient
    cursor: Cursor
    _moment: int = field(default=0, init=False)

    def events(self) -> Iterator[dict[str, Any]]:
        """
        What happens, for ever: C{jobs}, C{objects} or, where nobody knows what changed, C{snapshot}; an empty one
        whenever nothing has happened for a while.
        """
        while True:
            try:
                yield from self._look()
            except NotReachable as reason:
                yield {"event": "away", "text": str(reason)}
                # What the earlier process counted means nothing to the next.
                self._moment = 0
                signal.sigtimedwait([], RETRY)

    def _look(self) -> Iterator[dict[str, Any]]:
        revision, changes = self._client.call("WaitForConfigChange", self.cursor.config, 0)
        before = self.cursor
        self.cursor = Cursor(before.jobs, revision)
        if changes is None and revision != before.config:
            yield self._event("snapshot", text="what changed since then is not known")
        elif changes:
            yield self._event("objects", objects=object_events(changes))
        revision, jobs, self._moment = self._client.call(
            "WaitForAnyJobChange", None, list(JOB_FIELDS), self.cursor.jobs, PATIENCE, self._moment
        )
        passing = revision == self.cursor.jobs
        self.cursor = Cursor(revision, self.cursor.config)
        if not jobs:
            yield {}
        elif passing:
            # Progress is not stored: who goes on after it goes on where the event before it was.
            yield {"event": "jobs", "jobs": job_events(jobs)}
        else:
            yield self._event("jobs", jobs=job_events(jobs))

    def _event(self, name: str, **members: Any) -> dict[str, Any]:
        return {"id": str(self.cursor), "event": name, **members}


def begin(client: LuxiClient) -> Cursor:
    """
    Where to follow from so that everything from now on is told.
    """
    config, _ = client.call("WaitForConfigChange", 0, 0)
    # A job that cannot be: only the revision is asked for.
    jobs, _ = client.call("WaitForAnyJobChange", [0], ["status"], 0, 0)
    return Cursor(jobs, config)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one event a line instead, for programs.")
@click.option(
    "--after", metavar="ID", help="Go on after the event of this id, which --json has told earlier."
)
@pass_session
def group(session: Session, as_json: bool, after: str | None) -> None:
    """
    Watch the cluster: nodes, instances, and jobs as they go on. Ctrl-C ends it.
    """
    client = session.client
    try:
        cursor = begin(client) if after is None else Cursor.read(after)
    except ValueError as reason:
        raise click.UsageError(f"--after: {reason}") from reason
    follower = Follower(client, cursor)
    if as_json:
        _lines(follower.events(), lambda text: click.echo(text))
        return
    if not sys.stdout.isatty():
        raise click.UsageError("there is no terminal to draw on: use --json")
    from gnttwist.cli.board import Board

    Board(client).run(follower.events())


def _lines(events: Iterator[dict[str, Any]], echo: Callable[[str], None]) -> None:
    for each in events:
        if each:
            echo(msgspec.json.encode(each).decode())
