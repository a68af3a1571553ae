"""
Tests for L{gnttwist.jobs.starting} with filters: nothing that may start is forgotten.
"""

from typing import Any, cast

import msgspec
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.jobs.gate import Gate
from gnttwist.jobs.live import LiveJob
from gnttwist.jobs.schedule import READY, Refuse
from gnttwist.jobs.starting import PLANNED_AT_ONCE, SLICE, Starter
from gnttwist.model.objects import JobFilter
from tests.jobs.test_filtering import job, rule

PLACES = 3
ACTIONS: tuple[Any, ...] = ("ACCEPT", "PAUSE", "REJECT", ["RATE_LIMIT", 1], ["RATE_LIMIT", 2])


@define
class FakeJob:
    """
    What the starter looks at of a job.
    """

    job: Any

    @property
    def id(self) -> int:
        """
        Its number.
        """
        return int(self.job.id)


@define
class FakeRun:
    """
    A job that runs until it is ended.
    """

    live: FakeJob

    def start(self) -> None:
        """
        Nothing more.
        """


@define
class Cluster:
    """
    A starter and all that it decides.
    """

    filters: dict[str, JobFilter] = field(factory=dict)
    jobs: dict[int, FakeJob] = field(factory=dict)
    refused: set[int] = field(factory=set)
    clock: Clock = field(factory=Clock)
    at_once: int = PLANNED_AT_ONCE
    slice: float = SLICE
    gate: Gate = field(init=False)
    starter: Starter = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.gate = Gate(lambda: self.filters)
        self.starter = Starter(
            self.clock,
            lambda: PLACES,
            lambda id: cast(LiveJob, self.jobs[id]),
            lambda live: cast(Any, self._start(cast(FakeJob, live))),
            lambda live, why: self._doom(live.id, why),
            self.gate,
            lambda id: self.jobs[id].job.status if id in self.jobs else None,
            self.at_once,
            self.slice,
        )

    def _start(self, live: FakeJob) -> FakeRun:
        self._set(live.id, "running")
        return FakeRun(live)

    def _doom(self, id: int, why: object) -> None:
        self._set(id, "canceled")
        if isinstance(why, Refuse):
            self.refused.add(id)

    def _set(self, id: int, status: Any) -> None:
        live = self.jobs[id]
        live.job = evolve_op(live.job, status)

    def add(self, kind: str, reason: str, depends: bool) -> None:
        """
        Submit a job, perhaps one that depends on the one before it.
        """
        id = len(self.jobs) + 1
        needs = [[id - 1, []]] if depends and id > 1 else None
        made = job(id, kind, reason, depends=needs)
        self.jobs[id] = FakeJob(made)
        self.starter.add(cast(LiveJob, self.jobs[id]))

    def end(self, index: int) -> None:
        """
        Let one of the running jobs end.
        """
        running = sorted(self.starter.runs)
        if running:
            id = running[index % len(running)]
            self._set(id, "success")
            self.starter.ended(self.starter.runs[id])

    def settle(self) -> None:
        """
        Let the starter look as often as it wants to.
        """
        for _ in range(1000):
            if not self.clock.getDelayedCalls():
                return
            self.clock.advance(0)
        raise AssertionError("it never stops looking")

    def ready(self) -> list[int]:
        """
        The queued jobs that could start now, by filters and dependencies.
        """
        look = self.gate.round(each.live.job for each in self.starter.runs.values())
        return [id for id, each in self.jobs.items() if self._is_free(each) and look.judge(each.job) == READY]

    def _is_free(self, each: FakeJob) -> bool:
        needs = each.job.ops[0].input["depends"] or ()
        met = all(self.jobs[id].job.status in ("success", "canceled") for id, _ in needs)
        return each.job.status == "queued" and met


def evolve_op(value: Any, status: Any) -> Any:
    """
    A job whose only opcode is in another state.
    """

    op = msgspec.structs.replace(value.ops[0], status=status)
    return msgspec.structs.replace(value, ops=[op])


EVENTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"),
            st.tuples(
                st.sampled_from(("A", "B")),
                st.sampled_from(("x", "rate-limit:1:x", "rate-limit:2:y")),
                st.booleans(),
            ),
        ),
        st.tuples(st.just("end"), st.tuples(st.integers(0, 5))),
        st.tuples(
            st.just("filter"),
            st.lists(st.tuples(st.sampled_from(("A", "B")), st.sampled_from(ACTIONS)), max_size=2),
        ),
    ),
    max_size=40,
)


class StarterTests(SynchronousTestCase):
    """
    Tests for L{Starter}.
    """

    def check(self, cluster: Cluster) -> None:
        """
        When it has looked, all that may run runs.
        """
        cluster.settle()
        self.assertLessEqual(len(cluster.starter.runs), PLACES)
        if len(cluster.starter.runs) < PLACES:
            self.assertEqual(cluster.ready(), [])
        queued = sum(each.job.status == "queued" for each in cluster.jobs.values())
        self.assertEqual(len(cluster.starter), queued + len(cluster.starter.runs))

    @given(EVENTS, st.booleans(), st.integers(0, 3))
    def test_nothing_forgotten(self, events: list[tuple[str, Any]], sliced: bool, turns: int) -> None:
        """
        Whatever is submitted, ends, or is filtered: with a free place, no job waits that could start; no limit is
        exceeded by what starts; and refused jobs do not stay queued. So it is, too, if a look takes many turns of
        the reactor, and things happen between them.
        """
        cluster = Cluster(at_once=1, slice=0.0) if sliced else Cluster()
        for what, arguments in events:
            match what:
                case "add":
                    cluster.add(*arguments)
                case "end":
                    cluster.end(*arguments)
                case _:
                    cluster.filters = {
                        str(index): rule(["opcode", ["==", "OP_ID", kind]], action=action, uuid=str(index))
                        for index, (kind, action) in enumerate(arguments)
                    }
                    cluster.starter.look_soon()
            for _ in range(turns):
                cluster.clock.advance(0)
            if not turns:
                self.check(cluster)
        self.check(cluster)
        self.assertTrue(all(cluster.jobs[id].job.status == "canceled" for id in cluster.refused))
