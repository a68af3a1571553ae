"""
C{gnt instance info}: all that is known of instances.
"""

from collections.abc import Mapping
from typing import Any

import click

from gnttwist.cli.listing import any_of
from gnttwist.cli.output import MISSING, cell_text, print_json, print_members, size
from gnttwist.cli.session import Session, json_option, pass_session

FIELDS = (
    "name", "uuid", "serial_no", "ctime", "mtime", "status", "admin_state", "pnode", "pnode.group", "snodes", "os",
    "osparams", "custom_osparams", "hypervisor", "network_port", "hvparams", "custom_hvparams", "oper_ram",
    "oper_vcpus", "beparams", "custom_beparams", "tags", "console", "disk_template", "disk.sizes", "disk.names",
    "disk.uuids", "nic.macs", "nic.ips", "nic.modes", "nic.links", "nic.vlans", "nic.networks.names", "nic.names",
    "nic.uuids",
)  # fmt: skip
"""
What is asked for.
"""

LISTS = {
    "disk": {"sizes": "size", "names": "name", "uuids": "UUID"},
    "nic": {
        "macs": "MAC", "ips": "IP", "modes": "mode", "links": "link", "vlans": "vlan", "networks.names": "network",
        "names": "name", "uuids": "UUID",
    },
}  # fmt: skip
"""
Fields with a value for each disk and each interface, and what they are called there.
"""

Cell = tuple[int, Any, str]
"""
Status, value and kind.
"""


@click.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All instances; give no names.")
@click.option("-s", "--static", is_flag=True, help="Ask no node; tell what is configured.")
@json_option
@pass_session
def info(session: Session, names: tuple[str, ...], everything: bool, static: bool, as_json: bool) -> None:
    """
    Everything about instances.
    """
    if bool(names) == everything:
        raise click.UsageError("which instances? Give names, or --all and no names")
    wanted = [
        each for each in FIELDS if not (static and each in ("status", "oper_ram", "oper_vcpus", "console"))
    ]
    answer = session.client.call("Query", "instance", wanted, any_of("name", names))
    kinds = [each["kind"] for each in answer["fields"]]
    rows = [
        {name: (status, value, kind) for name, (status, value), kind in zip(wanted, row, kinds, strict=True)}
        for row in answer["data"]
    ]
    if as_json:
        print_json([{name: cell[1] for name, cell in row.items()} for row in rows])
    else:
        for number, row in enumerate(rows):
            if number:
                click.echo()
            print_members(described(row))
    known = {row["name"][1] for row in rows}
    missing = [
        each for each in names if not any(name == each or name.startswith(f"{each}.") for name in known)
    ]
    if missing:
        raise click.ClickException(f"there is no instance {', '.join(missing)}")


def described(row: Mapping[str, Cell]) -> dict[str, Any]:
    """
    An instance's members as they are shown: times as dates, sizes with units, and disks and interfaces one by one.
    """
    lists = {f"{what}.{field}" for what, fields in LISTS.items() for field in fields}
    shown: dict[str, Any] = {name: _shown(cell) for name, cell in row.items() if name not in lists}
    for what, fields in LISTS.items():
        values = {label: row[f"{what}.{field}"] for field, label in fields.items()}
        shown[f"{what}s"] = _one_by_one(what, values)
    return shown


def _one_by_one(what: str, columns: Mapping[str, Cell]) -> dict[str, Any]:
    count = max((len(value) for status, value, _ in columns.values() if status == 0), default=0)
    return {
        f"{what}/{index}": {
            label: size(value[index]) if label == "size" else value[index]
            for label, (status, value, _) in columns.items()
            if status == 0 and value[index] is not None
        }
        for index in range(count)
    }


def _shown(cell: Cell) -> Any:
    status, value, kind = cell
    if status != 0:
        return MISSING.get(status, "?")
    if kind == "other":
        return value
    return cell_text(status, value, kind)
