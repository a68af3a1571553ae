"""
C{gnt tags}, and the commands for tags that each noun has.
"""

from collections.abc import Callable
from typing import Any

import click

from gnttwist.cli.follow import Quiet, follow, submit
from gnttwist.cli.output import print_json, print_table
from gnttwist.cli.session import Session, json_option, opcode, pass_session
from gnttwist.cli.submitting import How, carry_out, job_options

KINDS = {
    "cluster": "cluster",
    "node": "node",
    "group": "nodegroup",
    "instance": "instance",
    "network": "network",
}
"""
What users call the kinds of objects that can have tags, and what opcodes do.
"""


@click.group()
def group() -> None:
    """
    Find objects by their tags.
    """


@group.command()
@click.argument("pattern")
@json_option
@pass_session
def search(session: Session, pattern: str, as_json: bool) -> int:
    """
    All tags that the regular expression PATTERN is found in, with the objects that have them; exit code 1 for none.
    """
    found = _ask(session, opcode("OP_TAGS_SEARCH", pattern=pattern))
    if as_json:
        print_json([{"path": path, "tag": tag} for path, tag in found])
    else:
        print_table(["Path", "Tag"], found, ["left", "left"])
    return 0 if found else 1


def add_to(commands: click.Group, noun: str) -> None:
    """
    Give a noun its commands for tags: C{list-tags}, C{add-tags} and C{remove-tags}.
    """
    for make in (_list, _add, _remove):
        commands.add_command(make(noun))


def _named(noun: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """
    The argument for the object's name, which the cluster does not have.
    """
    if noun == "cluster":
        return lambda command: command
    return click.argument("name")


def _one(noun: str) -> str:
    """
    The noun with its article.
    """
    if noun == "cluster":
        return "the cluster"
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _list(noun: str) -> click.Command:
    @click.command("list-tags", help=f"List the tags of {_one(noun)}.")
    @_named(noun)
    @json_option
    @pass_session
    def list_tags(session: Session, as_json: bool, name: str | None = None) -> None:
        tags = _ask(session, opcode("OP_TAGS_GET", kind=KINDS[noun], name=name))
        if as_json:
            print_json(tags)
        else:
            for each in tags:
                click.echo(each)

    return list_tags


def _add(noun: str) -> click.Command:
    return _changing("add-tags", "OP_TAGS_SET", noun, "Add tags to")


def _remove(noun: str) -> click.Command:
    return _changing("remove-tags", "OP_TAGS_DEL", noun, "Take tags from")


def _changing(verb: str, op_id: str, noun: str, what: str) -> click.Command:
    @click.command(verb, help=f"{what} {_one(noun)}.")
    @_named(noun)
    @click.argument("tags", nargs=-1, required=True)
    @job_options
    @pass_session
    def change(
        session: Session,
        tags: tuple[str, ...],
        how: How,
        name: str | None = None,
    ) -> None:
        op = opcode(op_id, kind=KINDS[noun], name=name, tags=list(tags))
        carry_out(session, op, how)

    return change


def _ask(session: Session, op: dict[str, Any]) -> list[Any]:
    [found] = follow(session.client, submit(session.client, op), Quiet())
    return list(found)
