"""
C{gnt cluster destroy}.
"""

import os
from contextlib import suppress
from pathlib import Path

import click

from gnttwist.cli.follow import follow, run, view
from gnttwist.cli.listing import any_of
from gnttwist.cli.session import Session, opcode, pass_session
from gnttwist.client.luxi import LuxiClient, NotReachable
from gnttwist.functions import leaving
from gnttwist.model.job import UNFINISHED
from gnttwist.paths import Paths
from gnttwist.privileges.accounts import load

MARK = "destroying"
"""
The file that says that nothing speaks against it any more: whoever repeats an interrupted command goes on, though
there may be no master daemon any more to ask.
"""


@click.command()
@click.option("--yes-do-it", is_flag=True, help="Without it nothing is done: there is no way back.")
@click.option("--dry-run", is_flag=True, help="Only see whether it can be done.")
@pass_session
def destroy(session: Session, yes_do_it: bool, dry_run: bool) -> None:
    """
    On the master, the last node: end the cluster without instances, its daemons, its keys and its history.

    If it is interrupted, run it again.
    """
    if not (yes_do_it or dry_run):
        raise click.UsageError("a cluster that is destroyed is gone: say --yes-do-it if you mean it")
    paths = session.paths
    mark = paths.data / MARK
    if not (leaving.is_master(paths) or mark.exists()):
        raise click.ClickException("this machine is not the master: destroy the cluster there")
    if paths.root == Path("/") and os.geteuid() != 0 and not dry_run:
        raise click.ClickException("only root can do this")
    op = opcode("OP_CLUSTER_DESTROY", dry_run=dry_run)
    if dry_run:
        run(session, [op], submit_only=False, as_json=False)
        return
    if mark.exists():
        # Its end may have begun: then there is nobody who could have anything against it.
        with suppress(NotReachable):
            _close(session.client, mark)
    else:
        # The queue may be closed already, by a command that was interrupted.
        job: int = session.client.call("SubmitJobToDrainedQueue", [op])
        with view() as shown:
            follow(session.client, job, shown)
        _close(session.client, mark)
        mark.touch()
    _end(paths)
    click.echo("The cluster is gone.")


def _close(client: LuxiClient, mark: Path) -> None:
    """
    Take no more jobs, and see that none came in the meantime.

    @raise click.ClickException: One did; all goes on as before.
    """
    client.call("SetDrainFlag", True)
    jobs = client.call("Query", "job", ["id"], any_of("status", UNFINISHED))["data"]
    instances = client.call("Query", "instance", ["name"], None)["data"]
    if jobs or instances:
        mark.unlink(missing_ok=True)
        client.call("SetDrainFlag", False)
        raise click.ClickException("others are still at work on this cluster: see gnt job list")


def _end(paths: Paths) -> None:
    """
    End the master daemon, then everything that any node has; the mark goes last.
    """
    accounts = load(paths)
    leaving.end(paths.pid("gnt-masterd"), accounts.uid("masterd") if accounts.separate else os.geteuid())
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            paths.store.with_name(paths.store.name + suffix).unlink()
    leaving.finish(paths, keep=MARK)
    (paths.data / MARK).unlink()
