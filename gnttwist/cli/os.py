"""
C{gnt os}.
"""

import click

from gnttwist.cli.follow import Quiet, follow, submit
from gnttwist.cli.output import print_json, print_table
from gnttwist.cli.session import Session, json_option, opcode, pass_session

FIELDS = ["name", "variants", "hidden", "blacklisted", "valid"]


@click.group()
def group() -> None:
    """
    List operating systems that can be installed.
    """


@group.command("list")
@json_option
@pass_session
def list_oses(session: Session, as_json: bool) -> None:
    """
    List the operating systems that every node has.
    """
    job = submit(session.client, opcode("OP_OS_DIAGNOSE", output_fields=FIELDS, names=[]))
    [rows] = follow(session.client, job, Quiet())
    found = [dict(zip(FIELDS, row, strict=True)) for row in rows]
    usable = [each for each in found if each["valid"] and not each["hidden"] and not each["blacklisted"]]
    if as_json:
        print_json(usable)
        return
    names = [name for each in usable for name in _names(each["name"], each["variants"])]
    print_table(["Name"], [[name] for name in names], ["left"])


def _names(name: str, variants: list[str]) -> list[str]:
    return [f"{name}+{each}" for each in variants] or [name]
