"""
C{gnt job}.
"""

from typing import Any

import click

from gnttwist.cli.follow import follow, view
from gnttwist.cli.listing import any_of, chosen, fields_option, listing
from gnttwist.cli.output import moment, plain, print_json, print_members
from gnttwist.cli.session import Session, json_option, pass_session
from gnttwist.errors import JobLost, from_wire

LIST_FIELDS = ("id", "status", "summary")
JSON_FIELDS = (
    "id",
    "status",
    "summary",
    "priority",
    "received_ts",
    "start_ts",
    "end_ts",
    "opstatus",
    "opresult",
)
INFO_FIELDS = ("id", "status", "priority", "received_ts", "start_ts", "end_ts", "ops", "opstatus", "opresult",
               "opstart", "opexec", "opend", "oplog", "summary")  # fmt: skip

job_argument = click.argument("job", type=click.IntRange(0))


@click.group()
def group() -> None:
    """
    List, describe, follow and cancel jobs.
    """


@group.command("list")
@click.argument("jobs", type=click.IntRange(0), nargs=-1)
@fields_option
@json_option
@pass_session
def list_jobs(session: Session, jobs: tuple[int, ...], fields: str | None, as_json: bool) -> None:
    """
    List jobs.
    """
    default = JSON_FIELDS if as_json else LIST_FIELDS
    listing(session, "job", chosen(default, fields), any_of("id", jobs), as_json)


@group.command()
@job_argument
@json_option
@pass_session
def info(session: Session, job: int, as_json: bool) -> None:
    """
    Everything about a job: opcodes, log, results, times.
    """
    found = describe(session, job)
    if as_json:
        print_json(found)
        return
    members = {
        "Job": job,
        "Status": found["status"],
        "Priority": found["priority"],
        "Received": _when(found["received_ts"]),
        "Started": _when(found["start_ts"]),
        "Ended": _when(found["end_ts"]),
    }
    print_members(members)
    for index, op in enumerate(found["ops"]):
        click.echo(f"Opcode {index}: {found['summary'][index]}")
        print_members(
            {
                "Status": found["opstatus"][index],
                "Started": _when(found["opstart"][index]),
                "Had its locks": _when(found["opexec"][index]),
                "Ended": _when(found["opend"][index]),
                "Parameters": {name: op[name] for name in sorted(op) if name not in ("OP_ID", "reason")},
                "Result": _result(found["opstatus"][index], found["opresult"][index]),
            },
            1,
        )
        if found["oplog"][index]:
            click.echo("  Log:")
        for serial, when, _, payload in found["oplog"][index]:
            click.echo(f"    {serial} {moment(when)} {plain(payload)}")


@group.command()
@job_argument
@json_option
@pass_session
def watch(session: Session, job: int, as_json: bool) -> None:
    """
    Follow a job to its end, whatever has happened so far.
    """
    with view(quiet=as_json) as shown:
        results = follow(session.client, job, shown)
    if as_json:
        print_json({"job": job, "results": results})


@group.command()
@click.argument("jobs", type=click.IntRange(0), nargs=-1, required=True)
@click.option("--kill", is_flag=True, help="End it though it is running; what it did is undone.")
@json_option
@pass_session
def cancel(session: Session, jobs: tuple[int, ...], kill: bool, as_json: bool) -> int:
    """
    Cancel jobs that wait, or with --kill also running ones.
    """
    answers = [(job, *session.client.call("CancelJob", job, kill)) for job in jobs]
    if as_json:
        print_json([{"job": job, "cancelled": done, "message": text} for job, done, text in answers])
    else:
        for _, done, text in answers:
            click.echo(text, err=not done)
    return 0 if all(done for _, done, _ in answers) else 1


def describe(session: Session, job: int) -> dict[str, Any]:
    """
    A job's fields.

    @raise JobLost: There is no such job.
    """
    [row] = session.client.call("QueryJobs", [job], list(INFO_FIELDS))
    found = dict(zip(INFO_FIELDS, row, strict=True))
    if found["status"] is None:
        raise JobLost(f"there is no job {job}")
    return found


def _result(status: str, result: Any) -> Any:
    error = from_wire(result) if status == "error" else None
    return result if error is None else f"{error.wire_name}: {error}"


def _when(value: list[int] | None) -> str:
    return "-" if value is None else moment(value)
