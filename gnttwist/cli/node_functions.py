"""
C{gnt node functions}.
"""

from typing import Any

import click
import msgspec

from gnttwist.cli.output import print_json, print_table
from gnttwist.cli.session import Session, json_option, pass_session
from gnttwist.client.node_plain import calls, security
from gnttwist.errors import ECode, OpPrereqError
from gnttwist.paths import Paths
from gnttwist.wire.rpc_answers import CallRow
from gnttwist.wire.ssconf import address_of, lines

TITLES = ("Function", "State", "Age", "Processes", "Job", "Last feedback", "Call")


@click.command()
@click.argument("node", required=False)
@click.option(
    "--all", "everything", is_flag=True, help="Also calls that have ended and wait to be acknowledged."
)
@json_option
@pass_session
def functions(session: Session, node: str | None, everything: bool, as_json: bool) -> None:
    """
    List the function calls that run on a node.

    Asks the node's gnt-noded itself, as a master candidate; without NODE that of this node. Needs neither gnt-masterd
    nor the network between this node and the master.
    """
    paths = session.paths
    name = node or paths.hostname
    found = calls(security(paths), name, address(paths, name))
    shown = [each for each in found if everything or each.state in ("running", "registered")]
    if as_json:
        print_json(shown)
    else:
        print_table(
            TITLES, [row(each) for each in shown], ("left", "left", "right", "right", "right", "left", "left")
        )


def address(paths: Paths, name: str) -> str:
    """
    A node's address, as this node knows it.

    @raise OpPrereqError: There is no such node, or this one is in no cluster.
    """
    file = paths.ssconf("node_primary_ips")
    try:
        text = file.read_text()
    except OSError as reason:
        raise OpPrereqError(
            f"Cannot read {file}: {reason.strerror}; is this a node?", ECode.ENVIRON
        ) from reason
    names = [each.partition(" ")[0] for each in lines(text)]
    # As everywhere, the part before the first dot will do where only one name has it.
    matching = [name] if name in names else [each for each in names if each.startswith(f"{name}.")]
    if len(matching) > 1:
        raise OpPrereqError(f"{name} can be {', '.join(matching)}: give the full name", ECode.INVAL)
    found = address_of(matching[0], text) if matching else None
    if found is None:
        raise OpPrereqError(f"Node {name} is not known here", ECode.NOENT)
    return found


def row(call: CallRow) -> list[str]:
    """
    A call in words.
    """
    return [
        call.function,
        call.state,
        f"{call.age:.0f}s",
        str(len(call.processes)),
        job(call.key),
        said(msgspec.json.decode(call.last_feedback)),
        call.key or call.id or "-",
    ]


def job(key: str | None) -> str:
    """
    The job that a call belongs to, in its key.
    """
    parts = (key or "").split("/")
    return parts[3] if len(parts) > 3 and parts[3].isdigit() else "-"


def said(feedback: Any) -> str:
    """
    A feedback in words.
    """
    match feedback:
        case [_, _, "progress", {"done": done, "total": total, **more}]:
            of = "" if total is None else f" of {total}"
            return f"{more.get('what') or ''}: {done}{of} {more.get('unit') or ''}".strip()
        case [_, _, _, payload]:
            return payload if isinstance(payload, str) else msgspec.json.encode(payload).decode()
    return "-"
