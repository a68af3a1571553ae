"""
C{gnt node}: the commands that change nodes or have them do something.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from gnttwist.cli import parameters
from gnttwist.cli.follow import run, submit_option
from gnttwist.cli.output import plain
from gnttwist.cli.session import Session, json_option, opcode, pass_session
from gnttwist.cli.submitting import confirm, dry_run_option, force_option

F = TypeVar("F", bound=Callable[..., Any])


def flag(*names: str, text: str) -> Callable[[F], F]:
    """
    An option that is C{yes} or C{no}, or is left as it is.
    """
    return click.option(*names, type=bool, metavar="yes|no", help=text)


ndparams_option = click.option(
    "--node-parameters",
    "ndparams",
    metavar="NAME=VALUE,...",
    help="Parameters of its own; default means the group's.",
)


def node_parameters(text: str | None) -> dict[str, Any] | None:
    """
    What C{--node-parameters} says.
    """
    return None if text is None else parameters.typed(parameters.pairs(text))


@click.command()
@click.argument("name")
@flag("-C", "--master-candidate", text="Whether it has a copy of the configuration and may become master.")
@flag("-D", "--drained", text="Whether nothing new is placed on it.")
@flag("-O", "--offline", text="Whether it is away: nobody calls it.")
@flag("--master-capable", text="Whether it may be a master candidate.")
@flag("--vm-capable", text="Whether it may have instances.")
@click.option("-s", "--secondary-ip", metavar="IP", help="Its address for replicated disks.")
@ndparams_option
@click.option("--auto-promote", is_flag=True, help="Let another node take its place as master candidate.")
@flag("--node-powered", text="Whether it has power, as far as its management hardware tells.")
@click.option("-f", "--force", is_flag=True, help="Do not ask; change the master's secondary address.")
@dry_run_option
@submit_option
@json_option
@pass_session
def modify(
    session: Session,
    /,
    name: str,
    offline: bool | None,
    force: bool,
    ndparams: str | None,
    node_powered: bool | None,
    dry_run: bool,
    submit: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """
    Change a node's role, capabilities and parameters.
    """
    if offline is False:
        confirm(
            f"Is {name} as it was when it went offline? If not, take it back by gnt node add --readd.", force
        )
    op = opcode(
        "OP_NODE_SET_PARAMS",
        node_name=name,
        offline=offline,
        force=force,
        ndparams=node_parameters(ndparams),
        powered=node_powered,
        dry_run=dry_run,
        **options,
    )
    results = run(session, [op], submit_only=submit, as_json=as_json)
    if results is not None and not as_json:
        click.echo(f"{'Would modify' if dry_run else 'Modified'} node {name}")
        for what, value in results[0]:
            click.echo(f" - {what} -> {plain(value)}")


@click.command()
@click.argument("name")
@force_option
@dry_run_option
@submit_option
@json_option
@pass_session
def remove(session: Session, name: str, force: bool, dry_run: bool, submit: bool, as_json: bool) -> None:
    """
    Remove a node that has no instances: it forgets the cluster, and its daemons end.
    """
    if not dry_run:
        confirm(f"Remove node {name} from the cluster?", force)
    op = opcode("OP_NODE_REMOVE", node_name=name, dry_run=dry_run)
    run(session, [op], submit_only=submit, as_json=as_json)


@click.command()
@click.argument("name")
@click.option("-f", "--force", is_flag=True, help="Do not ask; also if it is the master.")
@dry_run_option
@submit_option
@json_option
@pass_session
def powercycle(session: Session, name: str, force: bool, dry_run: bool, submit: bool, as_json: bool) -> None:
    """
    Have a node reboot at once, as if it had lost its power.
    """
    if not dry_run:
        confirm(f"Reboot node {name} at once, with all that runs on it?", force)
    op = opcode("OP_NODE_POWERCYCLE", node_name=name, force=force, dry_run=dry_run)
    results = run(session, [op], submit_only=submit, as_json=as_json)
    if results is not None and not as_json:
        click.echo(plain(results[0]))


@click.command("restricted-command")
@click.argument("command")
@click.argument("names", nargs=-1, required=True)
@click.option("--sync", is_flag=True, help="Lock the nodes meanwhile.")
@submit_option
@json_option
@pass_session
def restricted_command(
    session: Session, command: str, names: tuple[str, ...], sync: bool, submit: bool, as_json: bool
) -> int:
    """
    Run one of the programs in /etc/ganeti/restricted-commands on nodes; exit code 1 when one fails.
    """
    op = opcode("OP_RESTRICTED_COMMAND", command=command, nodes=list(names), use_locking=sync)
    results = run(session, [op], submit_only=submit, as_json=as_json)
    if results is None:
        return 0
    if not as_json:
        for name, (succeeded, text) in zip(names, results[0], strict=True):
            click.echo(f"{name}:", err=not succeeded)
            click.echo(plain(text), err=not succeeded)
    return 0 if all(succeeded for succeeded, _ in results[0]) else 1
