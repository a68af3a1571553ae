"""
C{gnt os}.
"""

from typing import Any

import click

from gnttwist.cli import output, watching
from gnttwist.cli.session import Session, pass_session

FIELDS = ["name", "valid", "variants", "parameters", "api_versions"]


@click.group("os")
def group() -> None:
    """
    What can be installed.
    """


@group.command("list")
@output.json_option
@output.no_headers_option
@pass_session
def list_definitions(session: Session, as_json: bool, no_headers: bool) -> None:
    """
    List the OS definitions, with variants, that every node has.
    """
    results = watching.run(
        session, {"OP_ID": "OP_OS_DIAGNOSE", "output_fields": FIELDS, "names": []}, submit_only=False
    )
    found: list[dict[str, Any]] = [dict(zip(FIELDS, row, strict=True)) for row in (results or [[]])[0]]
    if as_json:
        output.print_json(found)
        return
    rows = [
        [name, ", ".join(str(version) for version in each["api_versions"] or ())]
        for each in found
        if each["valid"]
        for name in ([f"{each['name']}+{variant}" for variant in each["variants"] or ()] or [each["name"]])
    ]
    output.table(["Name", "API"], rows, no_headers=no_headers)
