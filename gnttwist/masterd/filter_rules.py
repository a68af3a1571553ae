"""
Setting and removing job filters.
"""

import uuid
from collections.abc import Callable
from random import Random
from typing import TypeVar

from attrs import define

from gnttwist.config.draft import Draft
from gnttwist.config.service import Configuration
from gnttwist.errors import ECode, OpPrereqError, ParameterError
from gnttwist.jobs.filtering import read_rule
from gnttwist.model.objects import JobFilter
from gnttwist.wire import luxi

T = TypeVar("T")

ORIGIN = "luxid"
"""
What Ganeti's daemon signs reason trails with; tools show it.
"""

MAX_FILTERS = 1000
"""
How many there may be: each is tried on each job.
"""


@define(eq=False, repr=False)
class FilterRules:
    """
    The job filters, as clients change them.

    @ivar _newest_job: The newest job's number: a new filter's watermark.
    @ivar _now: The wall clock, seconds since the epoch.
    """

    _configuration: Configuration
    _newest_job: Callable[[], int]
    _now: Callable[[], float]
    _random: Random

    async def replace(self, call: luxi.ReplaceFilter) -> str:
        """
        Set a filter; durable when this returns.

        @return: Its UUID: the given one, or a new one.
        @raise OpPrereqError: The UUID, the action or a predicate is none, or there are too many filters.
        """
        if call.uuid is not None:
            _check_uuid(call.uuid)
        now = self._now()
        watermark = self._newest_job()

        def edit(draft: Draft) -> str:
            rule = JobFilter(
                uuid=call.uuid or draft.new_uuid(),
                watermark=watermark,
                priority=call.priority,
                predicates=call.predicates,
                action=call.action,
                reason_trail=[*call.reason, [ORIGIN, "", int(now * 1_000_000_000)]],
            )
            _check(rule)
            there = draft.config.filters
            if rule.uuid not in there and len(there) >= MAX_FILTERS:
                raise OpPrereqError(f"There are {MAX_FILTERS} job filters already", ECode.NORES)
            draft.put_filter(rule)
            return rule.uuid

        return await self._edit("set a job filter", edit)

    async def delete(self, call: luxi.DeleteFilter) -> None:
        """
        Remove a filter; durable when this returns.

        @raise OpPrereqError: There is none of this UUID.
        """

        def edit(draft: Draft) -> None:
            found = draft.config.filters.get(call.uuid)
            if found is None:
                raise OpPrereqError(f"Filter name {call.uuid} not found", ECode.NOENT)
            draft.delete(found)

        await self._edit("remove a job filter", edit)

    async def _edit(self, what: str, edit: Callable[[Draft], T]) -> T:
        result, _ = await self._configuration.edit(what, edit, now=self._now(), source=self._random)
        return result


def _check(rule: JobFilter) -> None:
    try:
        read_rule(rule)
    except ParameterError as reason:
        # Tools print that error's text as the name of a parameter.
        raise OpPrereqError(str(reason), ECode.INVAL) from reason


def _check_uuid(text: str) -> None:
    try:
        canonical = str(uuid.UUID(text))
    except ValueError:
        canonical = ""
    if canonical != text:
        raise OpPrereqError(f"{text!r:.60} is not a UUID", ECode.INVAL)
