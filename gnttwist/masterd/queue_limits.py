"""
Changing how many jobs may run, how many may queue, and how long they wait for silent nodes, while they do.
"""

from collections.abc import Callable
from random import Random

from attrs import define

from gnttwist.config.draft import Draft
from gnttwist.config.service import Configuration
from gnttwist.errors import ECode, OpPrereqError
from gnttwist.jobs.limits import LEAST_PATIENCE, MOST_PATIENCE, MOST_QUEUED, MOST_RUNNING, with_limits
from gnttwist.wire import luxi


@define(eq=False, repr=False)
class QueueLimits:
    """
    The queue's limits, as clients change them.

    @ivar _now: The wall clock, seconds since the epoch.
    """

    _configuration: Configuration
    _now: Callable[[], float]
    _random: Random

    async def set(self, call: luxi.SetQueueLimits) -> None:
        """
        Set limits; durable, and in force, when this returns. Jobs beyond a lowered one go on.

        @raise OpPrereqError: There is no such limit.
        """
        _check("The number of running jobs", call.running, 1, MOST_RUNNING)
        _check("The number of queued jobs", call.queued, 1, MOST_QUEUED)
        _check("Patience with a silent node, in seconds,", call.patience, LEAST_PATIENCE, MOST_PATIENCE)

        def edit(draft: Draft) -> None:
            before = draft.config.cluster
            after = with_limits(before, call.running, call.queued, call.patience)
            if after != before:
                draft.put(after)

        await self._configuration.edit("set the queue's limits", edit, now=self._now(), source=self._random)


def _check(what: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise OpPrereqError(f"{what} can be {least} to {most}, not {value}", ECode.INVAL)
