"""
A job's course on a terminal: its log, and below it a bar for each thing that is going on.
"""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from gnttwist.cli.output import size


class Bars:
    """
    A context manager: the bars are gone afterwards.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[amount]}", markup=False),
            TimeElapsedColumn(),
            console=console or Console(),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Bars":
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def line(self, text: str) -> None:
        """
        Print a line above the bars.
        """
        self._bars.console.print(Text(text))

    def progress(self, value: Mapping[str, Any] | None) -> None:
        """
        Show how far things are; what is not named is not shown any more.
        """
        shown = value or {}
        for gone in self._tasks.keys() - shown.keys():
            self._bars.remove_task(self._tasks.pop(gone))
        for what, far in shown.items():
            text = amount(far)
            if what not in self._tasks:
                self._tasks[what] = self._bars.add_task(what, total=far["total"], amount=text)
            self._bars.update(self._tasks[what], completed=far["done"], total=far["total"], amount=text)


def amount(far: Mapping[str, Any]) -> str:
    """
    How far something is, with its unit, for people.
    """
    done, total, unit = far["done"], far["total"], far["unit"]
    if unit == "MiB":
        return size(done) if total is None else f"{size(done)} of {size(total)}"
    suffix = f" {unit}" if unit else ""
    return f"{done:g}{suffix}" if total is None else f"{done:g} of {total:g}{suffix}"
