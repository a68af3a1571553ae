"""
Tests for L{gnttwist.jobs.locks}.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import LockError
from gnttwist.jobs.context import LockMode
from gnttwist.jobs.locks import LEVELS, Grant, LockRow, LockTable, order

SHARED, EXCLUSIVE = LockMode.SHARED, LockMode.EXCLUSIVE
A, B, C = "instance/a", "node/b", "node/c"


class OrderTests(SynchronousTestCase):
    """
    Tests for L{order}.
    """

    def test_levels(self) -> None:
        """
        Levels come in Ganeti's order whatever their names, then names within a level.
        """
        names = [f"{level}/{name}" for level in LEVELS for name in ("a", "b")]
        alphabetic = sorted(names)
        self.assertNotEqual(alphabetic, names)
        self.assertEqual(sorted(alphabetic, key=order), names)

    def test_unknown(self) -> None:
        """
        What is not a lock's name is refused.
        """
        for name in ("node", "node/", "disk/a", ""):
            self.assertRaises(LockError, order, name)


class LockTableTests(SynchronousTestCase):
    """
    Tests for L{LockTable}.
    """

    def setUp(self) -> None:
        self.table = LockTable()

    def test_all_or_nothing(self) -> None:
        """
        A request that cannot have one of its locks holds none of them.
        """
        self.table.request(1, {B: EXCLUSIVE})
        self.assertEqual(self.table.request(2, {A: EXCLUSIVE, B: SHARED}), [])
        self.assertEqual(self.table.held(2), {})
        self.assertEqual(self.table.release(1), [Grant(2, {A: EXCLUSIVE, B: SHARED})])

    def test_sharing(self) -> None:
        """
        Sharers hold a lock together, and an exclusive owner waits for the last of them.
        """
        self.assertEqual(self.table.request(1, {A: SHARED}), [Grant(1, {A: SHARED})])
        self.assertEqual(self.table.request(2, {A: SHARED}), [Grant(2, {A: SHARED})])
        self.assertEqual(self.table.request(3, {A: EXCLUSIVE}), [])
        self.assertEqual(self.table.waits_for(3), {1, 2})
        self.assertEqual(self.table.release(1), [])
        self.assertEqual(self.table.release(2), [Grant(3, {A: EXCLUSIVE})])

    def test_waiting_exclusive_keeps_sharers_off(self) -> None:
        """
        A later sharer waits behind an exclusive request, unless it is more urgent.
        """
        self.table.request(1, {A: SHARED})
        self.table.request(2, {A: EXCLUSIVE})
        self.assertEqual(self.table.request(3, {A: SHARED}), [])
        self.assertEqual(self.table.waits_for(3), {2})
        self.assertEqual(self.table.request(4, {A: SHARED}, -10), [Grant(4, {A: SHARED})])

    def test_age(self) -> None:
        """
        Of two that wait, the older job is first, whenever it asked.
        """
        self.table.request(1, {A: EXCLUSIVE})
        self.table.request(3, {A: EXCLUSIVE})
        self.table.request(2, {A: EXCLUSIVE})
        self.assertEqual(self.table.release(1), [Grant(2, {A: EXCLUSIVE})])

    def test_reprioritize(self) -> None:
        """
        A request that becomes urgent is served before older ones.
        """
        self.table.request(1, {A: EXCLUSIVE})
        self.table.request(2, {A: EXCLUSIVE})
        self.table.request(3, {A: EXCLUSIVE})
        self.assertEqual(self.table.reprioritize(3, -10), [])
        self.assertEqual(self.table.release(1), [Grant(3, {A: EXCLUSIVE})])

    def test_no_deadlock_with_reservations(self) -> None:
        """
        An owner gets a later lock that an older request wants too, if that one waits for the owner itself.
        """
        self.table.request(2, {A: EXCLUSIVE})
        self.table.request(1, {A: EXCLUSIVE, B: EXCLUSIVE})
        self.assertEqual(self.table.request(2, {B: EXCLUSIVE}), [Grant(2, {B: EXCLUSIVE})])
        self.assertEqual(self.table.release(2), [Grant(1, {A: EXCLUSIVE, B: EXCLUSIVE})])

    def test_order(self) -> None:
        """
        Locks are taken in order only, and a refusal changes nothing.
        """
        self.table.request(1, {B: SHARED})
        for name in (A, B):
            self.assertRaises(LockError, self.table.request, 1, {name: SHARED, C: SHARED})
        self.assertEqual(self.table.held(1), {B: SHARED})
        self.assertEqual(self.table.pending(1), {})
        self.assertEqual(self.table.request(1, {C: SHARED}), [Grant(1, {C: SHARED})])

    def test_one_request_at_a_time(self) -> None:
        """
        An owner that waits cannot ask for more.
        """
        self.table.request(1, {A: EXCLUSIVE})
        self.table.request(2, {A: EXCLUSIVE})
        self.assertRaises(LockError, self.table.request, 2, {B: SHARED})

    def test_take_free(self) -> None:
        """
        What is held or waited for by an earlier request is not taken; the rest is.
        """
        self.table.request(1, {A: SHARED})
        self.table.request(2, {A: EXCLUSIVE, B: EXCLUSIVE})
        taken = self.table.take_free(5, {A: SHARED, B: SHARED, C: EXCLUSIVE})
        self.assertEqual(taken, Grant(5, {B: SHARED, C: EXCLUSIVE}))
        self.assertEqual(self.table.held(5), {B: SHARED, C: EXCLUSIVE})
        self.assertEqual(self.table.pending(5), {})

    def test_downgrade(self) -> None:
        """
        A downgraded lock lets waiting sharers in.
        """
        self.table.request(1, {A: EXCLUSIVE, B: EXCLUSIVE})
        self.table.request(2, {A: SHARED})
        self.assertEqual(self.table.downgrade(1, [A]), [Grant(2, {A: SHARED})])
        self.assertEqual(self.table.held(1), {A: SHARED, B: EXCLUSIVE})

    def test_not_held(self) -> None:
        """
        What is not held cannot be given back or downgraded, and nothing changes.
        """
        self.table.request(1, {A: EXCLUSIVE})
        self.assertRaises(LockError, self.table.release, 1, [A, B])
        self.assertRaises(LockError, self.table.downgrade, 1, [A, B])
        self.assertEqual(self.table.held(1), {A: EXCLUSIVE})

    def test_cancel(self) -> None:
        """
        A request that is cancelled lets those behind it go on.
        """
        self.table.request(1, {A: SHARED})
        self.table.request(2, {A: EXCLUSIVE})
        self.table.request(3, {A: SHARED})
        self.assertEqual(self.table.cancel(2), [Grant(3, {A: SHARED})])
        self.assertEqual(self.table.cancel(2), [])

    def test_restore(self) -> None:
        """
        After a restart, owners hold what they held, and contradictions are noticed.
        """
        self.table.restore(1, {A: EXCLUSIVE})
        self.table.restore(2, {B: SHARED})
        self.table.restore(3, {B: SHARED})
        self.assertEqual(self.table.request(4, {A: SHARED}), [])
        self.assertRaises(LockError, self.table.restore, 5, {B: EXCLUSIVE})
        self.assertEqual(self.table.held(5), {})

    def test_view(self) -> None:
        """
        Queries see each lock with its owners and those who wait, in order.
        """
        self.table.request(1, {B: SHARED})
        self.table.request(2, {B: SHARED})
        self.table.request(4, {A: SHARED, B: EXCLUSIVE})
        self.table.request(3, {B: EXCLUSIVE})
        self.assertEqual(
            self.table.view(),
            [
                LockRow(A, None, (), ((SHARED, 4),)),
                LockRow(B, SHARED, (1, 2), ((EXCLUSIVE, 3), (EXCLUSIVE, 4))),
            ],
        )


NAMES = ["cluster/BGL", "instance/a", "node/a", "node/b", "network/a"]
LOCKS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(LockMode), min_size=1, max_size=4)
OWNERS = st.integers(1, 5)


class Locking(RuleBasedStateMachine):
    """
    Any owners doing anything, next to a model that only knows who holds what.
    """

    def __init__(self) -> None:
        super().__init__()
        self.table = LockTable()
        self.held: dict[int, dict[str, LockMode]] = {}
        self.waiting: dict[int, dict[str, LockMode]] = {}
        self.priority: dict[int, int] = {}

    def take(self, grants: list[Grant]) -> None:
        """
        Note what was granted: exactly what was waited for.
        """
        for grant in grants:
            assert self.waiting.pop(grant.owner) == grant.locks
            self.held.setdefault(grant.owner, {}).update(grant.locks)

    def ordered(self, owner: int, locks: dict[str, LockMode]) -> bool:
        """
        Whether an owner may ask for these.
        """
        held = self.held.get(owner)
        return not held or min(map(order, locks)) > max(map(order, held))

    @rule(owner=OWNERS, locks=LOCKS, priority=st.sampled_from([-10, 0, 10]))
    def request(self, owner: int, locks: dict[str, LockMode], priority: int) -> None:
        """
        Ask, in order or out of order.
        """
        if owner in self.waiting or not self.ordered(owner, locks):
            try:
                self.table.request(owner, locks, priority)
            except LockError:
                return
            raise AssertionError("out of order")
        self.waiting[owner], self.priority[owner] = locks, priority
        self.take(self.table.request(owner, locks, priority))

    @rule(owner=OWNERS, locks=LOCKS)
    def take_free(self, owner: int, locks: dict[str, LockMode]) -> None:
        """
        Take what is free.
        """
        if owner not in self.waiting and self.ordered(owner, locks):
            taken = self.table.take_free(owner, locks).locks
            assert taken.items() <= locks.items()
            if taken:
                self.held.setdefault(owner, {}).update(taken)

    @rule(owner=OWNERS, data=st.data())
    def release(self, owner: int, data: st.DataObject) -> None:
        """
        Give some back.
        """
        if owner in self.held:
            names = data.draw(st.sets(st.sampled_from(sorted(self.held[owner])), min_size=1))
            for name in names:
                del self.held[owner][name]
            if not self.held[owner]:
                del self.held[owner]
            self.take(self.table.release(owner, names))

    @rule(owner=OWNERS)
    def downgrade(self, owner: int) -> None:
        """
        Share all.
        """
        if owner in self.held:
            self.held[owner] = dict.fromkeys(self.held[owner], SHARED)
            self.take(self.table.downgrade(owner))

    @rule(owner=OWNERS)
    def cancel(self, owner: int) -> None:
        """
        Do not wait any longer.
        """
        self.waiting.pop(owner, None)
        self.take(self.table.cancel(owner))

    @rule(owner=OWNERS, priority=st.sampled_from([-10, 0, 10]))
    def reprioritize(self, owner: int, priority: int) -> None:
        """
        Change one's mind.
        """
        self.priority[owner] = priority
        self.take(self.table.reprioritize(owner, priority))

    @precondition(lambda self: self.waiting)
    @rule()
    def everybody_ends(self) -> None:
        """
        When owners that do not wait end, one after the other, all that wait are served, the first in order
        without any later one going before it on the locks that it waits at.
        """
        first = min(self.waiting, key=lambda each: (self.priority[each], each))
        while self.waiting:
            done = [each for each in self.held if each not in self.waiting]
            assert done, "deadlock"
            del self.held[done[0]]
            blockers = self.table.waits_for(first)
            grants = self.table.release(done[0])
            self.take(grants)
            if first in self.waiting:
                assert self.table.waits_for(first)
                if done[0] not in blockers:
                    assert self.table.waits_for(first) == blockers, "overtaken"

    @invariant()
    def as_modelled(self) -> None:
        """
        The table knows what the model knows.
        """
        for owner in range(1, 6):
            assert self.table.held(owner) == self.held.get(owner, {})
            assert self.table.pending(owner) == self.waiting.get(owner, {})

    @invariant()
    def exclusive(self) -> None:
        """
        An exclusive lock has one owner.
        """
        for row in self.table.view():
            modes = [held[row.name] for held in self.held.values() if row.name in held]
            assert len(modes) == len(row.owners)
            assert EXCLUSIVE not in modes or len(modes) == 1

    @invariant()
    def nobody_forgotten(self) -> None:
        """
        Who waits, waits for somebody; and following that leads to an owner that does not wait.
        """
        for owner in self.waiting:
            seen = {owner}
            around = {owner}
            while around:
                blockers = {each for one in around for each in self.table.waits_for(one)}
                assert blockers, f"{around} wait for nobody"
                assert owner not in blockers, "deadlock"
                around = {each for each in blockers if each in self.waiting} - seen
                seen |= around


class LockingTests(SynchronousTestCase):
    """
    Run L{Locking}.
    """

    def test_model(self) -> None:
        """
        Whatever owners do, the table does what the model does, and its promises hold.
        """
        run_state_machine_as_test(Locking, settings=settings(max_examples=60, stateful_step_count=30))
