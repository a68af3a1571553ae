"""
C{gnt group}.
"""

from collections.abc import Callable
from typing import Any

import click

from gnttwist.cli import parameters, tags
from gnttwist.cli.group_evacuate import evacuate
from gnttwist.cli.listing import any_of, chosen, describe, fields_option, listing
from gnttwist.cli.policy_options import policy, policy_options
from gnttwist.cli.session import Session, json_option, opcode, pass_session
from gnttwist.cli.submitting import How, carry_out, confirm, force_option, job_options

LIST_FIELDS = ("name", "node_cnt", "pinst_cnt", "alloc_policy")
INFO_FIELDS = (
    "name", "uuid", "alloc_policy", "node_list", "pinst_list", "ndparams", "custom_ndparams", "custom_diskparams",
    "ipolicy", "custom_ipolicy", "tags", "serial_no", "ctime", "mtime",
)  # fmt: skip
POLICIES = ("preferred", "last_resort", "unallocable")


@click.group()
def group() -> None:
    """
    Make, list, change and remove node groups.
    """


tags.add_to(group, "group")
group.add_command(evacuate)


@group.command("list")
@click.argument("names", nargs=-1)
@fields_option
@json_option
@pass_session
def list_groups(session: Session, names: tuple[str, ...], fields: str | None, as_json: bool) -> None:
    """
    List groups.
    """
    listing(session, "group", chosen(LIST_FIELDS, fields), any_of("name", names), as_json)


@group.command()
@click.argument("names", nargs=-1)
@json_option
@pass_session
def info(session: Session, names: tuple[str, ...], as_json: bool) -> None:
    """
    Everything about groups.
    """
    describe(session, "group", INFO_FIELDS, any_of("name", names), as_json)


def parameter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """
    What groups have of their own.
    """
    for option in (
        click.option(
            "--alloc-policy", type=click.Choice(POLICIES), help="Whether new instances are placed here."
        ),
        click.option("--node-parameters", metavar="NAME=VALUE,...", help="What its nodes inherit."),
        click.option(
            "-D",
            "--disk-parameters",
            multiple=True,
            metavar="TEMPLATE:NAME=VALUE,...",
            help="May be repeated.",
        ),
        policy_options,
    ):
        command = option(command)
    return command


def members(
    alloc_policy: str | None, node_parameters: str | None, disk_parameters: tuple[str, ...], **ipolicy: Any
) -> dict[str, Any]:
    """
    An opcode's parameters for L{parameter_options}.
    """
    return {
        "alloc_policy": alloc_policy,
        "ndparams": None if node_parameters is None else parameters.typed(parameters.pairs(node_parameters)),
        "diskparams": dict(parameters.hypervisor(each) for each in disk_parameters) or None,
        "ipolicy": policy(**ipolicy),
    }


@group.command()
@click.argument("name")
@parameter_options
@job_options
@pass_session
def add(session: Session, /, name: str, how: How, **options: Any) -> None:
    """
    Make a group without nodes.
    """
    op = opcode("OP_GROUP_ADD", group_name=name, **members(**options))
    carry_out(session, op, how)


@group.command()
@click.argument("name")
@parameter_options
@job_options
@pass_session
def modify(session: Session, /, name: str, how: How, **options: Any) -> None:
    """
    Change a group; the value "default" takes back what the cluster has.
    """
    wanted = members(**options)
    if all(value is None for value in wanted.values()):
        raise click.UsageError("nothing to change: see the options")
    op = opcode("OP_GROUP_SET_PARAMS", group_name=name, **wanted)
    carry_out(session, op, how)


@group.command()
@click.argument("name")
@click.argument("new_name")
@job_options
@pass_session
def rename(session: Session, name: str, new_name: str, how: How) -> None:
    """
    Give a group another name.
    """
    op = opcode("OP_GROUP_RENAME", group_name=name, new_name=new_name)
    carry_out(session, op, how)


@group.command()
@click.argument("name")
@force_option
@job_options
@pass_session
def remove(session: Session, name: str, force: bool, how: How) -> None:
    """
    Remove a group that has no nodes.
    """
    if not how.dry_run:
        confirm(f"Remove group {name}?", force)
    op = opcode("OP_GROUP_REMOVE", group_name=name)
    carry_out(session, op, how)


@group.command("assign-nodes")
@click.argument("name")
@click.argument("nodes", nargs=-1, required=True)
@click.option("-f", "--force", is_flag=True, help="Also where instances are split between groups then.")
@job_options
@pass_session
def assign_nodes(
    session: Session,
    name: str,
    nodes: tuple[str, ...],
    force: bool,
    how: How,
) -> None:
    """
    Move nodes, with their instances, to a group.
    """
    op = opcode("OP_GROUP_ASSIGN_NODES", group_name=name, nodes=list(nodes), force=force)
    carry_out(session, op, how)
