"""
What a job waits for. Pure.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from gnttwist.errors import JobLost
from gnttwist.jobs.context import LockMode
from gnttwist.jobs.locks import LockRow
from gnttwist.jobs.schedule import dependencies
from gnttwist.model.job import FINAL, Job, QueuedOp, Timestamp
from gnttwist.model.opcodes import summary
from gnttwist.query.sources import JobView


class Queue(Protocol):
    """
    The queue, as far as this looks at it.
    """

    def job(self, id: int) -> JobView | None:
        """
        One job that is not archived.
        """

    def recent(self) -> Iterable[JobView]:
        """
        The jobs that have not ended, perhaps among others.
        """

    def held(self, id: int) -> str | None:
        """
        How filters keep a queued job from starting.
        """


def explain(id: int, queue: Queue, locks: Iterable[LockRow], places: int) -> dict[str, Any]:
    """
    What keeps a job from going on, as it crosses the wire:

      - C{job}, C{status}, C{summary}, and C{since}: how long it has been in this state;
      - C{depends}: jobs that must end first, each with its C{status};
      - C{held}: what job filters say, or C{None};
      - C{places}: how many jobs C{run} and how many may (C{limit});
      - C{ahead}: the queued jobs that come before it;
      - C{locks}: those that it waits for, each with the C{mode} it wants, its C{owners} (C{job}, C{mode}, C{summary},
        and C{since}: when it got the lock), and the jobs C{ahead} of it there. C{free} says that this lock is not
        what keeps it.

    @param places: How many jobs may run.
    @raise JobLost: There is no such job.
    """
    view = queue.job(id)
    if view is None:
        raise JobLost(f"there is no job {id}, or it is archived")
    job = view.job
    others = [each.job for each in queue.recent() if each.job.status not in FINAL]
    queued = job.status == "queued" and job.start_timestamp is None
    return {
        "job": id,
        "status": job.status,
        "summary": _summary(job),
        "since": _since(job),
        "depends": _unmet(job, queue) if queued else [],
        "held": queue.held(id) if queued else None,
        "places": {"run": sum(each.start_timestamp is not None for each in others), "limit": places},
        "ahead": _ahead(job, others) if queued else [],
        "locks": [_lock(id, each, queue) for each in locks if _wanted(id, each) is not None],
    }


def _summary(job: Job) -> str:
    return ", ".join(summary(each.input) for each in job.ops)


def _since(job: Job) -> list[int]:
    """
    When it came into the state that it is in.
    """
    times = [job.received_timestamp, job.start_timestamp, job.end_timestamp]
    for op in job.ops:
        times += _times(op)
    return list(max(each for each in times if each is not None))


def _times(op: QueuedOp) -> list[Timestamp | None]:
    return [op.start_timestamp, op.exec_timestamp, op.end_timestamp]


def _unmet(job: Job, queue: Queue) -> list[dict[str, Any]]:
    found = []
    for op in job.ops:
        for need in dependencies(op.input.get("depends"), job.id):
            other = queue.job(need.job)
            if other is not None and other.job.status not in FINAL:
                found.append({"job": need.job, "status": other.job.status, "summary": _summary(other.job)})
    return found


def _ahead(job: Job, others: Sequence[Job]) -> list[int]:
    turn = (job.priority, job.id)
    waiting = (each for each in others if each.start_timestamp is None)
    return [each.id for each in sorted(waiting, key=_turn) if _turn(each) < turn]


def _turn(job: Job) -> tuple[int, int]:
    return job.priority, job.id


def _wanted(id: int, row: LockRow) -> LockMode | None:
    return next((mode for mode, job in row.pending if job == id), None)


def _lock(id: int, row: LockRow, queue: Queue) -> dict[str, Any]:
    wanted = _wanted(id, row)
    assert wanted is not None, "asked only about locks that it waits for"
    before = []
    for mode, job in row.pending:
        if job == id:
            break
        if LockMode.EXCLUSIVE in (mode, wanted):
            before.append(job)
    blocked = row.mode is not None and LockMode.EXCLUSIVE in (row.mode, wanted)
    times = dict(zip(row.owners, row.since, strict=False))
    owners = [_owner(each, row, times.get(each), queue) for each in row.owners if each != id]
    return {
        "name": row.name,
        "mode": wanted.value,
        "owners": owners,
        "ahead": before,
        "free": not (blocked and owners) and not before,
    }


def _owner(id: int, row: LockRow, since: Timestamp | None, queue: Queue) -> dict[str, Any]:
    view = queue.job(id)
    mode = None if row.mode is None else row.mode.value
    summary = "" if view is None else _summary(view.job)
    return {"job": id, "mode": mode, "summary": summary, "since": None if since is None else list(since)}
