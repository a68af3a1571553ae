"""
C{gnt node evacuate}.
"""

from typing import Any

import click

from gnttwist.cli.follow import JobFailed, follow, submit, view
from gnttwist.cli.output import plain, print_json
from gnttwist.cli.session import Session, opcode, pass_session
from gnttwist.cli.submitting import How, confirm, force_option, job_options
from gnttwist.errors import OperationError


@click.command()
@click.argument("name")
@click.option(
    "-n", "--new-node", "remote_node", metavar="NODE", help="Where to. Default: the allocator chooses."
)
@click.option("-I", "--iallocator", metavar="NAME", help="Which allocator. Default: the cluster's.")
@click.option("-p", "--primary-only", is_flag=True, help="Only instances that run there.")
@click.option("-s", "--secondary-only", is_flag=True, help="Only copies of replicated disks.")
@click.option(
    "--ignore-soft-errors", is_flag=True, help="Leave there what cannot be moved, and move the rest."
)
@force_option
@job_options
@pass_session
def evacuate(
    session: Session,
    /,
    name: str,
    remote_node: str | None,
    iallocator: str | None,
    primary_only: bool,
    secondary_only: bool,
    ignore_soft_errors: bool,
    force: bool,
    how: How,
) -> int:
    """
    Move a node's instances elsewhere, where other nodes see their disks: they are stopped and started.
    """
    if primary_only and secondary_only:
        raise click.UsageError("-p and -s contradict each other; without them, everything is moved")
    mode = "primary-only" if primary_only else "secondary-only" if secondary_only else "all"
    confirm(f"Stop the instances of {name} and start them elsewhere?", force or how.dry_run)
    op = opcode(
        "OP_NODE_EVACUATE",
        node_name=name,
        mode=mode,
        remote_node=remote_node,
        iallocator=iallocator,
        ignore_soft_errors=ignore_soft_errors,
        dry_run=how.dry_run,
    )
    return move_all(session, op, how)


def move_all(session: Session, op: dict[str, Any], how: How) -> int:
    """
    Submit the job that submits others.

    @return: The exit code.
    """
    job = submit(session.client, op)
    if how.only:
        if how.as_json:
            print_json({"job": job})
        else:
            click.echo(str(job))
        return 0
    return _follow(session, job, how)


def _follow(session: Session, job: int, how: How) -> int:
    """
    Follow the job that submits others, and then those.

    @return: The exit code: 1 where one has failed.
    """
    outcomes: dict[str, Any] = {}
    with view(quiet=how.as_json) as shown:
        [answer] = follow(session.client, job, shown)
        for accepted, move in answer["jobs"]:
            if not accepted:
                outcomes[f"not queued {len(outcomes)}"] = plain(move)
                continue
            try:
                follow(session.client, move, shown)
                outcomes[str(move)] = None
            except (OperationError, JobFailed) as reason:
                outcomes[str(move)] = str(reason)
    failed = {each: why for each, why in outcomes.items() if why is not None}
    if how.as_json:
        print_json({"jobs": outcomes})
    else:
        for each, why in failed.items():
            click.echo(f"gnt: job {each}: {why}", err=True)
        if not how.dry_run:
            click.echo(f"{len(outcomes) - len(failed)} of {len(outcomes)} instances were moved.")
    return 1 if failed else 0
