"""
C{gnt instance migrate} and C{gnt node migrate}.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import click

from gnttwist.cli.node_evacuate import move_all
from gnttwist.cli.session import Session, opcode, pass_session
from gnttwist.cli.submitting import How, carry_out, confirm, force_option, job_options

OPTIONS = (
    click.option("-n", "--target-node", metavar="NODE", help="Where to."),
    click.option("-I", "--iallocator", metavar="NAME", help="What chooses where. Default: the cluster's."),
    click.option("--non-live", is_flag=True, help="The guest may stand still meanwhile."),
    click.option(
        "--migration-mode", "mode", type=click.Choice(["live", "non-live"]), help="The same, as a word."
    ),
    click.option("--ignore-ipolicy", is_flag=True, help="Also beyond what the instance policy allows."),
    force_option,
)


def migration_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """
    Give a command the options of both, which it gets as C{wanted}: parameters that both opcodes have.
    """

    @functools.wraps(command)
    def wrapped(
        *arguments: Any,
        target_node: str | None,
        iallocator: str | None,
        non_live: bool,
        mode: str | None,
        ignore_ipolicy: bool,
        **options: Any,
    ) -> Any:
        if non_live and mode is not None:
            raise click.UsageError("--non-live and --migration-mode say the same; give one of the two")
        if target_node is not None and iallocator is not None:
            raise click.UsageError("-n names a node and -I what chooses one; give one of the two")
        wanted = {
            "mode": "non-live" if non_live else mode,
            "target_node": target_node,
            "iallocator": iallocator,
            "ignore_ipolicy": ignore_ipolicy,
        }
        return command(*arguments, wanted=wanted, **options)

    decorated: Callable[..., Any] = wrapped
    for each in reversed(OPTIONS):
        decorated = each(decorated)
    return decorated


@click.command()
@click.argument("name")
@migration_options
@click.option("--cleanup", is_flag=True, help="Only mend what an interrupted migration left.")
@click.option("--allow-failover", is_flag=True, help="Stop and start it where it cannot be migrated.")
@job_options
@pass_session
def migrate_instance(
    session: Session,
    /,
    name: str,
    wanted: Mapping[str, Any],
    force: bool,
    cleanup: bool,
    allow_failover: bool,
    how: How,
) -> None:
    """
    Move a running instance on shared disks to another node.
    """
    what = f"Mend {name} after a migration" if cleanup else f"Migrate {name}"
    confirm(f"{what}?", force or how.dry_run)
    op = opcode(
        "OP_INSTANCE_MIGRATE", instance_name=name, cleanup=cleanup, allow_failover=allow_failover, **wanted
    )
    carry_out(session, op, how)


@click.command()
@click.argument("name")
@migration_options
@job_options
@pass_session
def migrate_node(session: Session, /, name: str, wanted: Mapping[str, Any], force: bool, how: How) -> int:
    """
    Move a node's running instances elsewhere, where other nodes see their disks.
    """
    confirm(f"Migrate the instances of {name}?", force or how.dry_run)
    return move_all(session, opcode("OP_NODE_MIGRATE", node_name=name, dry_run=how.dry_run, **wanted), how)
