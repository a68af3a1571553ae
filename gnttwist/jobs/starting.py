"""
Which jobs wait and which run: what L{gnttwist.jobs.schedule} decides, carried out.
"""

from bisect import bisect_right, insort
from collections.abc import Callable

from attrs import define, field, frozen

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gnttwist.jobs.engine import JobRun
from gnttwist.jobs.filtering import Round
from gnttwist.jobs.gate import Gate
from gnttwist.jobs.live import LiveJob
from gnttwist.jobs.parking import Parking
from gnttwist.jobs.schedule import Doom, Hold, QueuedJob, Ready, Refuse, dependencies, plan, turn
from gnttwist.model.job import Status

PLANNED_AT_ONCE = 200
"""
How many queued jobs one call of the schedule considers; usually the first of them fill the free places.
"""


SLICE = 0.005
"""
Seconds of one turn of the reactor that a look at the queue may take; the next turns go on.
"""


@frozen
class _Admission:
    """
    Asks filters about jobs by number.
    """

    _round: Round
    _find: Callable[[int], LiveJob]

    @property
    def refuses_any(self) -> bool:
        return self._round.refuses_any

    def judge(self, job: int) -> Ready | Hold | Refuse:
        return self._round.judge(self._find(job).job)

    def count(self, job: int) -> None:
        self._round.count(self._find(job).job)


