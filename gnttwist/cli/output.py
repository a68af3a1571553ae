"""
Printing: tables that fit, JSON, and values as Ganeti's tools write them.
"""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import click
import msgspec

MISSING = {1: "??", 2: "?", 3: "-", 4: "*"}
"""
What stands for a cell without a value, by its status: unknown field, no data, unset, node offline.
"""

INDENT = "  "


def print_json(value: Any) -> None:
    """
    Print a value as JSON.
    """
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(
    titles: Sequence[str], rows: Iterable[Sequence[str]], align: Sequence[Literal["left", "right"]]
) -> None:
    """
    Print a table: on a terminal fitted to its width, else one line a row, whole, for programs to read.
    """
    listed = list(rows)
    if sys.stdout.isatty():
        _print_fitted(titles, listed, align)
        return
    widths = [max(map(len, column)) for column in zip(titles, *listed, strict=True)]
    for row in (titles, *listed):
        cells = [
            cell.rjust(width) if side == "right" else cell.ljust(width)
            for cell, width, side in zip(row, widths, align, strict=True)
        ]
        click.echo(" ".join(cells).rstrip())


def _print_fitted(
    titles: Sequence[str], rows: Sequence[Sequence[str]], align: Sequence[Literal["left", "right"]]
) -> None:
    # Only here: it takes longer to import than most commands to run.
    import shutil

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title, side in zip(titles, align, strict=True):
        table.add_column(title, justify=side, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(width=shutil.get_terminal_size().columns).print(table)


def print_members(members: Mapping[str, Any], depth: int = 0) -> None:
    """
    Print an object: one member a line, nested ones indented.
    """
    for name, value in members.items():
        if isinstance(value, Mapping) and value:
            click.echo(f"{INDENT * depth}{name}:")
            print_members(value, depth + 1)
        elif isinstance(value, list) and any(isinstance(each, Mapping | list) for each in value):
            click.echo(f"{INDENT * depth}{name}:")
            for index, each in enumerate(value):
                print_members({str(index): each}, depth + 1)
        else:
            click.echo(f"{INDENT * depth}{name}: {plain(value)}")


def plain(value: Any) -> str:
    """
    A value in words.
    """
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(plain(each) for each in value) or "-"
        case Mapping():
            return ", ".join(f"{name}={plain(each)}" for name, each in value.items()) or "-"
        case _:
            # A control character could do anything to a terminal.
            return "".join(
                each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}"
                for each in str(value)
            )


def size(mib: float) -> str:
    """
    MiB, as Ganeti's tools write them.
    """
    if mib < 1024:
        return f"{mib:.0f}M"
    if mib < 1024 * 1024:
        return f"{mib / 1024:.1f}G"
    return f"{mib / 1024 / 1024:.1f}T"


def moment(value: float | Sequence[int]) -> str:
    """
    A time, in seconds or as seconds and microseconds since the epoch.
    """
    seconds = value if isinstance(value, int | float) else value[0] + value[1] / 1_000_000
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) + f".{int(seconds % 1 * 1000):03d}"


def cell_text(status: int, value: Any, kind: str) -> str:
    """
    A cell of a query's answer.
    """
    if status != 0:
        return MISSING.get(status, "?")
    match kind:
        case "unit":
            return size(value)
        case "timestamp":
            return moment(value)
        case "bool":
            return "Y" if value else "N"
        case _:
            return plain(value)
