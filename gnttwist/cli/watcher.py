"""
C{gnt watcher}.
"""

import time

import click

from gnttwist.cli.quantities import EVERYTHING, Age
from gnttwist.cli.session import Session, pass_session
from gnttwist.errors import GnttwistError, JobQueueDrainError, JobQueueFull
from gnttwist.paths import Paths
from gnttwist.watcher import files
from gnttwist.watcher.group import GroupRun, Log
from gnttwist.watcher.hooks import run_hooks

JOB_AGE = "6h"
"""
The age from which jobs that have ended are archived: Ganeti's.
"""

ARCHIVING_TIMEOUT = 60.0
"""
Seconds for archiving in one run; the next one goes on.
"""


@click.command()
@click.option("-A", "--job-age", type=Age(), default=JOB_AGE, show_default=True, help="Archive older jobs.")
@click.option("--ignore-pause", is_flag=True, help="Run also while the watcher is paused.")
@click.option("--node-group", metavar="GROUP", help="Only this group's instances; archive nothing.")
@click.option("--no-verify-disks", is_flag=True, help="Do not look for lost disks.")
@click.option("-d", "--debug", is_flag=True, help="Say on stderr, too, what is done.")
@pass_session
def group(
    session: Session,
    job_age: int,
    ignore_pause: bool,
    node_group: str | None,
    no_verify_disks: bool,
    debug: bool,
) -> int:
    """
    Start again instances that should be up and are not, once. For timers: says nothing, and succeeds where there is
    nothing to do: on other nodes than the master, while it is paused, or while another one runs. What it does is in
    watcher.log.
    """
    paths = session.paths
    log = _logging(paths, debug)
    if files.paused(paths, time.time()) and not ignore_pause:
        log("debug", "The watcher is paused")
        return 0
    with files.locked(paths.lock / "ganeti-watcher.lock", shared=True) as free:
        if not free:
            log("error", "Another program keeps watchers from running")
            return 0
        run_hooks(paths, lambda text: log("warning", text))
        if not _is_master(paths):
            log("debug", "This node is not the master")
            return 0
        try:
            return _watch(session, log, job_age, node_group, not no_verify_disks)
        except (JobQueueFull, JobQueueDrainError) as reason:
            log("error", f"The job queue takes no jobs: {reason or 'it is full'}")
            return 0
        except GnttwistError as reason:
            log("error", str(reason))
            raise


def _watch(session: Session, log: Log, age: int, wanted: str | None, verify_disks: bool) -> int:
    answer = session.client.call("Query", "group", ["name", "uuid"], None)
    groups = {uuid: name for (_, name), (_, uuid) in answer["data"]}
    if wanted is None:
        age = 0 if age == EVERYTHING else age
        moved, left = session.client.call("AutoArchiveJobs", age, ARCHIVING_TIMEOUT)
        log("debug", f"Archived {moved} jobs; {left} are left to look at")
    chosen = [uuid for uuid, name in groups.items() if wanted in (None, uuid, name)]
    if not chosen:
        raise click.BadParameter(f"there is no group {wanted}", param_hint="--node-group")
    for uuid in chosen:
        GroupRun(session.client, session.paths, log, time.time, uuid, list(groups)).run(verify_disks)
    return 0


def _is_master(paths: Paths) -> bool:
    name = files.read(paths.ssconf("master_node")).decode("utf-8", "replace").strip()
    return not name or name == paths.hostname


def _logging(paths: Paths, debug: bool) -> Log:
    """
    Lines go to the log file; everything below a warning only if asked for.
    """
    file = paths.log / "watcher.log"

    def log(level: str, text: str) -> None:
        if debug:
            click.echo(f"{level}: {text}", err=True)
        if debug or level != "debug":
            when = time.strftime("%Y-%m-%d %H:%M:%S")
            with file.open("a", encoding="utf-8") as out:
                out.write(f"{when} {level.upper()} {text}\n")

    return log
