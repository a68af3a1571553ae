"""
What commands that submit jobs have in common: asking first, trying only, and one job for each of several objects.
"""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
import msgspec

from gnttwist.cli.follow import JobFailed, follow, run, submit, submit_option, view
from gnttwist.cli.output import print_json
from gnttwist.cli.session import Session, json_option
from gnttwist.errors import OperationError

F = TypeVar("F", bound=Callable[..., Any])

dry_run_option = click.option("--dry-run", is_flag=True, help="Check everything and change nothing.")
force_option = click.option("-f", "--force", is_flag=True, help="Do not ask whether it is meant.")


class How(msgspec.Struct, frozen=True):
    """
    How jobs are submitted.

    @ivar only: Print their numbers and do not wait.
    @ivar dry_run: Check everything and change nothing.
    """

    only: bool = False
    dry_run: bool = False
    as_json: bool = False


def job_options(command: F) -> F:
    """
    Give a command C{--submit}, C{--dry-run} and C{--json}, which it gets as C{how}.
    """

    @functools.wraps(command)
    def wrapped(*arguments: Any, submit: bool, dry_run: bool, as_json: bool, **options: Any) -> Any:
        return command(*arguments, how=How(submit, dry_run, as_json), **options)

    for option in (json_option, submit_option, dry_run_option):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]  # it takes more options than the command itself


def confirm(question: str, force: bool, option: str = "-f") -> None:
    """
    Ask, unless that was answered beforehand.

    @param option: What to say beforehand.
    @raise click.UsageError: There is nobody to ask.
    """
    if force:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"there is no terminal to ask on: say {option} to do it without being asked")
    click.confirm(question, abort=True, err=True)


def carry_out(session: Session, op: dict[str, Any], how: How) -> Any:
    """
    Submit one opcode, and follow it.

    @return: Its result; C{None} where nobody waited for it.
    @raise OperationError: It failed.
    """
    results = carry_out_together(session, [op], how)
    return None if results is None else results[0]


def carry_out_together(session: Session, ops: Sequence[dict[str, Any]], how: How) -> list[Any] | None:
    """
    Submit opcodes as one job, and follow it.

    @return: Their results; C{None} where nobody waited for them.
    @raise OperationError: One failed, and those behind it were not done.
    """
    return run(session, [as_asked(each, how) for each in ops], submit_only=how.only, as_json=how.as_json)


def carry_out_each(session: Session, ops: Sequence[dict[str, Any]], how: How) -> None:
    """
    One job for each opcode; all are queued before the first is followed.

    @raise JobFailed: Some failed; the others went on.
    """
    if len(ops) == 1:
        carry_out(session, ops[0], how)
        return
    jobs = [submit(session.client, as_asked(each, how)) for each in ops]
    if how.only:
        if how.as_json:
            print_json({"jobs": jobs})
        else:
            click.echo("\n".join(str(each) for each in jobs))
        return
    failed = []
    with view(quiet=how.as_json) as shown:
        for op, job in zip(ops, jobs, strict=True):
            try:
                follow(session.client, job, shown)
            except (OperationError, JobFailed) as reason:
                failed.append(f"{op['instance_name']}: {reason}")
    if how.as_json:
        print_json({"jobs": jobs, "failed": failed})
    if failed:
        raise JobFailed("; ".join(failed))


def as_asked(op: dict[str, Any], how: How) -> dict[str, Any]:
    """
    An opcode, which only tries where that is asked for.
    """
    return {**op, "dry_run": True} if how.dry_run else op
