"""
Times and priorities, as people type them.
"""

import re
from typing import Any

import click

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
"""
Seconds in each unit.
"""

EVERYTHING = -1
"""
The age of what is old enough in any case.
"""

PRIORITIES = {"low": 10, "normal": 0, "high": -10}
"""
Ganeti's names.
"""


class Duration(click.ParamType[int]):
    """
    A number of seconds, minutes, hours, days or weeks: C{90}, C{90s}, C{30m}, C{12h}, C{7d}, C{2w}.
    """

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """
        In seconds.
        """
        match = re.fullmatch(r"([0-9]{1,9})([smhdw]?)", str(value))
        if match is None:
            self.fail(f"{value!r} is not a time such as 90, 30m, 12h or 7d", param, ctx)
        return int(match.group(1)) * UNITS[match.group(2)]


class Age(Duration):
    """
    A L{Duration}, or C{all}.
    """

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """
        In seconds, or L{EVERYTHING}.
        """
        return EVERYTHING if value == "all" else super().convert(value, param, ctx)


class Priority(click.ParamType[int]):
    """
    A name or a number; a smaller number is more urgent.
    """

    name = "priority"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """
        As a number.
        """
        if value in PRIORITIES:
            return PRIORITIES[value]
        match = re.fullmatch(r"-?[0-9]{1,2}", str(value))
        if match is None or not -20 <= int(value) <= 19:
            self.fail(f"{value!r} is not low, normal, high, or a number from -20 to 19", param, ctx)
        return int(value)