@define(eq=False)
class Starter:
    """
    The jobs that have not ended.

    @ivar _places: How many jobs may run at once, now.
    @ivar _find: A job by its number.
    @ivar _start: Makes a queued job run.
    @ivar _doom: Ends a queued job that can never run.
    @ivar _gate: The job filters.
    @ivar _status_of: The state of a job, also of one that has ended; C{None} for one that there is not.
    @ivar _at_once: How many jobs one call of the schedule considers.
    @ivar _slice: Seconds of one turn of the reactor that a look may take.
    @ivar _after: The place in the queue up to which an unfinished look has come.
    @ivar _again: Whether something has happened during a look that asks for another one.
    @ivar _parking: Queued jobs that a filter holds; C{_queued} are the others.
    @ivar _version: The version of the filters that hold them.
    @ivar runs: The jobs that run, by number.
    """

    _clock: IReactorTime
    _places: Callable[[], int]
    _find: Callable[[int], LiveJob | None]
    _start: Callable[[LiveJob], JobRun]
    _doom: Callable[[LiveJob, Doom], None]
    _gate: Gate
    _status_of: Callable[[int], Status | None]
    _at_once: int = PLANNED_AT_ONCE
    _slice: float = SLICE
    runs: dict[int, JobRun] = field(factory=dict, init=False)
    _queued: list[QueuedJob] = field(factory=list, init=False)
    _parking: Parking = field(factory=Parking, init=False)
    _version: int = field(default=0, init=False)
    _planning: IDelayedCall | None = field(default=None, init=False)
    _looking: bool = field(default=False, init=False)
    _after: tuple[int, int] | None = field(default=None, init=False)
    _again: bool = field(default=False, init=False)
    _stopped: bool = field(default=False, init=False)

    def __len__(self) -> int:
        return len(self._queued) + len(self._parking) + len(self.runs)

    def add(self, live: LiveJob) -> None:
        """
        Take a job that has not started.
        """
        needs = tuple(need for op in live.job.ops for need in dependencies(op.input.get("depends"), live.id))
        insort(self._queued, QueuedJob(live.id, live.job.priority, needs), key=turn)
        self.look_soon()

    def remove(self, live: LiveJob) -> None:
        """
        Do not start a job.
        """
        self._queued = [each for each in self._queued if each.id != live.id]
        self._parking.remove(live.id)
        self._gate.forget(live.id)
        # Others may depend on what becomes of it.
        self.look_soon()

    def ended(self, run: JobRun) -> None:
        """
        A job that ran has ended.
        """
        del self.runs[run.live.id]
        self._gate.forget(run.live.id)
        self.look_soon()

    def look_soon(self) -> None:
        """
        See what can be started, once for all that happens in this turn of the reactor.
        """
        if self._after is not None or self._looking:
            self._again = True
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self._planning is None and not self._stopped:
            self._planning = self._clock.callLater(0, self._look)

    def held(self, live: LiveJob) -> str | None:
        """
        How a job filter, or a limit in its reason, keeps a queued job from starting; C{None} if none does.
        """
        verdict = self._round().judge(live.job)
        return verdict.why if isinstance(verdict, Hold) else None

    def stop(self) -> None:
        """
        Start nothing more.
        """
        self._stopped = True
        if self._planning is not None:
            self._planning.cancel()

    def _look(self) -> None:
        self._planning = None
        self._looking = True
        try:
            whole = self._look_on()
        finally:
            self._looking = False
        if whole and self._again:
            self._again = whole = False
        if not whole:
            self._go_on()

    def _look_on(self) -> bool:
        places = self._places()
        current = self._round()
        if self._version != self._gate.version:
            self._version = self._gate.version
            self._requeue(self._parking.take_all())
            self._after = None
        admission = _Admission(current, self._known)
        if self._after is None and len(self.runs) < places:
            self._unpark(current)
        whole = self._scan(places, admission)
        # What was let go may wait for a job that the same filter holds: more are let go while there is room.
        while whole and len(self.runs) < places and self._unpark(current):
            whole = self._scan(places, admission)
        return whole

    def _scan(self, places: int, admission: _Admission) -> bool:
        """
        Start what can be started of the jobs that nothing is known to hold, beginning after C{_after}.

        @return: Whether all were looked at; if not, the next turn of the reactor goes on from C{_after}.
        """
        end = self._clock.seconds() + self._slice
        looked = 0 if self._after is None else bisect_right(self._queued, self._after, key=turn)
        self._after = None
        # With all places taken, only those that a filter ends are of interest.
        while looked < len(self._queued) and (len(self.runs) < places or admission.refuses_any):
            part = self._queued[looked : looked + self._at_once]
            self._plan(looked, part, places, admission)
            # Whatever was started or ended may have changed the queue.
            looked = bisect_right(self._queued, turn(part[-1]), key=turn)
            if looked < len(self._queued) and self._clock.seconds() >= end:
                self._after = turn(part[-1])
                return False
        return True

    def _plan(self, place: int, part: list[QueuedJob], places: int, admission: _Admission) -> None:
        decided = plan(part, self.runs, places, self._status_of, admission)
        held = dict(decided.held)
        gone = {*decided.start, *(id for id, _ in decided.doomed), *held}
        self._queued[place : place + len(part)] = [each for each in part if each.id not in gone]
        for each in part:
            if each.id in held:
                self._parking.park(each, held[each.id])
        for id, why in decided.doomed:
            self._gate.forget(id)
            self._doom(self._known(id), why)
            # Others may depend on it.
            self.look_soon()
        started = {id: self._start(self._known(id)) for id in decided.start}
        self.runs.update(started)
        for run in started.values():
            run.start()

    def _unpark(self, current: Round) -> bool:
        """
        Let those held jobs go for which there is room now.

        @return: Whether there are any.
        """
        free = [
            job
            for key in self._parking.full()
            if (room := current.room(key)) > 0
            for job in self._parking.take(key, room)
        ]
        self._requeue(free)
        return bool(free)

    def _requeue(self, jobs: list[QueuedJob]) -> None:
        if jobs:
            self._queued = sorted([*self._queued, *jobs], key=turn)

    def _round(self) -> Round:
        return self._gate.round(each.live.job for each in self.runs.values())

    def _known(self, id: int) -> LiveJob:
        live = self._find(id)
        assert live is not None, f"job {id} was queued and is not there"
        return live
