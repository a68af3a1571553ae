"""
A job's course on a terminal: its log, and below it a bar for what is going on.
"""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text


class Bars:
    """
    A context manager: the bar is gone afterwards.
    """

    def __init__(self, console: Console | None = None) -> None:
        from gnttwist.cli.follow import amount

        self._amount = amount
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[amount]}", markup=False),
            TimeElapsedColumn(),
            console=console or Console(),
            transient=True,
        )
        self._task: TaskID | None = None
        self._what = ""

    def __enter__(self) -> "Bars":
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def line(self, text: str) -> None:
        """
        Print a line above the bar.
        """
        self._bars.console.print(Text(text))

    def progress(self, value: dict[str, Any] | None) -> None:
        """
        Move the bar, begin another one for something else, or take it away.
        """
        if self._task is not None and (value is None or value["what"] != self._what):
            self._bars.remove_task(self._task)
            self._task = None
        if value is None:
            return
        done, total = value["done"], value["total"]
        text = self._amount(done, value["unit"])
        if total is not None:
            text += f" of {self._amount(total, value['unit'])}"
        if self._task is None:
            self._what = value["what"]
            self._task = self._bars.add_task(self._what, total=total, amount=text)
        self._bars.update(self._task, completed=done, total=total, amount=text)
