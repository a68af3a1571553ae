"""
What a job waits for, in sentences.
"""

from collections.abc import Iterator
from typing import Any

from gnttwist.cli.output import moment

SHOWN = 10
"""
How many jobs are named; a long queue's numbers help nobody.
"""

STATES = {
    "running": "it runs",
    "canceling": "it is being cancelled",
    "success": "it has ended well",
    "error": "it has failed",
    "canceled": "it was cancelled",
}


def sentences(found: dict[str, Any]) -> Iterator[str]:
    """
    The answer of C{QueryJobBlockers}, a line at a time.
    """
    since = f"since {moment(found['since'])}"
    yield f"Job {found['job']} ({found['summary']}): {found['status']} {since}"
    state = STATES.get(found["status"])
    if state is not None and not found["locks"]:
        yield f"It waits for nothing: {state}."
        return
    for lock in found["locks"]:
        yield from _lock(lock)
    if found["status"] == "queued":
        yield from _queued(found)
    elif not found["locks"]:
        yield "It waits for no lock; it is about to go on."


def _lock(lock: dict[str, Any]) -> Iterator[str]:
    name = f"{lock['name']} ({lock['mode']})"
    if lock["free"]:
        yield f"It wants the lock {name}, which it could have."
        return
    yield f"It waits for the lock {name}:"
    for owner in lock["owners"]:
        when = f" since {moment(owner['since'])}" if owner["since"] else ""
        yield f"  job {owner['job']} ({owner['summary']}) has it{when}, {owner['mode']}"
    if lock["ahead"]:
        yield f"  ahead of it: {_jobs(lock['ahead'])}"


def _queued(found: dict[str, Any]) -> Iterator[str]:
    for each in found["depends"]:
        yield f"It depends on job {each['job']} ({each['summary']}), which is {each['status']}."
    if found["held"]:
        yield f"It is held: {found['held']}."
    run, limit = found["places"]["run"], found["places"]["limit"]
    if run >= limit:
        yield f"All places are taken: {run} jobs run, and {limit} may."
        if found["ahead"]:
            yield f"Queued before it: {_jobs(found['ahead'])}"
    elif not found["depends"] and not found["held"]:
        yield "Nothing is in its way; it is about to start."


def _jobs(numbers: list[int]) -> str:
    shown = ", ".join(str(each) for each in numbers[:SHOWN])
    more = len(numbers) - SHOWN
    return f"{len(numbers)} jobs: {shown}, and {more} more" if more > 0 else f"jobs {shown}"
