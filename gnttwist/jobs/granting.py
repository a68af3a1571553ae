"""
Waiting for locks: what L{gnttwist.jobs.locks} decides, told to those whom it concerns.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import define, evolve, field

from gnttwist.jobs.context import LockMode
from gnttwist.jobs.locks import Grant, LockRow, LockTable
from gnttwist.model.job import Timestamp

OnGrant = Callable[[Mapping[str, LockMode]], None]


@define(eq=False)
class LockWaits:
    """
    What waiting for locks has cost so far.

    @ivar count: How often jobs asked for locks and waited, if only for no time.
    @ivar given_up: How often one waited no more, and has not got them.
    """

    count: int = 0
    given_up: int = 0
    seconds: float = 0.0

    def add(self, began: Timestamp, now: Timestamp, *, granted: bool) -> None:
        """
        A wait has ended. A clock that was put back counts as no time.
        """
        self.count += 1
        self.given_up += not granted
        self.seconds += max(0.0, now[0] - began[0] + (now[1] - began[1]) / 1e6)


@define(eq=False)
class Locks:
    """
    The cluster's locks, held by jobs.

    A grant is told within the call that makes it possible, so what a job submits to the store when it is granted a
    lock comes after what the former owner submitted before it gave the lock back.

    @ivar waits: How long jobs waited.
    @ivar _asked: When each waiting job asked.
    @ivar _since: When each job got each lock that it holds.
    """

    _now: Callable[[], Timestamp]
    _table: LockTable = field(factory=LockTable)
    _waiting: dict[int, OnGrant] = field(factory=dict)
    _asked: dict[int, Timestamp] = field(factory=dict)
    _since: dict[tuple[int, str], Timestamp | None] = field(factory=dict)
    waits: LockWaits = field(factory=LockWaits, init=False)

    def acquire(self, job: int, locks: Mapping[str, LockMode], priority: int, on_grant: OnGrant) -> None:
        """
        Ask for locks; C{on_grant} is called with them now or later.

        @raise LockError: Asked for out of order.
        """
        grants = self._table.request(job, locks, priority)
        self._waiting[job] = on_grant
        self._asked[job] = self._now()
        self._tell(grants)

    def take_free(self, job: int, locks: Mapping[str, LockMode], priority: int) -> Mapping[str, LockMode]:
        """
        Take those locks that are free, and do not wait.

        @raise LockError: Asked for out of order.
        """
        taken = self._table.take_free(job, locks, priority)
        self._note(taken)
        return taken.locks

    def release(self, job: int, names: Iterable[str] | None = None) -> None:
        """
        Give locks back; all of them if C{names} is C{None}.

        @raise LockError: The job does not hold one of them.
        """
        before = self._table.held(job)
        grants = self._table.release(job, names)
        for name in before.keys() - self._table.held(job).keys():
            del self._since[job, name]
        self._tell(grants)

    def downgrade(self, job: int, names: Iterable[str]) -> None:
        """
        Turn exclusive locks into shared ones.

        @raise LockError: The job does not hold one of them.
        """
        self._tell(self._table.downgrade(job, names))

    def give_up(self, job: int) -> None:
        """
        Wait no more.
        """
        self._waiting.pop(job, None)
        self._waited(job, granted=False)
        self._tell(self._table.cancel(job))

    def reprioritize(self, job: int, priority: int) -> None:
        """
        Make a waiting job more or less urgent.
        """
        self._tell(self._table.reprioritize(job, priority))

    def restore(self, job: int, held: Mapping[str, LockMode], since: Timestamp | None) -> None:
        """
        Put back what a job held before a restart; for all jobs before anything else.

        @param since: When it got them, as nearly as that is known.
        """
        self._table.restore(job, held)
        self._since.update({(job, name): since for name in held})

    def held(self, job: int) -> dict[str, LockMode]:
        """
        What a job holds.
        """
        return self._table.held(job)

    def waits_for(self, job: int) -> frozenset[int]:
        """
        The jobs that keep this one waiting.
        """
        return self._table.waits_for(job)

    def view(self) -> list[LockRow]:
        """
        All locks that are held or waited for, in order.
        """
        return [
            evolve(row, since=tuple(self._since[job, row.name] for job in row.owners))
            for row in self._table.view()
        ]

    def _note(self, grant: Grant) -> None:
        now = self._now()
        self._since.update({(grant.owner, name): now for name in grant.locks})

    def _waited(self, job: int, *, granted: bool) -> None:
        began = self._asked.pop(job, None)
        if began is not None:
            self.waits.add(began, self._now(), granted=granted)

    def _tell(self, grants: Sequence[Grant]) -> None:
        # All are noted before the first is told, who may give some back at once.
        for each in grants:
            self._note(each)
            self._waited(each.owner, granted=True)
        for each in grants:
            self._waiting.pop(each.owner)(each.locks)
