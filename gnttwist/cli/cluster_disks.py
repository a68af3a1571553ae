"""
C{gnt cluster verify-disks} and C{gnt cluster repair-disk-sizes}.
"""

import click

from gnttwist.cli.follow import follow, run, submit, view
from gnttwist.cli.output import print_json
from gnttwist.cli.session import Session, json_option, opcode, pass_session
from gnttwist.cli.submitting import How, carry_out, job_options


@click.command("verify-disks")
@click.option("--node-group", metavar="GROUP", help="Only this group's instances.")
@click.option("--submit", "submit_only", is_flag=True, help="Print the job's number and do not wait for it.")
@json_option
@pass_session
def verify_disks(session: Session, node_group: str | None, submit_only: bool, as_json: bool) -> int:
    """
    Look for lost disks of instances that should be able to use theirs; exit code 1 when there are any.
    """
    op = opcode("OP_CLUSTER_VERIFY_DISKS", group_name=node_group)
    if submit_only:
        run(session, [op], submit_only=True, as_json=as_json)
        return 0
    client = session.client
    errors: dict[str, str] = {}
    lost: dict[str, list[list[str]]] = {}
    with view(quiet=as_json) as shown:
        [answer] = follow(client, submit(client, op), shown)
        for accepted, job in answer["jobs"]:
            if not accepted:
                raise click.ClickException(f"a part of the verification could not be queued: {job}")
            [[silent, _, gone]] = follow(client, job, shown)
            errors |= silent
            lost |= gone
    if as_json:
        print_json({"errors": errors, "lost": lost})
    for node, text in sorted(errors.items()) if not as_json else ():
        click.echo(f"Node {node} could not be asked: {text}")
    for instance, disks in sorted(lost.items()) if not as_json else ():
        for node, place in disks:
            click.echo(f"Instance {instance} has lost disk {place} on node {node}")
    if not (errors or lost or as_json):
        click.echo("No disk is lost.")
    return 1 if errors or lost else 0


@click.command("repair-disk-sizes")
@click.argument("instances", nargs=-1)
@job_options
@pass_session
def repair_disk_sizes(session: Session, instances: tuple[str, ...], how: How) -> None:
    """
    Write down the sizes that the disks of instances, by default of all, really have.
    """
    changed = carry_out(session, opcode("OP_CLUSTER_REPAIR_DISK_SIZES", instances=list(instances)), how)
    if changed == [] and not how.as_json:
        click.echo("The sizes of all disks that could be looked at are right.")
