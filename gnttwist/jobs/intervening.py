"""
What is done to jobs from outside: users cancel them and change their priority, and the schedule ends those that can
never run.
"""

from collections.abc import Callable
from typing import Any

from attrs import define

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from gnttwist.errors import OpExecError, OpPrereqError, to_wire
from gnttwist.jobs.engine import PRECEDING, ended_from
from gnttwist.jobs.granting import Locks
from gnttwist.jobs.live import LiveJob, with_op
from gnttwist.jobs.roster import Roster
from gnttwist.jobs.schedule import Cancel, Doom, Fail, Refuse
from gnttwist.jobs.starting import Starter
from gnttwist.jobs.vault import HeldSecrets
from gnttwist.model.job import FINAL, Job, Timestamp

PRIORITIES = range(-20, 20)
"""
What a priority can be changed to.
"""


@define(eq=False)
class Unstarted:
    """
    Ends jobs that have not begun.
    """

    _log = Logger()
    _secrets: HeldSecrets
    _time: Callable[[], Timestamp]

    async def cancel(self, live: LiveJob) -> None:
        """
        End one because a user wants it; durable when this returns.
        """
        await self._end(live, ended_from(live.job, 0, "canceled", None, self._time()))

    def doom(self, live: LiveJob, why: Doom) -> None:
        """
        End one that can never run.
        """
        now = self._time()
        match why:
            case Cancel(job):
                text = f"Job {job}, which this one depends on, was canceled"
                job_now = ended_from(live.job, 0, "canceled", text, now)
            case Refuse(rule):
                text = f"Job rejected by filter rule {rule}"
                job_now = ended_from(live.job, 0, "canceled", text, now)
            case Fail(message):
                failed = ended_from(live.job, 0, "error", PRECEDING, now)
                job_now = with_op(failed, 0, result=to_wire(OpExecError(message)))
        Deferred.fromCoroutine(self._end(live, job_now)).addErrback(self._not_doomed, live)

    def _not_doomed(self, failure: Any, live: LiveJob) -> None:
        self._log.failure("ending job {job}", failure, job=live.id)

    async def _end(self, live: LiveJob, job: Job) -> None:
        self._secrets.forget(live.id)
        await live.commit(job=job)


@define(eq=False)
class Interventions:
    """
    What users ask for.
    """

    _roster: Roster
    _starter: Starter
    _unstarted: Unstarted
    _locks: Locks

    async def cancel(self, id: int, kill: bool = False) -> tuple[bool, str]:
        """
        Cancel a job that has not begun to do anything, or with C{kill} stop any job at its next step and undo
        what it did; the request is durable when this returns.

        @return: Whether the job ends or will end by this, and a sentence.
        @raise JobLost: There is no such job.
        """
        live = self._roster.unended(id)
        if live is None:
            return False, f"Job {id} has already ended"
        run = self._starter.runs.get(id)
        if run is None:
            self._starter.remove(live)
            await self._unstarted.cancel(live)
            return True, f"Dequeued job {id}"
        if live.job.cancel:
            return True, f"Job {id} is being cancelled already"
        if live.job.status == "waiting":
            await run.cancel()
            return True, "Job successfully cancelled"
        if not kill:
            return False, f"Job {id} is no longer waiting; it can only be killed"
        await run.cancel()
        return True, f"Job {id} stops at its next step and undoes what it did"

    async def change_priority(self, id: int, priority: int) -> tuple[bool, str]:
        """
        Make those opcodes of a job that have not ended more or less urgent; durable when this returns.

        @raise JobLost: There is no such job.
        @raise OpPrereqError: There is no such priority.
        """
        if priority not in PRIORITIES:
            raise OpPrereqError(
                f"Priority {priority} is not between {PRIORITIES[0]} and {PRIORITIES[-1]}", "wrong_input"
            )
        live = self._roster.unended(id)
        if live is None:
            return False, f"Job {id} has already ended"
        job = live.job
        for index, op in enumerate(job.ops):
            if op.status not in FINAL:
                job = with_op(job, index, priority=priority)
        queued = id not in self._starter.runs
        durable = live.commit(job=job)
        if queued:
            self._starter.remove(live)
            self._starter.add(live)
        else:
            self._locks.reprioritize(id, priority)
        await durable
        return True, f"Priorities of pending opcodes for job {id} have been changed to {priority}"
