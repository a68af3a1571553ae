"""
C{gnt node prepare}, C{add} and C{leave}: how machines come into a cluster and out of it, without SSH.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from gnttwist.cli.follow import run, submit_option
from gnttwist.cli.node_changes import flag, ndparams_option, node_parameters
from gnttwist.cli.session import Session, json_option, opcode, pass_session
from gnttwist.cli.submitting import confirm, dry_run_option, force_option
from gnttwist.functions import leaving
from gnttwist.paths import Paths
from gnttwist.wire.join import Code, Package

PORT = 1811
"""
The node daemon's, which does not run before a machine has joined: nothing else must be let through.
"""

LIFETIME = 30
"""
Minutes that a code is good for.
"""

SYSTEMD = Path("/run/systemd/system")
UNITS = ("gnt-launcher.service", "gnt-noded.service", "gnt-confd.service", "gnt-rapi.service")
DAEMONS = ("gnt-noded", "gnt-confd", "gnt-rapi")


@click.command()
@click.option("--address", metavar="IP", help="This machine's address in the cluster. Default: its name's.")
@click.option(
    "--minutes",
    type=click.IntRange(1, 1440),
    default=LIFETIME,
    show_default=True,
    help="Then the code expires.",
)
@click.option("--again", is_flag=True, help="Also if this is a node already, for gnt node add --readd.")
@click.option("--start", is_flag=True, help="Start the daemons afterwards also where there is no systemd.")
@pass_session
def prepare(session: Session, address: str | None, minutes: int, again: bool, start: bool) -> None:
    """
    On a new machine: print a one-time code and wait for gnt node add on the master.
    """
    # Imported here: they bring Twisted with them.
    from gnttwist.joining import files
    from gnttwist.joining.prepare import wait
    from gnttwist.sandbox.founding import run_once

    paths = session.paths
    if paths.root == Path("/") and os.geteuid() != 0:
        raise click.ClickException("only root can prepare a machine")
    cluster = files.membership(paths)
    if cluster is not None and (not again or leaving.is_master(paths)):
        raise click.ClickException(
            f"{paths.hostname} is a node of {cluster}; run gnt node leave first, "
            "or say --again if it is to be taken back with gnt node add --readd"
        )
    where = address or _resolved(paths.hostname)

    def say(code: Code) -> None:
        click.echo(f"On the master, within {minutes} minutes:\n")
        click.echo(f"    gnt node add {paths.hostname} --address {where} --code {code}\n")
        click.echo("Waiting for it; Ctrl-C gives up.")
        sys.stdout.flush()

    package = run_once(lambda reactor: wait(reactor, paths, where, PORT, minutes * 60, say))
    click.echo(f"{paths.hostname} has the keys of {package.cluster}.")
    _start(paths, start)


def _resolved(name: str) -> str:
    try:
        found = socket.getaddrinfo(name, PORT, type=socket.SOCK_STREAM)
    except OSError as reason:
        raise click.ClickException(
            f"{name} has no address that can be looked up ({reason}); use --address"
        ) from reason
    return str(found[0][4][0])


def _start(paths: Paths, anyway: bool) -> None:
    """
    Start the daemons of a node that has joined, or say how.
    """
    if paths.root == Path("/") and SYSTEMD.exists():
        subprocess.run(["systemctl", "enable", "--now", "gnttwist.target"], check=False)
        subprocess.run(["systemctl", "start", *UNITS], check=False)
        return
    if anyway:
        from gnttwist.sandbox import processes

        for daemon in DAEMONS:
            _, child = processes.start(daemon, paths)
            # It goes on when this command ends.
            child.returncode = 0
        return
    root = f" --root {paths.root}" if paths.root != Path("/") else ""
    click.echo("Start its daemons:")
    for daemon in DAEMONS:
        click.echo(f"  twistd -n --pidfile= {daemon}{root}")


@click.command()
@click.argument("name")
@click.option(
    "--code",
    metavar="CODE",
    help="What gnt node prepare has printed there; - asks for it. Without: it has joined before.",
)
@click.option("--address", metavar="IP", help="Its address. Default: its name's, or with --readd as before.")
@click.option("-s", "--secondary-ip", metavar="IP", help="Its address for replicated disks.")
@click.option("--readd", is_flag=True, help="Take back a node that was away or made anew.")
@click.option("-g", "--node-group", "group", metavar="GROUP", help="Its group. Default: the only one.")
@flag("--master-capable", text="Whether it may be a master candidate.")
@flag("--vm-capable", text="Whether it may have instances.")
@ndparams_option
@dry_run_option
@submit_option
@json_option
@pass_session
def add(
    session: Session,
    /,
    name: str,
    code: str | None,
    address: str | None,
    readd: bool,
    ndparams: str | None,
    dry_run: bool,
    submit: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """
    On the master: take a prepared machine into the cluster.
    """
    paths = session.paths
    name = name.lower()
    known = _address(session, name)
    if readd and known is None:
        raise click.ClickException(f"{name} is not a node of this cluster, so it cannot be taken back")
    if not readd and known is not None:
        raise click.ClickException(f"{name} is a node of this cluster already; --readd takes it back")
    where = address or known or _resolved(name)
    if code is not None:
        given = Code.parse(click.prompt("Code", err=True) if code == "-" else code)
        if dry_run:
            raise click.UsageError("--dry-run and --code contradict each other: a code can be used once")
        _give(paths, name, where, given)
    op = opcode(
        "OP_NODE_ADD",
        node_name=name,
        primary_ip=where,
        readd=readd,
        ndparams=node_parameters(ndparams),
        dry_run=dry_run,
        **options,
    )
    run(session, [op], submit_only=submit, as_json=as_json)
    if not (submit or as_json or dry_run):
        click.echo(f"Node {name} is part of the cluster.")


def _address(session: Session, name: str) -> str | None:
    """
    The address of a node of this name, if there is one.
    """
    rows = session.client.call("Query", "node", ["name", "pip"], None)["data"]
    found = {row[0][1]: str(row[1][1]) for row in rows}
    return found.get(name)


def _give(paths: Paths, name: str, address: str, code: Code) -> None:
    """
    Give a machine the cluster's keys.

    @raise click.ClickException: This is not the master, or the keys are not ours to read.
    """
    # Imported here: they bring cryptography with them.
    from gnttwist.joining import files, master

    if not leaving.is_master(paths):
        raise click.ClickException("this machine is not the master: add nodes there")

    def package(hostname: str) -> Package:
        if hostname != name:
            raise master.JoinFailed(f"the machine at {address} is {hostname}, not {name}")
        return files.collect(paths, name, address)

    try:
        certificate = master.give(address, PORT, code, package)
    except PermissionError as reason:
        raise click.ClickException(f"only root can give the cluster's keys: {reason}") from reason
    except master.Unsure as reason:
        raise click.ClickException(
            f"{reason}. If gnt node prepare there says that it has the keys, "
            f"run this command again without --code; else prepare the machine again"
        ) from reason
    click.echo(f"{name} has the cluster's keys; its certificate is {certificate}", err=True)


@click.command()
@force_option
@pass_session
def leave(session: Session, force: bool) -> None:
    """
    On a node that was removed while it was away: end its daemons and remove the cluster's keys.
    """
    paths = session.paths
    if paths.root == Path("/") and os.geteuid() != 0:
        raise click.ClickException("only root can do this")
    if leaving.is_master(paths):
        raise click.ClickException(
            f"{paths.hostname} has the cluster's store: it is the master and cannot leave"
        )
    confirm(f"End the daemons of {paths.hostname} and remove its keys?", force)
    leaving.finish(paths)
