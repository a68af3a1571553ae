"""
C{gnt instance batch-create}: many instances from one file.
"""

from typing import Any

import click
import msgspec

from gnttwist.cli.follow import JobFailed, follow, submit, view
from gnttwist.cli.output import print_json
from gnttwist.cli.session import Session, opcode, pass_session
from gnttwist.cli.submitting import How, as_asked, carry_out, job_options
from gnttwist.errors import OperationError

LARGEST = 16 << 20
"""
Bytes of a file that is read: ten thousand instances have about 5 MB.
"""


@click.command("batch-create")
@click.argument("file", type=click.File("rb"))
@click.option("-I", "--iallocator", metavar="NAME", help="What places those that name no node.")
@click.option("--opportunistic-locking", is_flag=True, help="Do not wait for nodes that others have locked.")
@job_options
@pass_session
def batch_create(
    session: Session, file: Any, iallocator: str | None, opportunistic_locking: bool, how: How
) -> None:
    """
    Make the instances that FILE describes: a JSON list of objects, each with the parameters of
    OP_INSTANCE_CREATE. Each is made by a job of its own.
    """
    op = opcode(
        "OP_INSTANCE_MULTI_ALLOC",
        instances=[_creation(each, index) for index, each in enumerate(_read(file))],
        iallocator=iallocator,
        opportunistic_locking=opportunistic_locking,
    )
    if how.only:
        carry_out(session, op, how)
        return
    failed = []
    jobs = []
    with view(quiet=how.as_json) as shown:
        [result] = follow(session.client, submit(session.client, as_asked(op, how)), shown)
        failed += [f"{name}: it fits nowhere" for name in result["failed"]]
        for name, (accepted, job) in zip(result["allocatable"], result["jobs"], strict=False):
            jobs.append(job if accepted else None)
            try:
                if accepted:
                    follow(session.client, job, shown)
                else:
                    failed.append(f"{name}: {job}")
            except (OperationError, JobFailed) as reason:
                failed.append(f"{name}: {reason}")
    if how.as_json:
        print_json({"allocatable": result["allocatable"], "jobs": jobs, "failed": failed})
    elif how.dry_run:
        for name in result["allocatable"]:
            click.echo(f"{name}: there is room for it")
    if failed:
        raise JobFailed("; ".join(failed))


def _read(file: Any) -> list[dict[str, Any]]:
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise click.ClickException(f"{file.name} has more than {LARGEST >> 20} MiB")
    try:
        return msgspec.json.decode(content, type=list[dict[str, Any]])
    except (msgspec.DecodeError, UnicodeDecodeError) as reason:
        raise click.ClickException(f"{file.name} is not a JSON list of objects: {reason}") from reason


def _creation(members: dict[str, Any], index: int) -> dict[str, Any]:
    if not isinstance(members.get("instance_name"), str):
        raise click.ClickException(f"instance {index} in the file has no instance_name")
    usual = {"mode": "create", "disks": [], "nics": [{}], "name_check": False, "ip_check": False}
    return {**usual, **members, "OP_ID": "OP_INSTANCE_CREATE"}
