"""
C{gnt cluster queue} and C{gnt cluster watcher}.
"""

import time

import click

from gnttwist.cli.output import moment, print_json
from gnttwist.cli.quantities import Duration
from gnttwist.cli.session import Session, json_option, pass_session


@click.group()
def queue() -> None:
    """
    Whether new jobs are taken.
    """


@queue.command()
@pass_session
def drain(session: Session) -> None:
    """
    Take no new jobs; those that are queued go on.
    """
    session.client.call("SetDrainFlag", True)


@queue.command()
@pass_session
def undrain(session: Session) -> None:
    """
    Take jobs again.
    """
    session.client.call("SetDrainFlag", False)


@queue.command("info")
@json_option
@pass_session
def queue_info(session: Session, as_json: bool) -> None:
    """
    Whether it is drained, how many jobs there are, and its limits.
    """
    client = session.client
    names = ["drain_flag", "max_queued_jobs", "node_patience"]
    drained, room, patience = client.call("QueryConfigValues", names)
    limit = client.call("QueryClusterInfo")["max_running_jobs"]
    counts: dict[str, int] = {}
    for [status] in client.call("QueryJobs", [], ["status"]):
        counts[status] = counts.get(status, 0) + 1
    if as_json:
        print_json(
            {
                "drained": drained,
                "jobs": counts,
                "max_running_jobs": limit,
                "max_queued_jobs": room,
                "node_patience": patience,
            }
        )
        return
    click.echo(f"The queue is {'drained: no new jobs are taken' if drained else 'open'}.")
    shown = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    click.echo(f"Jobs: {shown or 'none'}; {limit} may run at once, {room} queue.")
    click.echo(f"A job waits {patience} s for a node that does not answer.")


@queue.command()
@click.option("--running", type=click.IntRange(1), metavar="N", help="How many jobs may run at once.")
@click.option("--queued", type=click.IntRange(1), metavar="N", help="How many may be queued or running.")
@click.option(
    "--patience",
    type=Duration(),
    metavar="TIME",
    help="How long a job waits for a node that does not answer.",
)
@pass_session
def limit(session: Session, running: int | None, queued: int | None, patience: int | None) -> None:
    """
    Change how many jobs may run or queue, or how long they wait for nodes; at once, and for good.
    """
    if running is None and queued is None and patience is None:
        raise click.UsageError("give --running, --queued or --patience")
    session.client.call("SetQueueLimits", running, queued, patience)


@click.group()
def watcher() -> None:
    """
    Keep the watcher still for a while.
    """


@watcher.command()
@click.argument("duration", type=Duration())
@pass_session
def pause(session: Session, duration: int) -> None:
    """
    Pause it for a time: seconds, or with a unit as in 30m, 12h, 7d.
    """
    until = session.client.call("SetWatcherPause", time.time() + duration)
    click.echo(f"The watcher is paused until {moment(until)}.")


@watcher.command("continue")
@pass_session
def resume(session: Session) -> None:
    """
    End the pause.
    """
    session.client.call("SetWatcherPause", None)
    click.echo("The watcher is no longer paused.")


@watcher.command("info")
@json_option
@pass_session
def watcher_info(session: Session, as_json: bool) -> None:
    """
    Whether it is paused.
    """
    [until] = session.client.call("QueryConfigValues", ["watcher_pause"])
    if as_json:
        print_json({"paused_until": until})
    elif until is None:
        click.echo("The watcher is not paused.")
    else:
        click.echo(f"The watcher is paused until {moment(until)}.")
