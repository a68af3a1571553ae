"""
C{gnt filter}.
"""

import time
from typing import Any

import click
import msgspec

from gnttwist.cli.listing import any_of, chosen, fields_option, listing
from gnttwist.cli.output import moment, print_json, print_members
from gnttwist.cli.session import Session, json_option, pass_session
from gnttwist.errors import ECode, OpPrereqError

FIELDS = ("uuid", "watermark", "priority", "predicates", "action", "reason_trail")


class Json(click.ParamType[list[Any]]):
    """
    A JSON list.
    """

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[Any]:
        """
        The list.
        """
        if isinstance(value, list):
            return value
        try:
            return msgspec.json.decode(value, type=list[Any])
        except msgspec.DecodeError as reason:
            self.fail(f"not a JSON list: {reason}", param, ctx)


class Action(click.ParamType[Any]):
    """
    What a filter does: a word, or C{RATE_LIMIT=N}.
    """

    name = "action"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """
        In the form of the protocol.
        """
        word, equals, number = str(value).upper().partition("=")
        if not equals and word in ("ACCEPT", "CONTINUE", "PAUSE", "REJECT"):
            return word
        if word == "RATE_LIMIT" and number.isascii() and number.isdigit() and int(number) > 0:
            return [word, int(number)]
        self.fail(f"{value!r} is not accept, continue, pause, reject or rate_limit=N", param, ctx)


@click.group()
def group() -> None:
    """
    Rules that hold back or refuse jobs.

    They are tried by priority; the first that matches a job, and does not say "continue", decides.
    """


def _rule_options(command: Any) -> Any:
    for option in (
        click.option("--reason", help="Why, for whoever finds it later."),
        click.option(
            "--action",
            type=Action(),
            required=True,
            help="accept: it may run; pause: it waits; reject: it is cancelled; rate_limit=N: no more than N of "
            "its kind run at once; continue: as if the rule were not there.",
        ),
        click.option(
            "--predicates",
            type=Json(),
            default="[]",
            help="What must all be true of a job, as JSON: "
            '\'[["opcode", ["==", "OP_ID", "OP_INSTANCE_CREATE"]], ["jobid", [">", "id", "watermark"]]]\'. '
            "Default: it is about all jobs.",
        ),
        click.option(
            "--priority", type=click.IntRange(0), default=0, show_default=True, help="Smaller is tried first."
        ),
    ):
        command = option(command)
    return command


@group.command("list")
@click.argument("uuids", nargs=-1)
@fields_option
@json_option
@pass_session
def list_filters(session: Session, uuids: tuple[str, ...], fields: str | None, as_json: bool) -> None:
    """
    List filters.
    """
    listing(session, "filter", chosen(FIELDS, fields), any_of("uuid", uuids), as_json)


@group.command()
@click.argument("uuids", nargs=-1)
@json_option
@pass_session
def info(session: Session, uuids: tuple[str, ...], as_json: bool) -> None:
    """
    Everything about filters.
    """
    rows = session.client.call("QueryFilters", list(uuids), list(FIELDS))
    found = [dict(zip(FIELDS, row, strict=True)) for row in rows]
    missing = sorted(set(uuids) - {each["uuid"] for each in found})
    if missing:
        raise OpPrereqError(f"there is no filter {', '.join(missing)}", ECode.NOENT)
    if as_json:
        print_json(found)
        return
    for each in found:
        click.echo(f"Filter {each['uuid']}")
        trail = [
            f"{source} {reason} {moment(nanoseconds / 1e9)}"
            for source, reason, nanoseconds in each["reason_trail"]
        ]
        predicates = [msgspec.json.encode(predicate).decode() for predicate in each["predicates"]]
        print_members(
            {
                "Priority": each["priority"],
                "Watermark": each["watermark"],
                "Predicates": predicates,
                "Action": each["action"],
                "Reason trail": trail,
            },
            1,
        )


@group.command()
@_rule_options
@json_option
@pass_session
def add(session: Session, /, as_json: bool, **rule: Any) -> None:
    """
    Add a filter, and print its UUID.
    """
    _set(session, None, as_json, **rule)


@group.command()
@click.argument("uuid")
@_rule_options
@json_option
@pass_session
def replace(session: Session, /, uuid: str, as_json: bool, **rule: Any) -> None:
    """
    Replace a filter; its watermark moves to the newest job.
    """
    _set(session, uuid, as_json, **rule)


def _set(
    session: Session,
    uuid: str | None,
    as_json: bool,
    *,
    priority: int,
    predicates: list[Any],
    action: Any,
    reason: str | None,
) -> None:
    trail = [["gnt:user", reason, time.time_ns()]] if reason else []
    name = session.client.call("ReplaceFilter", uuid, priority, predicates, action, trail)
    if as_json:
        print_json({"uuid": name})
    else:
        click.echo(name)


@group.command()
@click.argument("uuids", nargs=-1, required=True)
@pass_session
def delete(session: Session, uuids: tuple[str, ...]) -> None:
    """
    Remove filters.
    """
    for each in uuids:
        session.client.call("DeleteFilter", each)
