"""
Who may touch what: shared and exclusive locks on the cluster's objects. Pure; L{gnttwist.jobs} makes grants
awaitable.

An owner asks for several locks at once and gets all of them or waits. Requests are served in the order of priority,
then owner: job numbers grow, so that is the order of age, also after a restart. A waiting request keeps later ones
off its locks, in lock order, up to and including the first lock that it cannot have yet; what comes after that lock
stays available to others.

B{No deadlock.} Locks have one order, and a request names only locks after all that its owner holds. Say that W waits
at lock I{l}, its first unavailable one. Either an owner of I{l} is in the way; if that one waits too, then at a lock
after I{l}. Or an earlier request X has reserved I{l}; X then waits at I{l} or after it. So each step from a waiting
owner to the one in its way goes on in the order of locks, or stays at one lock and goes forward in the order of
requests: it cannot come back, and ends at an owner that does not wait.

B{No starvation.} The first request in order waits for owners only. Nobody can newly get a lock up to the one that it
waits at in a way that conflicts, so when those owners have released, it goes on to a later lock, of which it names
finitely many. Only more urgent requests and older jobs, and of those only finitely many exist, can come before it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from attrs import define, field, frozen

from gnttwist.errors import LockError
from gnttwist.jobs.context import LockMode
from gnttwist.model.job import Timestamp

LEVELS = ("cluster", "instance", "nodegroup", "node", "node-res", "network")
"""
The kinds of locks, in the order in which they must be taken; Ganeti's.
"""

BGL = "cluster/BGL"
"""
The lock that all operations share, and that those which change everything hold exclusively.
"""

_RANK = {level: rank for rank, level in enumerate(LEVELS)}


def order(name: str) -> tuple[int, str]:
    """
    A lock's place in the order of all locks: by level, then by name.

    @raise LockError: There are no locks of this name.
    """
    level, slash, rest = name.partition("/")
    if level not in _RANK or not slash or not rest:
        raise LockError(f"There is no lock {name!r}: names are {', '.join(f'{each}/...' for each in LEVELS)}")
    return _RANK[level], rest


@frozen
class Grant:
    """
    A request that has just been fulfilled.
    """

    owner: int
    locks: Mapping[str, LockMode]


@frozen
class LockRow:
    """
    One lock as queries show it.

    @ivar mode: How it is held, C{None} if it is only waited for.
    @ivar pending: Who waits for it and how, in the order in which they will be served.
    @ivar since: When each of C{owners} got it, where that is known.
    """

    name: str
    mode: LockMode | None
    owners: tuple[int, ...]
    pending: tuple[tuple[LockMode, int], ...]
    since: tuple[Timestamp | None, ...] = ()


@frozen
class _Request:
    """
    A request that waits, its locks in order.
    """

    owner: int
    priority: int
    locks: Mapping[str, LockMode]

    @property
    def turn(self) -> tuple[int, int]:
        return self.priority, self.owner


class _Users(dict[int, LockMode]):
    """
    Who has, or has reserved, one lock, and how.
    """

    def blockers(self, owner: int, mode: LockMode) -> frozenset[int]:
        """
        Who keeps C{owner} from having it so.
        """
        return frozenset(
            other for other, how in self.items() if other != owner and LockMode.EXCLUSIVE in (mode, how)
        )


@define
class LockTable:
    """
    All locks that are held or waited for.

    Each change goes through all waiting requests once. Only started jobs wait here, so there are no more of them than
    jobs may run.
    """

    _held: dict[int, dict[str, LockMode]] = field(factory=dict, init=False)
    _users: defaultdict[str, _Users] = field(factory=lambda: defaultdict(_Users), init=False)
    _waiting: dict[int, _Request] = field(factory=dict, init=False)

    def request(self, owner: int, locks: Mapping[str, LockMode], priority: int = 0) -> list[Grant]:
        """
        Ask for locks, all together.

        @param priority: Smaller is more urgent.
        @return: This request's grant, unless it has to wait.
        @raise LockError: A lock does not come after all that C{owner} holds, there is no lock of such a name, or
            C{owner} waits already. Nothing has changed.
        """
        wanted = self._checked(owner, locks)
        self._waiting[owner] = _Request(owner, priority, wanted)
        return self._serve()

    def take_free(self, owner: int, locks: Mapping[str, LockMode], priority: int = 0) -> Grant:
        """
        Take those locks that could be had without waiting, and none that an earlier request waits for.

        @return: What was taken; it can be nothing.
        @raise LockError: As in L{request}.
        """
        wanted = self._checked(owner, locks)
        request = _Request(owner, priority, wanted)
        reserved = self._reservations(before=request.turn)
        free = {
            name: mode for name, mode in wanted.items() if not self._in_the_way(request, name, mode, reserved)
        }
        self._give(owner, free)
        return Grant(owner, free)

    def release(self, owner: int, names: Iterable[str] | None = None) -> list[Grant]:
        """
        Give locks back.

        @param names: All that C{owner} holds if C{None}.
        @return: The requests that are fulfilled by this.
        @raise LockError: C{owner} does not hold one of them. Nothing has changed.
        """
        for name in self._named(owner, names):
            self._drop(owner, name)
        return self._serve()

    def downgrade(self, owner: int, names: Iterable[str] | None = None) -> list[Grant]:
        """
        Turn locks into shared ones; those that are stay so.

        @param names: All that C{owner} holds if C{None}.
        @return: The requests that are fulfilled by this.
        @raise LockError: C{owner} does not hold one of them. Nothing has changed.
        """
        for name in self._named(owner, names):
            self._give(owner, {name: LockMode.SHARED})
        return self._serve()

    def cancel(self, owner: int) -> list[Grant]:
        """
        Forget a waiting request; what C{owner} holds stays. Without a request, do nothing.

        @return: The requests that were only kept off by this one.
        """
        self._waiting.pop(owner, None)
        return self._serve()

    def reprioritize(self, owner: int, priority: int) -> list[Grant]:
        """
        Make a waiting request more or less urgent. Without a request, do nothing.

        @return: The requests that were only kept off by this one, or this one.
        """
        request = self._waiting.get(owner)
        if request is not None:
            self._waiting[owner] = _Request(owner, priority, request.locks)
        return self._serve()

    def restore(self, owner: int, held: Mapping[str, LockMode]) -> None:
        """
        Put back what an owner held before a restart. To be done for all owners before the first request.

        @raise LockError: It contradicts what another owner holds: the journals are damaged.
        """
        for name, mode in held.items():
            order(name)
            others = self._users.get(name, _Users()).blockers(owner, mode)
            if others:
                raise LockError(f"Jobs {owner} and {min(others)} cannot both have held {name}")
        self._give(owner, held)

    def held(self, owner: int) -> dict[str, LockMode]:
        """
        What C{owner} holds.
        """
        return dict(self._held.get(owner, {}))

    def pending(self, owner: int) -> dict[str, LockMode]:
        """
        What C{owner} waits for.
        """
        request = self._waiting.get(owner)
        return {} if request is None else dict(request.locks)

    def waits_for(self, owner: int) -> frozenset[int]:
        """
        The owners, and the waiting ones before it, that keep C{owner} waiting now.
        """
        request = self._waiting.get(owner)
        if request is None:
            return frozenset()
        reserved = self._reservations(before=request.turn)
        return next(
            filter(None, (self._in_the_way(request, *each, reserved) for each in request.locks.items())),
            frozenset(),
        )

    def view(self) -> list[LockRow]:
        """
        All locks that are held or waited for, in order.
        """
        pending: defaultdict[str, list[tuple[LockMode, int]]] = defaultdict(list)
        for request in self._in_turn():
            for name, mode in request.locks.items():
                pending[name].append((mode, request.owner))
        return [
            LockRow(
                name,
                next(iter(self._users[name].values())) if name in self._users else None,
                tuple(sorted(self._users.get(name, ()))),
                tuple(pending.get(name, ())),
            )
            for name in sorted({*self._users, *pending}, key=order)
        ]

    def _checked(self, owner: int, locks: Mapping[str, LockMode]) -> dict[str, LockMode]:
        """
        The locks in order.
        """
        if owner in self._waiting:
            raise LockError(f"Job {owner} asked for locks while it waits for others")
        wanted = {name: locks[name] for name in sorted(locks, key=order)}
        held = self._held.get(owner)
        if held and wanted:
            last, first = max(held, key=order), next(iter(wanted))
            if order(first) <= order(last):
                raise LockError(
                    f"Job {owner} asked for {first} while it holds {last}, which comes later in order"
                )
        return wanted

    def _named(self, owner: int, names: Iterable[str] | None) -> list[str]:
        held = self._held.get(owner, {})
        wanted = list(held if names is None else dict.fromkeys(names))
        for name in wanted:
            if name not in held:
                raise LockError(f"Job {owner} does not hold {name}")
        return wanted

    def _give(self, owner: int, locks: Mapping[str, LockMode]) -> None:
        for name, mode in locks.items():
            self._users[name][owner] = mode
            self._held.setdefault(owner, {})[name] = mode

    def _drop(self, owner: int, name: str) -> None:
        del self._users[name][owner]
        if not self._users[name]:
            del self._users[name]
        del self._held[owner][name]
        if not self._held[owner]:
            del self._held[owner]

    def _in_turn(self) -> list[_Request]:
        return sorted(self._waiting.values(), key=lambda each: each.turn)

    def _serve(self) -> list[Grant]:
        """
        Give every waiting request, in turn, its locks if it can have all of them.
        """
        grants = []
        reserved: defaultdict[str, _Users] = defaultdict(_Users)
        for request in self._in_turn():
            if self._reserve(request, reserved):
                del self._waiting[request.owner]
                self._give(request.owner, request.locks)
                grants.append(Grant(request.owner, request.locks))
        return grants

    def _reservations(self, before: tuple[int, int]) -> defaultdict[str, _Users]:
        reserved: defaultdict[str, _Users] = defaultdict(_Users)
        for request in self._in_turn():
            if request.turn < before:
                self._reserve(request, reserved)
        return reserved

    def _reserve(self, request: _Request, reserved: defaultdict[str, _Users]) -> bool:
        """
        Mark a request's locks up to the first that it cannot have.

        @return: Whether it can have all.
        """
        for name, mode in request.locks.items():
            blocked = self._in_the_way(request, name, mode, reserved)
            reserved[name][request.owner] = mode
            if blocked:
                return False
        return True

    def _in_the_way(
        self, request: _Request, name: str, mode: LockMode, reserved: Mapping[str, _Users]
    ) -> frozenset[int]:
        nobody = _Users()
        return self._users.get(name, nobody).blockers(request.owner, mode) | reserved.get(
            name, nobody
        ).blockers(request.owner, mode)
