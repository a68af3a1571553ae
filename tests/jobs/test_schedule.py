"""
Tests for L{gnttwist.jobs.schedule}.
"""

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import OpPrereqError
from gnttwist.jobs.schedule import (
    READY,
    Cancel,
    Dependency,
    Fail,
    Plan,
    QueuedJob,
    Wait,
    dependencies,
    judge,
    plan,
)
from gnttwist.model.job import FINAL, Status

STATUSES: tuple[Status, ...] = ("queued", "waiting", "canceling", "running", "canceled", "success", "error")


def no_jobs(job: int) -> Status | None:
    """
    A queue without other jobs.
    """
    return None


class DependenciesTests(SynchronousTestCase):
    """
    Tests for L{dependencies}.
    """

    def test_relative(self) -> None:
        """
        A negative number counts back from the job itself, others are as they are.
        """
        self.assertEqual(
            dependencies([[-1, []], [3, ["success", "error"]]], 10),
            (Dependency(9), Dependency(3, frozenset({"success", "error"}))),
        )
        self.assertEqual(dependencies(None, 10), ())

    def test_before_the_first(self) -> None:
        """
        A relative number that leads before the first job is refused.
        """
        error = self.assertRaises(OpPrereqError, dependencies, [[-4, []]], 4)
        self.assertEqual(error.args, ("depends: there is no job 4 before this one", "wrong_input"))


class JudgeTests(SynchronousTestCase):
    """
    Tests for L{judge}.
    """

    def judged(self, status: Status | None, *wanted: str, on: int = 1, job: int = 5) -> object:
        """
        The verdict for one dependency whose job is in this state.
        """
        return judge(job, [Dependency(on, frozenset(wanted))], lambda each: status)

    def test_met(self) -> None:
        """
        A listed final state, or any where none is listed, lets the job go.
        """
        self.assertEqual(self.judged("success", "success"), READY)
        self.assertEqual(self.judged("error", "success", "error"), READY)
        for status in FINAL:
            self.assertEqual(judge(5, [Dependency(1)], {1: status}.get), READY)  # type: ignore[arg-type]  # str

    def test_unfinished(self) -> None:
        """
        A job that has not ended is waited for, whatever is listed.
        """
        for status in ("queued", "waiting", "canceling", "running"):
            self.assertEqual(self.judged(status, "success"), Wait(frozenset({1})))

    def test_canceled(self) -> None:
        """
        A cancelled job cancels those that need it to end otherwise.
        """
        self.assertEqual(self.judged("canceled", "success"), Cancel(1))

    def test_other_outcome(self) -> None:
        """
        Another final state fails the opcode in Ganeti's words.
        """
        self.assertEqual(
            self.judged("error", "success"),
            Fail("Dependency job 1 finished with status 'error', not one of 'success' as required"),
        )

    def test_impossible(self) -> None:
        """
        A job that does not exist, the job itself and later jobs cannot be depended on.
        """
        self.assertEqual(self.judged(None), Fail("Dependency error: there is no job 1"))
        for on in (5, 6):
            self.assertIsInstance(self.judged("queued", on=on), Fail)

    def test_all_count(self) -> None:
        """
        A failed dependency is told at once, although another is still waited for.
        """
        states: dict[int, Status] = {1: "running", 2: "error"}
        needs = [Dependency(1), Dependency(2, frozenset({"success"}))]
        self.assertIsInstance(judge(5, needs, states.get), Fail)


class PlanTests(SynchronousTestCase):
    """
    Tests for L{plan}.
    """

    def test_order(self) -> None:
        """
        More urgent jobs come first, then older ones, as far as there are places.
        """
        queued = [QueuedJob(4), QueuedJob(2), QueuedJob(9, priority=-10), QueuedJob(1, priority=10)]
        self.assertEqual(plan(queued, {7}, 4, no_jobs), Plan(start=(9, 2, 4)))

    def test_lowered_limit(self) -> None:
        """
        With more jobs running than may, none is started.
        """
        self.assertEqual(plan([QueuedJob(4)], {1, 2, 3}, 2, no_jobs), Plan())

    def test_waiting_takes_no_place(self) -> None:
        """
        A job that waits for another leaves its place to later ones; a doomed one ends even without a place.
        """
        states: dict[int, Status] = {1: "running", 2: "canceled"}
        queued = [
            QueuedJob(3, needs=(Dependency(1),)),
            QueuedJob(4, needs=(Dependency(2, frozenset({"success"})),)),
            QueuedJob(5),
            QueuedJob(99, needs=(Dependency(77),)),
        ]
        self.assertEqual(
            plan(queued, {1}, 2, states.get),
            Plan(start=(5,), doomed=((4, Cancel(2)), (99, Fail("Dependency error: there is no job 77")))),
        )

    @given(st.data())
    def test_every_job_ends(self, data: st.DataObject) -> None:
        """
        Whatever depends on whatever earlier job, every job is started or doomed once, and never too many run.
        """
        count = data.draw(st.integers(1, 12))
        limit = data.draw(st.integers(1, 3))
        jobs = {
            job: QueuedJob(
                job,
                priority=data.draw(st.sampled_from([-10, 0, 10])),
                needs=tuple(
                    Dependency(other, frozenset(data.draw(st.sets(st.sampled_from(sorted(FINAL))))))
                    for other in sorted(data.draw(st.sets(st.integers(1, max(1, job - 1)), max_size=3)))
                    if other < job
                ),
            )
            for job in range(1, count + 1)
        }
        status: dict[int, Status] = dict.fromkeys(jobs, "queued")
        running: set[int] = set()
        for _ in range(3 * count):
            made = plan([jobs[job] for job in jobs if status[job] == "queued"], running, limit, status.get)
            for job, verdict in made.doomed:
                self.assertEqual(status[job], "queued")
                status[job] = "canceled" if isinstance(verdict, Cancel) else "error"
            for job in made.start:
                self.assertEqual(status[job], "queued")
                for need in jobs[job].needs:
                    self.assertTrue(status[need.job] in (need.statuses or FINAL))
                status[job] = "running"
                running.add(job)
            self.assertLessEqual(len(running), limit)
            if running:
                ended = data.draw(st.sampled_from(sorted(running)))
                running.discard(ended)
                status[ended] = data.draw(st.sampled_from(["success", "error", "canceled"]))
        self.assertEqual([job for job in jobs if status[job] not in FINAL], [])
