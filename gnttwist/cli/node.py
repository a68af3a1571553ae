"""
C{gnt node}.
"""

import click

from gnttwist.cli.listing import any_of, chosen, fields_option, listing
from gnttwist.cli.output import print_json, print_table
from gnttwist.cli.session import Session, json_option, pass_session
from gnttwist.privileges.accounts import load
from gnttwist.privileges.ensure import ensure

LIST_FIELDS = ("name", "dtotal", "dfree", "mtotal", "mnode", "mfree", "pinst_cnt", "sinst_cnt")


@click.group()
def group() -> None:
    """
    List nodes; look after this one's files.
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


@group.command("ensure-dirs")
@click.option("--check", is_flag=True, help="Only report; change nothing.")
@json_option
@pass_session
def ensure_dirs(session: Session, check: bool, as_json: bool) -> int:
    """
    Set right the owners and modes of this node's files. Exit code 1 when anything is left that is wrong.
    """
    accounts = load(session.paths)
    if not accounts.separate:
        click.echo(f"one user runs everything here: {accounts.lacking}", err=True)
    found = ensure(session.paths, accounts, repair=not check)
    if as_json:
        print_json(
            [{"path": str(each.path), "wrong": each.wrong, "repaired": each.repaired} for each in found]
        )
    elif found:
        print_table(
            ["Path", "Difference", "Repaired"],
            [[str(each.path), each.wrong, "yes" if each.repaired else "no"] for each in found],
            ["left", "left", "left"],
        )
    return 0 if all(each.repaired for each in found) else 1
