"""
C{gnt node}.
"""

import click

from gnttwist.cli import migration, node_changes, node_evacuate, node_functions, node_join, tags
from gnttwist.cli.follow import run
from gnttwist.cli.listing import any_of, chosen, fields_option, listing
from gnttwist.cli.output import plain, print_json, print_members, print_table, size
from gnttwist.cli.session import Session, json_option, opcode, pass_session
from gnttwist.privileges.accounts import load
from gnttwist.privileges.ensure import ensure

LIST_FIELDS = ("name", "dtotal", "dfree", "mtotal", "mnode", "mfree", "pinst_cnt", "sinst_cnt")
STORAGE_FIELDS = ("node", "type", "name", "size", "used", "free", "allocatable")
INFO = {
    "name": "Node name",
    "pip": "primary ip",
    "sip": "secondary ip",
    "group": "group",
    "role": "role",
    "master_candidate": "master candidate",
    "drained": "drained",
    "offline": "offline",
    "master_capable": "master_capable",
    "vm_capable": "vm_capable",
    "powered": "powered",
    "pinst_list": "primary for instances",
    "sinst_list": "secondary for instances",
    "tags": "tags",
    "ndparams": "node parameters",
    "custom_ndparams": "of its own",
}
"""
Fields that C{gnt node info} shows, and what it calls them.
"""


@click.group()
def group() -> None:
    """
    Add, list, change and remove nodes; look after this one's files.
    """


for each in (
    node_join.prepare,
    node_join.add,
    node_join.leave,
    node_changes.modify,
    node_changes.remove,
    node_changes.powercycle,
    node_changes.restricted_command,
    node_evacuate.evacuate,
    node_functions.functions,
):
    group.add_command(each)
group.add_command(migration.migrate_node, "migrate")


tags.add_to(group, "node")


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


@group.command()
@click.argument("names", nargs=-1)
@json_option
@pass_session
def info(session: Session, names: tuple[str, ...], as_json: bool) -> None:
    """
    Everything that the configuration says of nodes.
    """
    client = session.client
    rows = client.call("QueryNodes", list(names), list(INFO), False)
    found = [dict(zip(INFO, row, strict=True)) for row in rows]
    if as_json:
        print_json(found)
        return
    for members in found:
        print_members({INFO[name]: value for name, value in members.items()})
        click.echo()


@group.command("list-storage")
@click.argument("names", nargs=-1)
@click.option("--storage-type", metavar="TYPE", help="file or sharedfile. Default: the cluster's first.")
@fields_option
@json_option
@pass_session
def list_storage(
    session: Session, names: tuple[str, ...], storage_type: str | None, fields: str | None, as_json: bool
) -> None:
    """
    List nodes' storage, with its size and what is free.
    """
    wanted = chosen(STORAGE_FIELDS, fields)
    op = opcode("OP_NODE_QUERY_STORAGE", output_fields=wanted, nodes=list(names), storage_type=storage_type)
    results = run(session, [op], submit_only=False, as_json=as_json)
    if as_json or results is None:
        return
    sizes = {"size", "used", "free"}
    print_table(
        [each.capitalize() for each in wanted],
        [
            [size(value) if name in sizes else plain(value) for name, value in zip(wanted, row, strict=True)]
            for row in results[0]
        ],
        ["right" if name in sizes else "left" for name in wanted],
    )


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
