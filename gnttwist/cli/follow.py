"""
Submitting a job and following it to its end: its log as it comes, a bar for what takes long.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import click

from gnttwist.cli.output import plain, print_json
from gnttwist.cli.session import Session
from gnttwist.client.luxi import LuxiClient
from gnttwist.errors import JobLost, OpExecError, from_wire

FIELDS = ("status", "progress")

submit_option = click.option("--submit", is_flag=True, help="Print the job's number and do not wait for it.")


class JobFailed(click.ClickException):
    """
    A job did not end well.
    """


class View(Protocol):
    """
    Where a job's course is shown.
    """

    def line(self, text: str) -> None:
        """
        A line of its log.
        """

    def progress(self, value: Mapping[str, Any] | None) -> None:
        """
        How far the things are that it is doing now: C{done}, C{total} and C{unit}, by what they are.
        """


class Lines:
    """
    For files and pipes: lines only.
    """

    def line(self, text: str) -> None:
        """
        Print it.
        """
        click.echo(text)

    def progress(self, value: Mapping[str, Any] | None) -> None:
        """
        The log has lines about it, too.
        """


class Quiet:
    """
    For what only wants the result.
    """

    def line(self, text: str) -> None:
        """
        Nothing.
        """

    def progress(self, value: Mapping[str, Any] | None) -> None:
        """
        Nothing.
        """


def view(quiet: bool = False) -> AbstractContextManager[View]:
    """
    What suits where the output goes.
    """
    if quiet:
        return nullcontext(Quiet())
    if not sys.stdout.isatty():
        return nullcontext(Lines())
    from gnttwist.cli.bars import Bars

    return Bars()


def submit(client: LuxiClient, *ops: dict[str, Any]) -> int:
    """
    Queue a job; when this returns, it is durable.

    @return: Its number.
    """
    job: int = client.call("SubmitJob", list(ops))
    return job


def follow(client: LuxiClient, job: int, shown: View) -> list[Any]:
    """
    Show a job's course until it has ended.

    @return: Its opcodes' results.
    @raise OperationError: It failed: the failed opcode's own error.
    @raise JobFailed: It was cancelled.
    @raise JobLost: There is no such job.
    """
    try:
        for values, log in client.wait_for_job(job, FIELDS):
            for _, _, kind, payload in log:
                if kind == "message":
                    shown.line(plain(payload))
            shown.progress(values[1] if len(values) > 1 else None)
    except JobLost:
        # Archived jobs cannot be waited for, but there is nothing to wait for, either.
        _check_there(client, job)
    shown.progress(None)
    return outcome(client, job)


def end_of(client: LuxiClient, job: int) -> str:
    """
    Wait until a job has ended.

    @return: Its state.
    @raise JobLost: There is no such job.
    """
    status = ""
    try:
        for values, _ in client.wait_for_job(job):
            status = values[0]
    except JobLost:
        return _check_there(client, job)
    return status


def _check_there(client: LuxiClient, job: int) -> str:
    [[status]] = client.call("QueryJobs", [job], ["status"])
    if status is None:
        raise JobLost(f"there is no job {job}")
    return str(status)


def outcome(client: LuxiClient, job: int) -> list[Any]:
    """
    The results of a job that has ended.

    @raise OperationError: As L{follow}.
    @raise JobFailed: As L{follow}.
    """
    [[status, statuses, results]] = client.call("QueryJobs", [job], ["status", "opstatus", "opresult"])
    if status == "success":
        return list(results)
    if status == "canceled":
        raise JobFailed(f"job {job} was cancelled")
    for each, result in zip(statuses, results, strict=True):
        if each == "error":
            raise from_wire(result) or OpExecError(plain(result))
    raise JobFailed(f"job {job} ended in state {status}")


def run(
    session: Session, ops: Sequence[dict[str, Any]], *, submit_only: bool, as_json: bool
) -> list[Any] | None:
    """
    What most commands do: submit, then follow; or only submit.

    @return: The opcodes' results; C{None} where nobody waited for them.
    @raise OperationError: The job failed.
    """
    client = session.client
    job = submit(client, *ops)
    if submit_only:
        if as_json:
            print_json({"job": job})
        else:
            click.echo(str(job))
        return None
    with view(quiet=as_json) as shown:
        results = follow(client, job, shown)
    if as_json:
        print_json({"job": job, "results": results})
    return results
