"""
Events as they are sent: Server-Sent Events, whose ids are cursors into what is stored. Pure.

An id is two revisions of the store, C{JOBS.CONFIGURATION}: everything up to them has been told. One event tells of
all that has changed together, so that whoever goes on from an id misses nothing and hears nothing twice.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from attrs import evolve, frozen

from gnttwist.rapi.failures import BadRequest
from gnttwist.wire.events import Cursor

KINDS = ("job", "cluster", "node", "group", "network", "instance")
"""
What events are about.
"""

HEARTBEAT = b": nothing new\n\n"
"""
A comment, which clients skip.
"""


BEGINNING = Cursor(0, 0)


def cursor(text: str) -> Cursor:
    """
    Read an id.

    @raise BadRequest: It is none.
    """
    try:
        return Cursor.read(text)
    except ValueError as reason:
        raise BadRequest(f"Last-Event-ID: {reason}") from reason


@frozen
class Wanted:
    """
    What a subscriber wants to hear of; C{None} is everything.

    @ivar jobs: Numbers of jobs.
    """

    kinds: frozenset[str] | None = None
    jobs: frozenset[int] | None = None

    @property
    def everything(self) -> bool:
        """
        Whether nothing is left out, so that the same bytes do for all such subscribers.
        """
        return self.kinds is None and self.jobs is None


def wanted(kinds: Sequence[str], jobs: Sequence[str]) -> Wanted:
    """
    Read the query's arguments.

    @raise BadRequest: There is no such kind, or a number is none.
    """
    for each in kinds:
        if each not in KINDS:
            raise BadRequest(f"query argument kind: there is no {each[:40]!r}; there are {', '.join(KINDS)}")
    for each in jobs:
        if not re.fullmatch("[0-9]{1,18}", each, re.ASCII):
            raise BadRequest(f"query argument job: {each[:40]!r} is no number of a job")
    return Wanted(frozenset(kinds) or None, frozenset(map(int, jobs)) or None)


@frozen
class Event:
    """
    Something that happened.

    @ivar after: How far everything is told with it.
    @ivar name: C{jobs}, C{objects}, C{begin} or C{snapshot}.
    @ivar passing: Whether it only tells of progress, which is not stored: it has no id, for who goes on after it goes
        on where the event before it was.
    """

    after: Cursor
    name: str
    jobs: Sequence[Mapping[str, Any]] = ()
    objects: Sequence[Mapping[str, Any]] = ()
    text: str = ""
    passing: bool = False

    def of(self, wanted: Wanted) -> "Event | None":
        """
        What of it somebody wants to hear; C{None} for nothing.
        """
        if wanted.everything or self.name in ("begin", "snapshot"):
            return self
        jobs, objects = self.jobs, self.objects
        if wanted.kinds is not None and "job" not in wanted.kinds:
            jobs = ()
        if wanted.jobs is not None:
            jobs = [each for each in jobs if each["id"] in wanted.jobs]
        if wanted.kinds is not None:
            objects = [each for each in objects if each["kind"] in wanted.kinds]
        elif wanted.jobs is not None:
            objects = ()
        return evolve(self, jobs=jobs, objects=objects) if jobs or objects else None

    def unheard(self, told: Cursor, heard: Mapping[int, Mapping[str, Any]]) -> "Event | None":
        """
        What of it is new to somebody who asked alone for what it had missed, and so may be ahead.

        @param told: How far that went.
        @param heard: The newest that it told of each job.
        """
        after = told.with_what(self.after)
        if self.name != "jobs":
            return evolve(self, after=after) if self.after.config > told.config else None
        if self.passing:
            return self if self.after.jobs >= told.jobs else None
        if self.after.jobs <= told.jobs:
            return None
        # It may begin before what was told: then lines come again, and jobs that have not changed since.
        jobs = [new for each in self.jobs if (new := _news(each, heard.get(each["id"]))) is not None]
        return evolve(self, after=after, jobs=jobs)

    def encode(self) -> bytes:
        """
        Its bytes on the wire.
        """
        match self.name:
            case "jobs":
                data: dict[str, Any] = {"jobs": list(self.jobs)}
            case "objects":
                data = {"objects": list(self.objects)}
            case _:
                data = {"text": self.text}
        # JSON has no line breaks here, so one line of data is enough.
        return b"%sevent: %s\ndata: %s\n\n" % (
            b"" if self.passing else b"id: %s\n" % str(self.after).encode(),
            self.name.encode(),
            msgspec.json.encode(data),
        )


def _news(job: Mapping[str, Any], heard: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if heard is None:
        return job
    last = max((line["serial"] for line in heard["log"]), default=0)
    lines = [line for line in job["log"] if line["serial"] > last]
    same = all(heard.get(name) == value for name, value in job.items() if name != "log")
    return None if same and not lines else {**job, "log": lines}
