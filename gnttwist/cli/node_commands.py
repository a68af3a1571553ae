"""
C{gnt node}.
"""

from collections.abc import Sequence

import click

from gnttwist.cli import output
from gnttwist.cli.session import Session, named, pass_session

USUAL = ("name", "dtotal", "dfree", "mtotal", "mnode", "mfree", "pinst_cnt", "sinst_cnt")


@click.group("node")
def group() -> None:
    """
    The machines that instances run on.
    """


@group.command("list")
@click.argument("names", nargs=-1)
@output.fields_option
@output.json_option
@output.no_headers_option
@pass_session
def list_nodes(
    session: Session, names: Sequence[str], fields: str | None, as_json: bool, no_headers: bool
) -> None:
    """
    List nodes, all or those with these names.
    """
    wanted = output.chosen(USUAL, fields)
    output.show(session.query("node", wanted, named(names)), as_json=as_json, no_headers=no_headers)
