"""
C{gnt group evacuate}.
"""

import click

from gnttwist.cli.node_evacuate import move_all
from gnttwist.cli.session import Session, opcode, pass_session
from gnttwist.cli.submitting import How, confirm, force_option, job_options


@click.command()
@click.argument("name")
@click.option(
    "--to",
    "groups",
    multiple=True,
    metavar="GROUP",
    help="Where to; may be repeated. Default: all other groups but unallocable ones.",
)
@click.option("-I", "--iallocator", metavar="NAME", help="Which allocator. Default: the cluster's.")
@click.option("--force-failover", is_flag=True, help="Stop and start also what could migrate.")
@click.option("--sequential", is_flag=True, help="One instance after the other.")
@click.option("--early-release", is_flag=True, help="About replicated disks, which this version has none of.")
@force_option
@job_options
@pass_session
def evacuate(
    session: Session,
    /,
    name: str,
    groups: tuple[str, ...],
    iallocator: str | None,
    force_failover: bool,
    sequential: bool,
    early_release: bool,
    force: bool,
    how: How,
) -> int:
    """
    Move a group's instances to other groups, where other nodes see their disks. They migrate, or are stopped and
    started where they cannot. Either all can go, or none is moved.
    """
    where = f"to {', '.join(groups)}" if groups else "to other groups"
    confirm(f"Move the instances of group {name} {where}?", force or how.dry_run)
    op = opcode(
        "OP_GROUP_EVACUATE",
        group_name=name,
        target_groups=list(groups) or None,
        iallocator=iallocator,
        force_failover=force_failover,
        sequential=sequential,
        early_release=early_release,
        dry_run=how.dry_run,
    )
    return move_all(session, op, how)
