"""
C{gnt job}.
"""

from collections.abc import Sequence
from typing import Any

import click

from gnttwist.cli import output, watching
from gnttwist.cli.session import Session, named, pass_session
from gnttwist.errors import ECode, OpPrereqError

USUAL = ("id", "status", "summary")
DETAILS = (
    "id", "status", "priority", "received_ts", "start_ts", "end_ts", "summary",
    "ops", "opstatus", "opresult", "oplog",
)  # fmt: skip

job_arguments = click.argument("jobs", type=int, nargs=-1)
required_jobs = click.argument("jobs", type=int, nargs=-1, required=True)


@click.group("job")
def group() -> None:
    """
    The job queue.
    """


@group.command("list")
@job_arguments
@output.fields_option
@output.json_option
@output.no_headers_option
@pass_session
def list_jobs(
    session: Session, jobs: Sequence[int], fields: str | None, as_json: bool, no_headers: bool
) -> None:
    """
    List jobs, all or those with these numbers.
    """
    wanted = output.chosen(USUAL, fields)
    output.show(session.query("job", wanted, named(jobs, "id")), as_json=as_json, no_headers=no_headers)


@group.command()
@required_jobs
@output.json_option
@pass_session
def info(session: Session, jobs: Sequence[int], as_json: bool) -> None:
    """
    Tell all about jobs: their opcodes, results and logs.
    """
    found = _details(session, jobs)
    if as_json:
        output.print_json(found)
        return
    for each in found:
        _print_details(each)


def _details(session: Session, jobs: Sequence[int]) -> list[dict[str, Any]]:
    result = session.query("job", DETAILS, named(jobs, "id"))
    rows = [
        dict(zip(DETAILS, (value if status == output.NORMAL else None for status, value in row), strict=True))
        for row in result["data"]
    ]
    missing = [str(each["id"]) for each in rows if each["status"] is None]
    if missing:
        raise OpPrereqError(f"there is no job {', '.join(missing)}", ECode.NOENT)
    return rows


def _print_details(job: dict[str, Any]) -> None:
    times = [
        (label, output.moment(job[name]))
        for label, name in (("received", "received_ts"), ("started", "start_ts"), ("ended", "end_ts"))
        if job[name]
    ]
    output.facts([("job", job["id"]), ("status", job["status"]), ("priority", job["priority"]), *times])
    for number, op in enumerate(job["ops"]):
        click.echo(f"opcode {number}: {job['summary'][number]}")
        click.echo(f"  status  {job['opstatus'][number]}")
        if job["opresult"][number] is not None:
            click.echo(f"  result  {output.text(job['opresult'][number])}")
        given = {
            name: value
            for name, value in sorted(op.items())
            if name not in ("OP_ID", "reason", "debug_level") and value not in (None, [], {}, "")
        }
        for name, value in given.items():
            click.echo(f"  {name} = {output.text(value)}")
        for _, when, kind, payload in job["oplog"][number]:
            click.echo(f"  {output.moment(when)}  {payload if kind == 'message' else f'{kind}: {payload}'}")


@group.command()
@required_jobs
@pass_session
def watch(session: Session, jobs: Sequence[int]) -> int:
    """
    Follow jobs to their end. The exit code is 0 if all of them succeed.
    """
    ended = watching.follow(session, jobs)
    failed = [each for each in jobs if ended[each] != "success"]
    for each in failed[:-1]:
        click.echo(f"gnt: job {each}: {ended[each]}", err=True)
    if failed:
        watching.outcome(session, failed[-1])
    return 0


@group.command()
@required_jobs
@click.option("--kill", is_flag=True, help="Also end a job that is running.")
@pass_session
def cancel(session: Session, jobs: Sequence[int], kill: bool) -> int:
    """
    Cancel jobs that have not begun, or with --kill any.
    """
    refused = 0
    for each in jobs:
        done, said = session.client.call("CancelJob", each, kill)
        click.echo(f"job {each}: {said}" if done else f"gnt: job {each}: {said}", err=not done)
        refused += not done
    return 1 if refused else 0
