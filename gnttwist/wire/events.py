"""
What gnt-masterd tells those who follow it (LUXI's C{WaitForAnyJobChange} and C{WaitForConfigChange}), as clients show
and send it on.
"""

import re
from collections.abc import Sequence
from typing import Any

from attrs import frozen

JOB_FIELDS = ("status", "summary", "priority", "received_ts", "start_ts", "end_ts", "opstatus", "progress")
"""
What is told of a job that has changed.
"""

_CURSOR = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")


@frozen
class Cursor:
    """
    How far somebody has been told.

    @ivar jobs: A revision of the store, for jobs.
    @ivar config: One for the configuration.
    """

    jobs: int
    config: int

    def __str__(self) -> str:
        return f"{self.jobs}.{self.config}"

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """
        Read one.

        @raise ValueError: It is none.
        """
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise ValueError(f"{text[:40]!r} is no id of an event, such as 17.4")
        return cls(int(found[1]), int(found[2]))

    def with_what(self, other: "Cursor") -> "Cursor":
        """
        How far somebody is who was told what either stands for.
        """
        return Cursor(max(self.jobs, other.jobs), max(self.config, other.config))


def job_events(rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """
    What gnt-masterd tells of changed jobs, as events have it: each with its new lines of log.
    """
    return [
        {
            "id": id,
            **dict(zip(JOB_FIELDS, values, strict=True)),
            "log": [
                {"serial": serial, "time": when, "type": kind, "payload": payload}
                for serial, when, kind, payload in lines
            ],
        }
        for id, values, lines in rows
    ]


def object_events(changes: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """
    What gnt-masterd tells of changed objects, as events have it.
    """
    return [{"kind": kind, "uuid": uuid, "name": name, "there": there} for kind, uuid, name, there in changes]
