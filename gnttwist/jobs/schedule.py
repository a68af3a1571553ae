"""
Which queued jobs to start, and what a job's dependencies mean for it. Pure: snapshots in, decisions out.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from attrs import frozen

from gnttwist.errors import OpPrereqError
from gnttwist.model.job import FINAL, Status


@frozen
class Dependency:
    """
    A job that another waits for.

    @ivar statuses: The final states that will do; empty for any.
    """

    job: int
    statuses: frozenset[str] = frozenset()


@frozen
class Ready:
    """
    Nothing is in the way.
    """


@frozen
class Wait:
    """
    Jobs that have to end first.
    """

    jobs: frozenset[int]


@frozen
class Cancel:
    """
    A job that this one needs was cancelled, so this one is cancelled too.
    """

    job: int


@frozen
class Fail:
    """
    The dependency can never be met.

    @ivar message: For the opcode's result.
    """

    message: str


@frozen
class Hold:
    """
    A job filter, or a limit in the job's reason, keeps it from starting now.

    @ivar why: A sentence.
    @ivar key: What holds it: the same for all jobs that wait for the same.
    """

    why: str
    key: str


@frozen
class Refuse:
    """
    A job filter does not let it run at all.

    @ivar rule: The filter's UUID.
    """

    rule: str


Verdict = Ready | Wait | Cancel | Fail
READY = Ready()

StatusOf = Callable[[int], Status | None]
"""
A job's state, also of an archived one; C{None} where there is no such job.
"""


def dependencies(members: Sequence[Sequence[object]] | None, job: int) -> tuple[Dependency, ...]:
    """
    An opcode's C{depends} for the job that it is in: relative numbers made absolute.

    @raise OpPrereqError: A relative number points before the first job.
    """
    found = []
    for each in members or ():
        match each:
            case [int(other), [*statuses]]:
                absolute = job + other if other < 0 else other
                if absolute < 1:
                    raise OpPrereqError(f"depends: there is no job {-other} before this one", "wrong_input")
                found.append(Dependency(absolute, frozenset(str(status) for status in statuses)))
            case _:
                raise OpPrereqError(f"depends: {each!r:.60} is not [job, [states]]", "wrong_input")
    return tuple(found)


def judge(job: int, needs: Iterable[Dependency], status_of: StatusOf) -> Verdict:
    """
    What its dependencies mean for a job now (reference: jobs, section 3.5).

    A job can depend on earlier ones only, so dependencies have no cycles.
    """
    unfinished = set()
    for each in needs:
        if each.job >= job:
            return Fail(
                f"Dependency error: job {job} cannot depend on job {each.job}, which is not an earlier one"
            )
        status = status_of(each.job)
        if status is None:
            return Fail(f"Dependency error: there is no job {each.job}")
        if status not in FINAL:
            unfinished.add(each.job)
        elif not each.statuses or status in each.statuses:
            continue
        elif status == "canceled":
            return Cancel(each.job)
        else:
            wanted = ", ".join(sorted(each.statuses))
            return Fail(
                f"Dependency job {each.job} finished with status '{status}', not one of '{wanted}' as required"
            )
    return Wait(frozenset(unfinished)) if unfinished else READY


@frozen
class QueuedJob:
    """
    What scheduling needs of a job that is not running: it has not started, or waits between two opcodes.

    @ivar needs: The dependencies of its opcodes that have not ended.
    """

    id: int
    priority: int = 0
    needs: tuple[Dependency, ...] = ()


def turn(job: QueuedJob) -> tuple[int, int]:
    """
    A queued job's place: by priority, then age.
    """
    return job.priority, job.id


Doom = Cancel | Fail | Refuse
"""
Why a job ends without being started.
"""


class Admission(Protocol):
    """
    Filters, as one plan asks them.
    """

    @property
    def refuses_any(self) -> bool:
        """
        Whether there are jobs that may not run at all.
        """

    def judge(self, job: int) -> Ready | Hold | Refuse:
        """
        Whether a queued job may start.
        """

    def count(self, job: int) -> None:
        """
        The job is going to run: it counts against limits from now on.
        """


class Everybody:
    """
    The L{Admission} without filters.
    """

    refuses_any = False

    def judge(self, job: int) -> Ready:
        """
        Yes.
        """
        return READY

    def count(self, job: int) -> None:
        """
        Nobody counts.
        """


EVERYBODY = Everybody()


@frozen
class Plan:
    """
    What to do now.

    @ivar start: Jobs to start, in this order.
    @ivar doomed: Jobs to end without starting them, and why.
    @ivar held: Jobs that filters hold, and the key of what holds each.
    """

    start: tuple[int, ...] = ()
    doomed: tuple[tuple[int, Doom], ...] = ()
    held: tuple[tuple[int, str], ...] = ()


def plan(
    queued: Iterable[QueuedJob],
    running: Collection[int],
    max_running: int,
    status_of: StatusOf,
    admission: Admission = EVERYBODY,
) -> Plan:
    """
    Choose by priority, then age, as many jobs as may run.

    Jobs whose dependencies have not ended, and those that a filter holds, take no place; those that a filter refuses
    end, whatever they depend on. A job that becomes ready when a doomed one ends is found by
    the next plan.

    @param running: The jobs that have a place now.
    @param max_running: How many may; the cluster's parameter. If it was lowered, running jobs go on.
    @param admission: The job filters.
    """
    start: list[int] = []
    doomed: list[tuple[int, Doom]] = []
    held: list[tuple[int, str]] = []
    places = max_running - len(running)
    for job in sorted(queued, key=turn):
        if job.id in running:
            continue
        room = len(start) < places
        # Most queued jobs find no room, and asking costs more than everything else here.
        admitted = admission.judge(job.id) if room or admission.refuses_any else READY
        if isinstance(admitted, Refuse):
            doomed.append((job.id, admitted))
            continue
        match judge(job.id, job.needs, status_of):
            case Cancel() | Fail() as verdict:
                doomed.append((job.id, verdict))
            case _ if isinstance(admitted, Hold):
                held.append((job.id, admitted.key))
            case Ready() if room:
                admission.count(job.id)
                start.append(job.id)
    return Plan(tuple(start), tuple(doomed), tuple(held))
