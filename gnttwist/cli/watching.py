"""
Following jobs: log lines as they come, progress as bars on a terminal and as lines elsewhere.
"""

import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from gnttwist.cli.session import Opcode, Session
from gnttwist.errors import JobCanceled, OpExecError, from_wire

LINE_EVERY = 5.0
"""
Seconds between two lines about one job's progress where there is no terminal.
"""

submit_option = click.option(
    "--submit", "submit_only", is_flag=True, help="Print the job's number and do not wait for its end."
)


class Bars:
    """
    Shows log lines and one bar a job. A context manager.
    """

    def __init__(self, jobs: Sequence[int]) -> None:
        self._many = len(jobs) > 1
        self._shown: dict[int, float] = {}
        self._tasks: dict[int, Any] = {}
        self._progress: Any = None

    def __enter__(self) -> "Bars":
        if sys.stdout.isatty():
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=30),
                TextColumn("{task.fields[amount]}"),
                TimeElapsedColumn(),
                transient=True,
            )
            self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def line(self, job: int, said: str) -> None:
        """
        Show a log line.
        """
        prefix = f"{job}: " if self._many else ""
        if self._progress is not None:
            self._progress.console.print(f"{prefix}{said}", markup=False, highlight=False)
        else:
            click.echo(f"{prefix}{said}")

    def progress(self, job: int, now: dict[str, Any] | None) -> None:
        """
        Show how far a job is; C{None} takes its bar away.
        """
        if self._progress is not None:
            self._bar(job, now)
        elif now is not None and time.monotonic() - self._shown.get(job, 0) >= LINE_EVERY:
            self._shown[job] = time.monotonic()
            self.line(job, f"  {now['what']}: {amount(now)}")

    def _bar(self, job: int, now: dict[str, Any] | None) -> None:
        task = self._tasks.get(job)
        if now is None:
            if task is not None:
                self._progress.remove_task(self._tasks.pop(job))
            return
        label = f"{job}: {now['what']}" if self._many else now["what"]
        if task is None:
            task = self._tasks[job] = self._progress.add_task(label, total=now["total"], amount="")
        self._progress.update(
            task, description=label, completed=now["done"], total=now["total"], amount=amount(now)
        )


def amount(now: dict[str, Any]) -> str:
    """
    How far something is, in its own unit.
    """
    unit = f" {now['unit']}" if now.get("unit") else ""
    if not now.get("total"):
        return f"{now['done']:g}{unit}"
    return f"{now['done']:g} of {now['total']:g}{unit} ({100 * now['done'] / now['total']:.0f}%)"


def follow(session: Session, jobs: Sequence[int]) -> dict[int, str]:
    """
    Show what jobs do until all have ended, one after the other.

    @return: Each job's final status.
    """
    ended: dict[int, str] = {}
    with Bars(jobs) as bars:
        for job in jobs:
            for (status, progress), log in session.client.wait_for_job(job, ("status", "progress")):
                for _, _, kind, payload in log:
                    if kind == "message":
                        bars.line(job, str(payload))
                bars.progress(job, progress)
                ended[job] = status
            bars.progress(job, None)
    return ended


def outcome(session: Session, job: int) -> list[Any]:
    """
    A finished job's results, one an opcode.

    @raise OperationError: It failed: the first failed opcode's error.
    """
    status, statuses, results = session.client.call("QueryJobs", [job], ["status", "opstatus", "opresult"])[0]
    if status == "success":
        return list(results)
    if status in ("canceled", "canceling"):
        raise JobCanceled(f"job {job} was cancelled")
    for one, result in zip(statuses, results, strict=True):
        if one == "error":
            raise from_wire(result) or OpExecError(str(result))
    raise OpExecError(f"job {job} ended in {status}")


def run(session: Session, opcode: Opcode, *, submit_only: bool) -> list[Any] | None:
    """
    Submit a job and see it through, or only print its number.

    @return: Its results; C{None} where it was only submitted.
    @raise OperationError: It failed.
    """
    job = session.submit(opcode)
    if submit_only:
        click.echo(job)
        return None
    follow(session, [job])
    return outcome(session, job)


def run_each(session: Session, opcodes: Sequence[Opcode], *, submit_only: bool) -> None:
    """
    The same with a job for each opcode, all at once.

    @raise OperationError: One failed; the others have been seen through.
    """
    if len(opcodes) == 1:
        run(session, opcodes[0], submit_only=submit_only)
        return
    jobs = session.submit_many([[each] for each in opcodes])
    if submit_only:
        for each in jobs:
            click.echo(each)
        return
    ended = follow(session, jobs)
    for each in jobs:
        if ended[each] != "success":
            outcome(session, each)
