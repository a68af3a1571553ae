"""
Following several jobs at once: a connection and a thread for each, one place where all of it is shown.
"""

from collections.abc import Callable, Mapping, Sequence
from threading import Lock, Thread
from typing import Any

import click
from attrs import define, field, frozen

from gnttwist.cli.follow import View, follow
from gnttwist.client.luxi import LuxiClient
from gnttwist.errors import GnttwistError

MAX_WATCHED = 50
"""
Jobs at once: more bars than that do not fit on a screen.
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
    _lock: Lock = field(factory=Lock, init=False)
    _going_on: dict[int, Mapping[str, Any]] = field(factory=dict, init=False)

    def line(self, job: int, text: str) -> None:
        """
        A line of one job's log.
        """
        with self._lock:
            self._shown.line(f"job {job}: {text}")

    def progress(self, job: int, value: Mapping[str, Any] | None) -> None:
        """
        How far the things are that one job is doing.
        """
        with self._lock:
            self._going_on[job] = value or {}
            self._shown.progress(
                {
                    f"job {each}: {what}": far
                    for each, all in self._going_on.items()
                    for what, far in all.items()
                }
            )


@frozen
class Part:
    """
    One job's L{View}.
    """

    _together: Together
    _job: int

    def line(self, text: str) -> None:
        """
        A line of its log.
        """
        self._together.line(self._job, text)

    def progress(self, value: Mapping[str, Any] | None) -> None:
        """
        How far it is.
        """
        self._together.progress(self._job, value)


def watch_all(connect: Callable[[], LuxiClient], jobs: Sequence[int], shown: View) -> dict[int, Outcome]:
    """
    Follow jobs until all have ended.

    @param connect: Makes a connection; each job has one of its own.
    """
    together = Together(shown)
    outcomes: dict[int, Outcome] = {}

    def watch(job: int) -> None:
        part = Part(together, job)
        try:
            with connect() as client:
                outcomes[job] = Outcome(follow(client, job, part))
        except (GnttwistError, OSError) as reason:
            outcomes[job] = Outcome(error=str(reason))
        except click.ClickException as reason:
            outcomes[job] = Outcome(error=reason.format_message())
        part.line(outcomes[job].error or "success")

    # They end with the process, so that nobody who interrupts it has to wait for jobs.
    threads = [Thread(target=watch, args=(job,), daemon=True) for job in dict.fromkeys(jobs)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return outcomes
