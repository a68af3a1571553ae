"""
C{gnt instance}: the commands about disks.
"""

from typing import Any

import click

from gnttwist.cli import parameters
from gnttwist.cli.session import Session, opcode, pass_session
from gnttwist.cli.submitting import How, carry_out, job_options


@click.command("grow-disk")
@click.argument("name")
@click.argument("disk", type=click.IntRange(0, 15))
@click.argument("amount")
@click.option("--absolute", is_flag=True, help="AMOUNT is the new size, not what is added.")
@click.option("--ignore-ipolicy", is_flag=True, help="Also beyond what the instance policy allows.")
@click.option("--wait-for-sync/--no-wait-for-sync", default=True, help="For replicated disks only.")
@job_options
@pass_session
def grow_disk(
    session: Session,
    /,
    name: str,
    disk: int,
    amount: str,
    absolute: bool,
    ignore_ipolicy: bool,
    wait_for_sync: bool,
    how: How,
) -> None:
    """
    Make disk number DISK of an instance larger by AMOUNT, such as 512m or 2g. Disks do not shrink.
    """
    op = opcode(
        "OP_INSTANCE_GROW_DISK",
        instance_name=name,
        disk=disk,
        amount=parameters.size(amount),
        absolute=absolute,
        ignore_ipolicy=ignore_ipolicy,
        wait_for_sync=wait_for_sync,
    )
    carry_out(session, op, how)


@click.command("activate-disks")
@click.argument("name")
@click.option("--ignore-size", is_flag=True, help="Go by the disks' sizes as they are.")
@click.option("--wait-for-sync", is_flag=True, help="For replicated disks only.")
@job_options
@pass_session
def activate_disks(session: Session, name: str, ignore_size: bool, wait_for_sync: bool, how: How) -> None:
    """
    Make an instance's disks usable on its node, and print where they are.
    """
    op = opcode(
        "OP_INSTANCE_ACTIVATE_DISKS", instance_name=name, ignore_size=ignore_size, wait_for_sync=wait_for_sync
    )
    found = carry_out(session, op, how)
    if not how.as_json:
        for node, disk, place in found or ():
            click.echo(f"{node}:{disk}:{place}")


@click.command("deactivate-disks")
@click.argument("name")
@click.option("-f", "--force", is_flag=True, help="Without asking the node whether the instance runs.")
@job_options
@pass_session
def deactivate_disks(session: Session, name: str, force: bool, how: How) -> None:
    """
    Undo activate-disks.
    """
    carry_out(session, opcode("OP_INSTANCE_DEACTIVATE_DISKS", instance_name=name, force=force), how)


@click.command("recreate-disks")
@click.argument("name")
@click.option(
    "--disk",
    "disks",
    multiple=True,
    metavar="N[:size=SIZE,...]",
    help="Only disk number N; may be repeated. Default: all.",
)
@click.option("-n", "--node", metavar="NODE", help="Make them on this node, and move the instance to it.")
@job_options
@pass_session
def recreate_disks(session: Session, name: str, disks: tuple[str, ...], node: str | None, how: How) -> None:
    """
    Make lost disks of an instance anew, empty.
    """
    op = opcode(
        "OP_INSTANCE_RECREATE_DISKS",
        instance_name=name,
        disks=[_recreated(each) for each in disks],
        nodes=[] if node is None else [node],
    )
    carry_out(session, op, how)


def _recreated(text: str) -> list[Any]:
    number, _, rest = text.partition(":")
    if not number.isascii() or not number.isdigit():
        raise click.BadParameter(f"--disk {text}: begin with the disk's number, as in 0:size=1g")
    return [int(number), parameters.sized(parameters.pairs(rest))]
