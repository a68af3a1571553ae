"""
C{gnt job}.
"""

from collections.abc import Sequence
from typing import Any

import click

from gnttwist.cli.follow import end_of, follow, view
from gnttwist.cli.listing import any_of, chosen, fields_option, listing
from gnttwist.cli.output import moment, plain, print_json, print_members
from gnttwist.cli.quantities import Age, Priority
from gnttwist.cli.session import Session, json_option, pass_session
from gnttwist.cli.watching import MAX_WATCHED, watch_all
from gnttwist.cli.why import sentences
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

ARCHIVING_TIMEOUT = 30
"""
Seconds that one call may take.
"""

job_argument = click.argument("job", type=click.IntRange(0))


@click.group()
def group() -> None:
    """
    List, describe, follow, cancel and archive jobs.
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
                "Asked for by": _trail(op.get("reason") or ()) or None,
                "Result": _result(found["opstatus"][index], found["opresult"][index]),
            },
            1,
        )
        if found["oplog"][index]:
            click.echo("  Log:")
        for serial, when, _, payload in found["oplog"][index]:
            click.echo(f"    {serial} {moment(when)} {plain(payload)}")


@group.command()
@click.argument("jobs", type=click.IntRange(0), nargs=-1, required=True)
@json_option
@pass_session
def watch(session: Session, jobs: tuple[int, ...], as_json: bool) -> int:
    """
    Follow jobs to their end, whatever has happened so far; exit code 1 when one does not end well.
    """
    if len(jobs) == 1:
        with view(quiet=as_json) as shown:
            results = follow(session.client, jobs[0], shown)
        if as_json:
            print_json({"job": jobs[0], "results": results})
        return 0
    if len(jobs) > MAX_WATCHED:
        raise click.UsageError(f"{MAX_WATCHED} jobs can be watched at once")
    with view(quiet=as_json) as shown:
        outcomes = watch_all(session.client, tuple(dict.fromkeys(jobs)), shown)
    if as_json:
        print_json(
            [
                {"job": job, "results": end.results, "error": end.error}
                for job, end in sorted(outcomes.items())
            ]
        )
    return 0 if all(each.error is None for each in outcomes.values()) else 1


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


@group.command()
@click.argument("jobs", type=click.IntRange(0), nargs=-1, required=True)
@json_option
@pass_session
def wait(session: Session, jobs: tuple[int, ...], as_json: bool) -> int:
    """
    Wait until jobs have ended, and say how; exit code 1 when one did not end well.
    """
    ends = {job: end_of(session.client, job) for job in jobs}
    if as_json:
        print_json([{"job": job, "status": status} for job, status in ends.items()])
    else:
        for job, status in ends.items():
            click.echo(f"Job {job}: {status}")
    return 0 if all(each == "success" for each in ends.values()) else 1


@group.command()
@click.argument("jobs", type=click.IntRange(0), nargs=-1, required=True)
@json_option
@pass_session
def archive(session: Session, jobs: tuple[int, ...], as_json: bool) -> int:
    """
    Put jobs that have ended out of sight.
    """
    done = {job: bool(session.client.call("ArchiveJob", job)) for job in jobs}
    if as_json:
        print_json([{"job": job, "archived": moved} for job, moved in done.items()])
    else:
        for job, moved in done.items():
            if not moved:
                click.echo(f"job {job} is not there, has not ended, or is archived already", err=True)
    return 0 if all(done.values()) else 1


@group.command()
@click.argument("age", type=Age())
@json_option
@pass_session
def autoarchive(session: Session, age: int, as_json: bool) -> None:
    """
    Archive all jobs that ended longer than AGE ago: seconds, or with a unit as in 30m, 12h, 7d, 2w; or "all".
    """
    archived, left = 0, 1
    while left:
        # The daemon stops after a while, so that no call is silent for long.
        moved, left = session.client.call("AutoArchiveJobs", age, ARCHIVING_TIMEOUT)
        archived += moved
        if not moved:
            break
    if as_json:
        print_json({"archived": archived, "unchecked": left})
    else:
        click.echo(f"Archived {archived} jobs" + (f"; {left} were not looked at" if left else ""))


@group.command()
@click.argument("priority", type=Priority())
@click.argument("jobs", type=click.IntRange(0), nargs=-1, required=True)
@json_option
@pass_session
def priority(session: Session, priority: int, jobs: tuple[int, ...], as_json: bool) -> int:
    """
    Make jobs more or less urgent: low, normal, high, or from -20 (most urgent) to 19.

    A negative number has to come after "--".
    """
    answers = [(job, *session.client.call("ChangeJobPriority", job, priority)) for job in jobs]
    if as_json:
        print_json([{"job": job, "changed": done, "message": text} for job, done, text in answers])
    else:
        for _, done, text in answers:
            click.echo(text, err=not done)
    return 0 if all(done for _, done, _ in answers) else 1


@group.command()
@job_argument
@json_option
@pass_session
def why(session: Session, job: int, as_json: bool) -> None:
    """
    What a job waits for: locks and who has them, other jobs, filters, a free place.
    """
    found = session.client.call("QueryJobBlockers", job)
    if as_json:
        print_json(found)
        return
    for line in sentences(found):
        click.echo(plain(line))


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


def _trail(reasons: Sequence[Sequence[Any]]) -> str:
    """
    Who asked for an opcode and why, the first of them first.
    """
    return "; ".join(": ".join(str(each) for each in (source, why) if each) for source, why, _ in reasons)


def _when(value: list[int] | None) -> str:
    return "-" if value is None else moment(value)
