"""
C{gnt debug}.
"""

from collections.abc import Sequence
from typing import Any

import click

from gnttwist.cli import output, watching
from gnttwist.cli.session import Session, pass_session


@click.group("debug")
def group() -> None:
    """
    Look inside, and try things.
    """


@group.command()
@click.argument("seconds", type=click.FloatRange(min=0))
@click.option(
    "-n", "--node", "nodes", multiple=True, metavar="NODE", help="Wait on this node; may be repeated."
)
@click.option(
    "--master/--no-master", default=None, help="Wait on the master; by default, if no node is named."
)
@click.option("--repeat", type=click.IntRange(min=0), default=0, help="Do it so many times more.")
@watching.submit_option
@pass_session
def delay(
    session: Session,
    seconds: float,
    nodes: Sequence[str],
    master: bool | None,
    repeat: int,
    submit_only: bool,
) -> None:
    """
    Run a job that does nothing for a while.
    """
    opcode = {
        "OP_ID": "OP_TEST_DELAY",
        "duration": seconds,
        "on_master": not nodes if master is None else master,
        "on_nodes": [*nodes],
        "repeat": repeat,
    }
    watching.run(session, opcode, submit_only=submit_only)


@group.command()
@output.json_option
@output.no_headers_option
@pass_session
def locks(session: Session, as_json: bool, no_headers: bool) -> None:
    """
    Show the locks that jobs hold and wait for.
    """
    result = session.query("lock", ["name", "mode", "owner", "pending"])
    if as_json:
        output.show(result, as_json=True)
        return
    rows = [
        [name, mode or "-", ", ".join(map(str, owners or ())) or "-", _pending(pending)]
        for (_, name), (_, mode), (_, owners), (_, pending) in result["data"]
    ]
    output.table(["Lock", "Mode", "Jobs", "Waiting"], rows, no_headers=no_headers)


def _pending(pending: Any) -> str:
    return ", ".join(f"{'+'.join(map(str, owners))} ({mode})" for mode, owners in pending or ()) or "-"
