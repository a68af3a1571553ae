"""
C{gnt network}.
"""

from typing import Any

import click

from gnttwist.cli import parameters, tags
from gnttwist.cli.listing import any_of, chosen, describe, fields_option, listing
from gnttwist.cli.session import Session, json_option, opcode, pass_session
from gnttwist.cli.submitting import How, carry_out, carry_out_together, confirm, force_option, job_options

LIST_FIELDS = ("name", "network", "gateway", "mac_prefix", "group_cnt", "free_count", "tags")
INFO_FIELDS = (
    "name", "uuid", "network", "gateway", "network6", "gateway6", "mac_prefix", "free_count", "reserved_count", "map",
    "external_reservations", "group_list", "inst_list", "tags", "serial_no", "ctime", "mtime",
)  # fmt: skip


@click.group()
def group() -> None:
    """
    Make, list, change and remove networks; connect groups to them.
    """


tags.add_to(group, "network")


@group.command("list")
@click.argument("names", nargs=-1)
@fields_option
@json_option
@pass_session
def list_networks(session: Session, names: tuple[str, ...], fields: str | None, as_json: bool) -> None:
    """
    List networks.
    """
    listing(session, "network", chosen(LIST_FIELDS, fields), any_of("name", names), as_json)


@group.command()
@click.argument("names", nargs=-1)
@json_option
@pass_session
def info(session: Session, names: tuple[str, ...], as_json: bool) -> None:
    """
    Everything about networks; in the map, X is a taken address.
    """
    describe(session, "network", INFO_FIELDS, any_of("name", names), as_json)


@group.command()
@click.argument("name")
@click.option("--network", required=True, metavar="ADDRESS/LENGTH", help="Its range of IPv4 addresses.")
@click.option("--gateway", metavar="IP")
@click.option("--network6", metavar="ADDRESS/LENGTH", help="Its range of IPv6 addresses.")
@click.option("--gateway6", metavar="IP")
@click.option("--mac-prefix", metavar="XX:XX:XX", help="Of its interfaces, in place of the cluster's.")
@click.option("--add-reserved-ips", metavar="IP,...", help="Addresses that no instance gets.")
@click.option(
    "--conflicts-check/--no-conflicts-check",
    default=True,
    help="Keep the nodes' addresses, too. Default: yes.",
)
@click.option("--tags", metavar="TAG,...")
@job_options
@pass_session
def add(
    session: Session,
    /,
    name: str,
    add_reserved_ips: str | None,
    tags: str | None,
    how: How,
    **options: Any,
) -> None:
    """
    Make a network.
    """
    op = opcode(
        "OP_NETWORK_ADD",
        network_name=name,
        add_reserved_ips=_listed(add_reserved_ips),
        tags=_listed(tags),
        **options,
    )
    carry_out(session, op, how)


@group.command()
@click.argument("name")
@click.option("--gateway", metavar="IP")
@click.option("--network6", metavar="ADDRESS/LENGTH")
@click.option("--gateway6", metavar="IP")
@click.option("--mac-prefix", metavar="XX:XX:XX")
@click.option("--add-reserved-ips", metavar="IP,...", help="Keep these addresses from instances.")
@click.option("--remove-reserved-ips", metavar="IP,...", help="Let instances have these addresses again.")
@job_options
@pass_session
def modify(
    session: Session,
    /,
    name: str,
    add_reserved_ips: str | None,
    remove_reserved_ips: str | None,
    how: How,
    **options: Any,
) -> None:
    """
    Change a network; the value "none" takes one away.
    """
    wanted = {
        **options,
        "add_reserved_ips": _listed(add_reserved_ips),
        "remove_reserved_ips": _listed(remove_reserved_ips),
    }
    if all(value is None for value in wanted.values()):
        raise click.UsageError("nothing to change: see the options")
    op = opcode("OP_NETWORK_SET_PARAMS", network_name=name, **wanted)
    carry_out(session, op, how)


@group.command()
@click.argument("name")
@force_option
@job_options
@pass_session
def remove(session: Session, name: str, force: bool, how: How) -> None:
    """
    Remove a network that no group is connected to.
    """
    if not how.dry_run:
        confirm(f"Remove network {name}?", force)
    op = opcode("OP_NETWORK_REMOVE", network_name=name)
    carry_out(session, op, how)


@group.command()
@click.argument("network")
@click.argument("groups", nargs=-1)
@click.option(
    "-N",
    "--nic-parameters",
    metavar="mode=MODE,link=LINK[,vlan=VLAN]",
    default="mode=bridged,link=br0",
    show_default=True,
    help="How its instances' interfaces reach it.",
)
@click.option(
    "--conflicts-check/--no-conflicts-check",
    default=True,
    help="Refuse where instances have its addresses without it. Default: yes.",
)
@job_options
@pass_session
def connect(
    session: Session,
    network: str,
    groups: tuple[str, ...],
    nic_parameters: str,
    conflicts_check: bool,
    how: How,
) -> None:
    """
    Let GROUPS' instances use a network; without any, those of all groups.
    """
    nic = {"mode": "bridged", "link": "br0", "vlan": "", **parameters.pairs(nic_parameters)}
    ops = [
        opcode(
            "OP_NETWORK_CONNECT",
            network_name=network,
            group_name=each,
            network_mode=nic["mode"],
            network_link=nic["link"],
            network_vlan=nic["vlan"],
            conflicts_check=conflicts_check,
        )
        for each in groups or _all_groups(session)
    ]
    carry_out_together(session, ops, how)


@group.command()
@click.argument("network")
@click.argument("groups", nargs=-1)
@job_options
@pass_session
def disconnect(session: Session, network: str, groups: tuple[str, ...], how: How) -> None:
    """
    Let GROUPS' instances not use a network any more; without any, those of all groups.
    """
    ops = [
        opcode("OP_NETWORK_DISCONNECT", network_name=network, group_name=each)
        for each in groups or _all_groups(session)
    ]
    carry_out_together(session, ops, how)


def _all_groups(session: Session) -> list[str]:
    answer = session.client.call("Query", "group", ["name"], None)
    return [value for [(_, value)] in answer["data"]]


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [each for each in text.split(",") if each]
