"""
C{gnt os}.
"""

from typing import Any

import click

from gnttwist.cli import parameters
from gnttwist.cli.follow import Quiet, follow, run, submit, submit_option
from gnttwist.cli.output import plain, print_json, print_members, print_table
from gnttwist.cli.session import Session, json_option, opcode, pass_session

LIST_FIELDS = ["name", "variants", "hidden", "blacklisted", "valid"]
INFO_FIELDS = [
    "name", "valid", "variants", "parameters", "api_versions", "trusted", "hidden", "blacklisted", "os_hvp",
    "osparams",
]  # fmt: skip
DIAGNOSE_FIELDS = ["name", "valid", "variants", "node_status", "hidden", "blacklisted"]


@click.group()
def group() -> None:
    """
    List, describe and diagnose operating systems; what they are by default.
    """


@group.command("list")
@click.option("-a", "--all", "everything", is_flag=True, help="Also hidden, blacklisted and unusable ones.")
@json_option
@pass_session
def list_oses(session: Session, everything: bool, as_json: bool) -> None:
    """
    List the operating systems that every node has.
    """
    found = [
        each
        for each in _diagnosed(session, LIST_FIELDS, ())
        if everything or (each["valid"] and not each["hidden"] and not each["blacklisted"])
    ]
    if as_json:
        print_json(found)
        return
    if not everything:
        names = [[name] for each in found for name in _names(each["name"], each["variants"])]
        print_table(["Name"], names, ["left"])
        return
    rows = [[name, _state(each)] for each in found for name in _names(each["name"], each["variants"])]
    print_table(["Name", "State"], rows, ["left", "left"])


@group.command()
@click.argument("names", nargs=-1)
@json_option
@pass_session
def info(session: Session, names: tuple[str, ...], as_json: bool) -> int:
    """
    Variants, parameters and the cluster's own settings for operating systems.
    """
    found = _diagnosed(session, INFO_FIELDS, names)
    if as_json:
        print_json(found)
    else:
        for number, each in enumerate(found):
            if number:
                click.echo()
            members = {
                "Name": each["name"],
                "State": _state(each),
                "Variants": each["variants"],
                "API versions": each["api_versions"],
                "Runs on the node itself": each["trusted"],
                "Parameters": {name.lower(): text for name, text in each["parameters"]},
                "Parameters set for all": each["osparams"],
                "Hypervisor parameters": each["os_hvp"],
            }
            print_members(members)
    return _missing(names, found)


@group.command()
@click.argument("names", nargs=-1)
@json_option
@pass_session
def diagnose(session: Session, names: tuple[str, ...], as_json: bool) -> int:
    """
    What each node has of operating systems, and what is wrong with it; exit code 1 where something is.
    """
    found = _diagnosed(session, DIAGNOSE_FIELDS, names)
    if as_json:
        print_json(found)
    else:
        rows = [row for each in found for row in _by_node(each)]
        print_table(["Name", "Node", "Path", "State"], rows, ["left"] * 4)
    return 1 if _missing(names, found) or not all(each["valid"] for each in found) else 0


@group.command()
@click.argument("name")
@click.option("--hidden", type=bool, metavar="yes|no", help="Whether it is listed only on request.")
@click.option("--blacklisted", type=bool, metavar="yes|no", help="Whether it is refused for new instances.")
@click.option(
    "-H", "--hypervisor-parameters", "hvs", multiple=True, metavar="HYPERVISOR:NAME=VALUE,...",
    help="Hypervisor parameters of instances with it; may be repeated.",
)  # fmt: skip
@click.option(
    "-O", "--os-parameters", "osp", metavar="NAME=VALUE,...", help="Its parameters, for all instances."
)
@submit_option
@json_option
@pass_session
def modify(
    session: Session,
    name: str,
    hidden: bool | None,
    blacklisted: bool | None,
    hvs: tuple[str, ...],
    osp: str | None,
    submit: bool,
    as_json: bool,
) -> None:
    """
    Change what holds for an operating system in the whole cluster; it need not exist yet.
    """
    if hidden is None and blacklisted is None and not hvs and osp is None:
        raise click.UsageError("nothing to change: see the options")
    change = opcode(
        "OP_CLUSTER_SET_PARAMS",
        hidden_os=_membership(name, hidden),
        blacklisted_os=_membership(name, blacklisted),
        os_hvp={name: dict(parameters.hypervisor(each) for each in hvs)} if hvs else None,
        osparams={name: parameters.pairs(osp)} if osp is not None else None,
    )
    run(session, [change], submit_only=submit, as_json=as_json)


def _membership(name: str, wanted: bool | None) -> list[list[str]] | None:
    """
    A change to a list of names, as C{OP_CLUSTER_SET_PARAMS} takes it.
    """
    return None if wanted is None else [["add" if wanted else "remove", name]]


def _diagnosed(session: Session, fields: list[str], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """
    What the nodes say, by field. Systems in no good state come too where their state's field is asked for.
    """
    job = submit(session.client, opcode("OP_OS_DIAGNOSE", output_fields=fields, names=list(names)))
    [rows] = follow(session.client, job, Quiet())
    return [dict(zip(fields, row, strict=True)) for row in rows]


def _missing(names: tuple[str, ...], found: list[dict[str, Any]]) -> int:
    """
    Say which of the names there are none of.

    @return: The exit code.
    """
    lacking = [each for each in names if each not in {row["name"] for row in found}]
    for each in lacking:
        click.echo(f"gnt: no node has an OS {each}", err=True)
    return 1 if lacking else 0


def _by_node(found: dict[str, Any]) -> list[list[str]]:
    rows = []
    for node, places in sorted(found["node_status"].items()):
        for position, (path, valid, wrong, variants, _, versions, _) in enumerate(places):
            state = f"invalid: {wrong}"
            if valid:
                state = f"valid (API {plain(versions)}" + (f"; {plain(variants)})" if variants else ")")
            rows.append(
                [found["name"], node, path, f"hidden by the one above; {state}" if position else state]
            )
        if not places:
            rows.append([found["name"], node, "-", "missing"])
    return rows


def _state(found: dict[str, Any]) -> str:
    states = [name for name in ("hidden", "blacklisted") if found[name]]
    return ", ".join(states + ([] if found["valid"] else ["not usable on every node"])) or "usable"


def _names(name: str, variants: list[str]) -> list[str]:
    return [f"{name}+{each}" for each in variants] or [name]
