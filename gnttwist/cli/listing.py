"""
Commands that list: one query, one table.
"""

from collections.abc import Sequence
from typing import Any, Literal

import click

from gnttwist.cli.output import cell_text, print_json, print_members, print_table
from gnttwist.cli.session import Session

fields_option = click.option(
    "-o",
    "--output",
    "fields",
    metavar="FIELDS",
    help="Fields to show, separated by commas; with a leading +, more of them.",
)


def chosen(default: Sequence[str], fields: str | None) -> list[str]:
    """
    The fields that C{-o} asks for.
    """
    if fields is None:
        return list(default)
    if fields.startswith("+"):
        return [*default, *fields[1:].split(",")]
    return fields.split(",")


def any_of(field: str, names: Sequence[Any]) -> list[Any] | None:
    """
    A filter for rows of these names; C{None}, which is all, for no names.
    """
    return ["|", *(["==", field, each] for each in names)] if names else None


def listing(
    session: Session, what: str, fields: Sequence[str], names: list[Any] | None, as_json: bool
) -> list[list[Any]]:
    """
    Ask for rows and print them.

    @param names: A filter.
    @return: The rows.
    @raise click.UsageError: There is no such field.
    """
    answer = session.client.call("Query", what, list(fields), names)
    unknown = [each["name"] for each in answer["fields"] if each["kind"] == "unknown"]
    if unknown:
        raise click.UsageError(f"no such field: {', '.join(unknown)}")
    rows: list[list[Any]] = answer["data"]
    if as_json:
        print_json([dict(zip(fields, (value for _, value in row), strict=True)) for row in rows])
    else:
        kinds = [each["kind"] for each in answer["fields"]]
        print_table(
            [each["title"] for each in answer["fields"]],
            [
                [cell_text(cell[0], cell[1], kind) for cell, kind in zip(row, kinds, strict=True)]
                for row in rows
            ],
            [_side(kind) for kind in kinds],
        )
    return rows


def describe(
    session: Session, what: str, fields: Sequence[str], names: list[Any] | None, as_json: bool
) -> None:
    """
    Ask for objects and print each, one field a line.

    @param names: A filter.
    """
    answer = session.client.call("Query", what, list(fields), names)
    if as_json:
        print_json([dict(zip(fields, (value for _, value in row), strict=True)) for row in answer["data"]])
        return
    kinds = [each["kind"] for each in answer["fields"]]
    for number, row in enumerate(answer["data"]):
        if number:
            click.echo()
        print_members(
            {
                name: value if status == 0 and kind == "other" else cell_text(status, value, kind)
                for name, kind, (status, value) in zip(fields, kinds, row, strict=True)
            }
        )


def _side(kind: str) -> Literal["left", "right"]:
    return "right" if kind in ("number", "unit", "float") else "left"
