"""
Following several jobs at once, over one connection.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from attrs import define, field, frozen

from gnttwist.cli.follow import FIELDS, View, outcome
from gnttwist.cli.output import plain
from gnttwist.client.luxi import LuxiClient
from gnttwist.errors import GnttwistError
from gnttwist.model.job import FINAL

MAX_WATCHED = 50
"""
Jobs at once: more bars than that do not fit on a screen.
"""

PATIENCE = 60.0
"""
Seconds after which a call is answered though nothing changed.
"""


@frozen
class Outcome:
    """
    How a job ended.

    @ivar results: Its opcodes' results, if it ended well.
    @ivar error: A sentence, if it did not, or could not be followed.
    """

    results: list[Any] | None = None
    error: str | None = None


@define(eq=False)
class Together:
    """
    A view that several jobs share.
    """

    _shown: View
    _going_on: dict[int, Mapping[str, Any]] = field(factory=dict, init=False)

    def line(self, job: int, text: str) -> None:
        """
        A line of one job's log.
        """
        self._shown.line(f"job {job}: {text}")

    def progress(self, job: int, value: Mapping[str, Any] | None) -> None:
        """
        How far the things are that one job is doing.
        """
        self._going_on[job] = value or {}
        self._shown.progress(
            {f"job {each}: {what}": far for each, all in self._going_on.items() for what, far in all.items()}
        )


def watch_all(client: LuxiClient, jobs: Sequence[int], shown: View) -> dict[int, Outcome]:
    """
    Follow jobs until all have ended.
    """
    together = Together(shown)
    outcomes: dict[int, Outcome] = {}

    def ended(job: int, how: Outcome) -> None:
        outcomes[job] = how
        left.discard(job)
        together.progress(job, None)
        together.line(job, how.error or "success")

    left = set(jobs)
    for job, [status] in zip(jobs, client.call("QueryJobs", list(jobs), ["status"]), strict=True):
        if status is None and job in left:
            ended(job, Outcome(error=f"there is no job {job}"))
    revision = moment = 0
    while left:
        revision, told, moment = client.call(
            "WaitForAnyJobChange", sorted(left), list(FIELDS), revision, PATIENCE, moment
        )
        for job, (status, progress), lines in told:
            for _, _, kind, payload in lines:
                if kind == "message":
                    together.line(job, plain(payload))
            together.progress(job, progress)
            if status in FINAL:
                ended(job, _outcome(client, job))
    return outcomes


def _outcome(client: LuxiClient, job: int) -> Outcome:
    try:
        return Outcome(outcome(client, job))
    except GnttwistError as reason:
        return Outcome(error=str(reason))
    except click.ClickException as reason:
        return Outcome(error=reason.format_message())
