"""
C{gnt debug}.
"""

import click

from gnttwist.cli.debug_allocator import iallocator
from gnttwist.cli.follow import run, submit_option
from gnttwist.cli.listing import listing
from gnttwist.cli.session import Session, json_option, opcode, pass_session


@click.group()
def group() -> None:
    """
    Test jobs; who holds which lock.
    """


@group.command()
@click.argument("seconds", type=click.FloatRange(0))
@click.option("-n", "--node", "nodes", multiple=True, help="Wait on this node, too; may be repeated.")
@click.option("--no-master", is_flag=True, help="Do not wait on the master.")
@click.option("-r", "--repeat", type=click.IntRange(0), default=0, help="How often.")
@click.option("--locks", is_flag=True, help="Lock the nodes meanwhile.")
@submit_option
@json_option
@pass_session
def delay(
    session: Session,
    seconds: float,
    nodes: tuple[str, ...],
    no_master: bool,
    repeat: int,
    locks: bool,
    submit: bool,
    as_json: bool,
) -> None:
    """
    A job that takes so many SECONDS.
    """
    op = opcode(
        "OP_TEST_DELAY",
        duration=seconds,
        on_master=not no_master,
        on_nodes=list(nodes),
        repeat=repeat,
        no_locks=not locks,
    )
    run(session, [op], submit_only=submit, as_json=as_json)


@group.command()
@json_option
@pass_session
def locks(session: Session, as_json: bool) -> None:
    """
    Which locks are held or waited for, by which jobs.
    """
    listing(session, "lock", ["name", "mode", "owner", "since", "pending"], None, as_json)


group.add_command(iallocator)
