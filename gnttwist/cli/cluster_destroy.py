"""
C{gnt cluster destroy}.
"""

import os
from contextlib import suppress
from pathlib import Path

import click

from gnttwist.cli.follow import run
from gnttwist.cli.session import Session, opcode, pass_session
from gnttwist.client.luxi import LuxiClient
from gnttwist.functions import leaving
from gnttwist.paths import Paths
from gnttwist.privileges.accounts import load

UNFINISHED = ["|", *(["==", "status", each] for each in ("queued", "waiting", "canceling", "running"))]


@click.command()
@click.option("--yes-do-it", is_flag=True, help="Without it nothing is done: there is no way back.")
@click.option("--dry-run", is_flag=True, help="Only see whether it can be done.")
@pass_session
def destroy(session: Session, yes_do_it: bool, dry_run: bool) -> None:
    """
    On the master, the last node: end the cluster without instances, its daemons, its keys and its history.
    """
    if not (yes_do_it or dry_run):
        raise click.UsageError("a cluster that is destroyed is gone: say --yes-do-it if you mean it")
    paths = session.paths
    if not leaving.is_master(paths):
        raise click.ClickException("this machine is not the master: destroy the cluster there")
    if paths.root == Path("/") and os.geteuid() != 0 and not dry_run:
        raise click.ClickException("only root can do this")
    run(session, [opcode("OP_CLUSTER_DESTROY", dry_run=dry_run)], submit_only=False, as_json=False)
    if dry_run:
        return
    _close(session.client)
    _end(paths)
    click.echo("The cluster is gone.")


def _close(client: LuxiClient) -> None:
    """
    Take no more jobs, and see that none came in the meantime.

    @raise click.ClickException: One did; all goes on as before.
    """
    client.call("SetDrainFlag", True)
    jobs = client.call("Query", "job", ["id"], UNFINISHED)["data"]
    instances = client.call("Query", "instance", ["name"], None)["data"]
    if jobs or instances:
        client.call("SetDrainFlag", False)
        raise click.ClickException("others are still at work on this cluster: see gnt job list")


def _end(paths: Paths) -> None:
    """
    End the master daemon, then everything that any node has. Without the store the node is none of a master any
    more: if this is interrupted, C{gnt node leave} does the rest.
    """
    accounts = load(paths)
    leaving.end(paths.pid("gnt-masterd"), accounts.uid("masterd") if accounts.separate else os.geteuid())
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            paths.store.with_name(paths.store.name + suffix).unlink()
    leaving.finish(paths)
