"""
C{gnt sandbox}.
"""

import shlex
from pathlib import Path

import click

from gnttwist.cli.output import print_json, print_table
from gnttwist.cli.session import json_option
from gnttwist.sandbox import lifecycle

directory_option = click.option(
    "--dir",
    "directory",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where it lives.",
)


@click.group()
def group() -> None:
    """
    Virtual clusters on this machine, for trying and testing.
    """


@group.command()
@directory_option
@click.option("--nodes", default=1, show_default=True, help="How many nodes.")
@click.option("--spare", "spares", default=0, help="Machines beside the cluster, for gnt node prepare.")
@click.option(
    "--hypervisor",
    default="fake",
    show_default=True,
    help="fake has no guests; kvm runs real ones with QEMU.",
)
@click.option("--network", metavar="127.X.Y", help="Where its addresses are. Default: some that are free.")
@click.option("--users", is_flag=True, help="Give every daemon a user of its own, by number. Needs root.")
@json_option
def up(
    directory: Path,
    nodes: int,
    spares: int,
    hypervisor: str,
    network: str | None,
    users: bool,
    as_json: bool,
) -> None:
    """
    Make and start a virtual cluster, and print what points tools to it.
    """
    made = lifecycle.up(
        directory,
        nodes,
        hypervisor,
        network,
        lambda text: click.echo(text, err=True),
        users=users,
        spares=spares,
    )
    if as_json:
        print_json(made.variables())
        return
    for each in made.spares:
        root = shlex.quote(str(made.path / each.name))
        click.echo(f"spare: gnt --root {root} node prepare --address {each.address} --start", err=True)
    for name, value in made.variables().items():
        click.echo(f"export {name}={shlex.quote(value)}")


@group.command()
@directory_option
def down(directory: Path) -> None:
    """
    Stop a virtual cluster and its guests, and remove its files.
    """
    lifecycle.down(directory)


@group.command()
@directory_option
@json_option
def status(directory: Path, as_json: bool) -> int:
    """
    Every daemon's pid, memory and health; exit code 1 when one is ill.
    """
    found = lifecycle.status(directory)
    if as_json:
        print_json(
            [
                {
                    "node": each.node,
                    "daemon": each.daemon,
                    "pid": each.pid,
                    "memory": each.memory,
                    "healthy": each.illness is None,
                    "illness": each.illness,
                }
                for each in found
            ]
        )
    else:
        print_table(
            ["Node", "Daemon", "PID", "Memory", "Health"],
            [
                [
                    each.node,
                    each.daemon,
                    str(each.pid or "-"),
                    f"{each.memory / 1e6:.0f} MB",
                    each.illness or "healthy",
                ]
                for each in found
            ],
            ["left", "left", "right", "right", "left"],
        )
    return 1 if any(each.illness for each in found) else 0
