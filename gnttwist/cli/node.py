"""
C{gnt node}.
"""

import click

from gnttwist.cli.listing import any_of, chosen, fields_option, listing
from gnttwist.cli.session import Session, json_option, pass_session

LIST_FIELDS = ("name", "dtotal", "dfree", "mtotal", "mnode", "mfree", "pinst_cnt", "sinst_cnt")


@click.group()
def group() -> None:
    """
    List nodes.
    """


@group.command("list")
@click.argument("names", nargs=-1)
@fields_option
@json_option
@pass_session
def list_nodes(session: Session, names: tuple[str, ...], fields: str | None, as_json: bool) -> None:
    """
    List nodes, with their memory and disk space.
    """
    listing(session, "node", chosen(LIST_FIELDS, fields), any_of("name", names), as_json)
