"""
Tests for L{gnttwist.jobs.queue}: what users do to jobs, and what they see of them.
"""

from itertools import pairwise
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import (
    JobLost,
    JobQueueError,
    OpCodeUnknown,
    OperationError,
    OpPrereqError,
)
from gnttwist.jobs.accepting import BYTES_AT_ONCE, JOBS_AT_ONCE, LOST, SETTLE
from gnttwist.jobs.context import LockMode
from gnttwist.jobs.unanswered import PREFIX
from tests.jobs.sample import FUNCTIONS, sample
from tests.jobs.world import START, Master, World

NOTHING = {"OP_ID": "OP_NOTHING"}


def making(name: str, **parameters: Any) -> dict[str, Any]:
    """
    An opcode that makes an instance.
    """
    return {"OP_ID": "OP_MAKE", "name": name, **parameters}


class QueueCase(SynchronousTestCase):
    """
    A started queue.
    """

    def setUp(self) -> None:
        self.world = World(sample(), FUNCTIONS)
        self.master = Master(self.world).start()
        self.queue = self.master.queue

    def restart(self) -> None:
        """
        Kill the master, and start another one.
        """
        self.master.kill()
        self.master = Master(self.world).start()
        self.queue = self.master.queue

    def wait(self, coroutine: Any) -> Any:
        """
        What a request to the queue gives.
        """
        return self.master.wait(Deferred.fromCoroutine(coroutine))

    def statuses(self, job: int) -> list[str]:
        """
        Of each opcode.
        """
        return [op.status for op in self.master.view(job).job.ops]

    def results(self, job: int) -> list[Any]:
        """
        Of each opcode.
        """
        return [op.result for op in self.master.view(job).job.ops]


class SubmitTests(QueueCase):
    """
    Tests for accepting jobs.
    """

    def test_numbers(self) -> None:
        """
        Numbers count from 1 and go on after a restart.
        """
        self.assertEqual([self.master.submit(NOTHING), self.master.submit(NOTHING)], [1, 2])
        self.restart()
        self.assertEqual(self.master.submit(NOTHING), 3)

    def test_durable_when_answered(self) -> None:
        """
        A job is not answered, seen or run before it is durable.
        """
        answer = Deferred.fromCoroutine(self.queue.submit([NOTHING], uid=0))
        self.assertNoResult(answer)
        self.assertIsNone(self.queue.job(1))
        self.world.store.commit_all()
        self.assertEqual(self.successResultOf(answer), 1)
        self.restart()
        self.assertEqual(self.master.view(1).job.status, "queued")

    def test_as_accepted(self) -> None:
        """
        A stored job has its defaults, its submitter, its time and its place in the reason trail.
        """
        self.master.submit(making("a", reason=[["gnt:user", "why", 1]]), making("b", priority=-10))
        job = self.master.view(1).job
        first, second = job.ops
        self.assertEqual((job.received_timestamp, job.submitter), ((int(START), 0), 0))
        self.assertEqual((first.input["slow"], second.priority, job.priority), (0.0, -10, -10))
        self.assertEqual(
            first.input["reason"],
            [["gnt:user", "why", 1], ["gnt:opcode:make", "job=1;index=0", int(START * 1e9)]],
        )

    def test_refused(self) -> None:
        """
        What cannot be carried out is refused by name, and takes no number.
        """
        for ops, error in (
            ([], OpPrereqError),
            ([{"OP_ID": "OP_FLY"}], OpCodeUnknown),
            ([{"OP_ID": "OP_OS_DIAGNOSE", "output_fields": ["name"]}], OpCodeUnknown),
            ([{"OP_ID": "OP_MAKE"}], OpPrereqError),
            ([making("a" * BYTES_AT_ONCE)], JobQueueError),
            ([{**NOTHING, "depends": [[-1, []]]}], OpPrereqError),
        ):
            self.assertRaises(error, self.master.submit, *ops)
        self.assertEqual(self.master.submit(NOTHING), 1)

    def test_many(self) -> None:
        """
        Jobs that are submitted together have consecutive numbers; one that is refused takes its own along.
        """
        jobs = [[NOTHING]] * JOBS_AT_ONCE + [[{"OP_ID": "OP_FLY"}], [NOTHING]]
        answers = self.wait(self.queue.submit_many(jobs, uid=0))
        count = JOBS_AT_ONCE
        self.assertEqual(answers[count - 1], [True, count])
        self.assertEqual((answers[count][0], answers[count + 1]), (False, [True, count + 2]))
        self.restart()
        self.assertEqual(self.master.submit(NOTHING), count + 3)

    def test_drained(self) -> None:
        """
        A drained queue takes no jobs, also after a restart, except where asked to.
        """
        self.wait(self.queue.set_drained(True))
        self.restart()
        self.assertTrue(self.queue.drained)
        error = self.assertRaises(OperationError, self.master.submit, NOTHING)
        self.assertEqual(str(error), "Queue drained")
        self.assertEqual(self.master.submit(NOTHING, even_if_drained=True), 1)
        self.wait(self.queue.set_drained(False))
        self.assertEqual(self.master.submit(NOTHING), 2)

    def test_repeated_after_restart(self) -> None:
        """
        A request that is repeated after a restart because its answer was lost is the same job, once.
        """
        self.assertEqual(self.master.submit(NOTHING, raw=b"x"), 1)
        self.restart()
        self.assertEqual(self.master.submit(NOTHING, raw=b"x"), 1)
        self.assertEqual(self.master.submit(NOTHING, raw=b"x"), 2)

    def test_many_repeated_after_restart(self) -> None:
        """
        So are many jobs in one request, refused ones among them, once, and not when the answer was written.
        """
        wrong = {"OP_ID": "OP_NOSUCH"}
        self.master.submit(NOTHING)
        jobs = [[wrong], [NOTHING], [wrong], [NOTHING]]

        def submit() -> Any:
            return self.wait(self.queue.submit_many(jobs, uid=0, raw=b"x"))

        first = submit()
        self.assertEqual([value for good, value in first if good], [3, 5])
        self.restart()
        self.assertEqual(submit(), first)
        self.restart()
        self.assertEqual(submit(), first)
        second = submit()
        self.assertEqual([value for good, value in second if good], [7, 9])
        for job in (3, 7):
            self.queue.answered(job)
        self.world.clock.advance(SETTLE)
        self.world.store.commit_all()
        self.restart()
        self.assertEqual([value for good, value in submit() if good], [11, 13])

    def test_many_cut_short(self) -> None:
        """
        Of more jobs than one transaction holds those that were not durable at the restart are refused when the
        request comes again, whatever was accepted meanwhile, and however often it comes.
        """
        jobs = [[NOTHING]] * (JOBS_AT_ONCE + 2)
        Deferred.fromCoroutine(self.queue.submit_many(jobs, uid=0, raw=b"x"))
        self.world.store.commit()
        for number in range(2):
            self.restart()
            self.assertEqual(self.master.submit(NOTHING), JOBS_AT_ONCE + 1 + number)
            answers = self.wait(self.queue.submit_many(jobs, uid=0, raw=b"x"))
            self.assertEqual(answers[JOBS_AT_ONCE - 1], [True, JOBS_AT_ONCE])
            self.assertEqual(answers[JOBS_AT_ONCE:], [[False, LOST]] * 2)

    def test_answers_noted_together(self) -> None:
        """
        What was answered within a moment is noted in one transaction, equal requests too, and nothing of it stays.
        """
        for raw in (b"x", b"x", b"y"):
            self.master.submit(NOTHING, raw=raw)
        seen: list[object] = []
        self.world.store.watch(PREFIX, seen.append)
        for job in (1, 2, 3):
            self.queue.answered(job)
        self.world.clock.advance(SETTLE)
        self.world.store.commit_all()
        self.assertEqual(len(seen), 1)
        self.restart()
        self.assertEqual(self.master.submit(NOTHING, raw=b"x"), 4)

    def test_repeated_after_answer(self) -> None:
        """
        A request whose answer was written is a new job when it comes again.
        """
        self.assertEqual(self.master.submit(NOTHING, raw=b"x"), 1)
        self.queue.answered(1)
        self.world.clock.advance(SETTLE)
        self.world.store.commit_all()
        self.restart()
        self.assertEqual(self.master.submit(NOTHING, raw=b"x"), 2)


class ScheduleTests(QueueCase):
    """
    Tests for when jobs start.
    """

    def test_running_limit(self) -> None:
        """
        No more jobs run at once than the cluster allows.
        """
        for number in range(25):
            self.master.submit(making(f"i{number}"))
        self.master.run(0.1)
        self.assertEqual(len([1 for each in self.queue.jobs() if each.job.status != "queued"]), 20)
        self.master.finish()

    def test_priority(self) -> None:
        """
        The more urgent job starts first, also when its priority was changed in the queue.
        """
        first, second = self.master.submit(making("a")), self.master.submit(making("a", priority=10))
        self.wait(self.queue.change_priority(second, -5))
        self.master.finish()
        self.assertEqual((self.statuses(first), self.statuses(second)), (["error"], ["success"]))

    def test_priority_refused(self) -> None:
        """
        A priority that does not exist, or of a job that has ended or is not there, is not changed.
        """
        job = self.master.submit(NOTHING)
        self.assertRaises(OpPrereqError, self.wait, self.queue.change_priority(job, 20))
        self.assertRaises(JobLost, self.wait, self.queue.change_priority(99, 0))
        self.master.finish()
        self.assertFalse(self.wait(self.queue.change_priority(job, 0))[0])

    def test_dependencies(self) -> None:
        """
        A job waits for the one that it depends on, and shares its fate if that is not what it wanted.
        """
        self.master.submit(making("a", break_at="change"))
        fine = self.master.submit({**NOTHING, "depends": [[-1, ["error"]]]})
        failing = self.master.submit({**NOTHING, "depends": [[1, ["success"]]]}, NOTHING)
        unknown = self.master.submit({**NOTHING, "depends": [[2, []], [77, []]]})
        after = self.master.submit({**NOTHING, "depends": [[unknown, ["error"]]]})
        self.assertEqual(self.master.view(fine).job.ops[0].input["depends"], [[1, ["error"]]])
        self.master.finish()
        self.assertEqual(self.statuses(fine), ["success"])
        self.assertEqual(self.statuses(failing), ["error", "error"])
        self.assertIn("Dependency job 1 finished", self.results(failing)[0][1][0])
        self.assertEqual(self.results(failing)[1], ["OpExecError", ["Preceding opcode failed"]])
        self.assertEqual((self.statuses(unknown), self.statuses(after)), (["error"], ["success"]))

    def test_dependency_cancelled(self) -> None:
        """
        A job is cancelled with the one that it depends on.
        """
        self.master.submit(making("a"))
        second = self.master.submit({**NOTHING, "depends": [[1, []]]})
        third = self.master.submit({**NOTHING, "depends": [[1, ["success"]]]})
        self.wait(self.queue.cancel(1))
        self.master.finish()
        self.assertEqual((self.statuses(second), self.statuses(third)), (["success"], ["canceled"]))


class LifeTests(QueueCase):
    """
    Tests for states, times and results.
    """

    def test_times(self) -> None:
        """
        Each opcode has the times at which it was started, had its locks, and ended.
        """
        job = self.master.submit(making("a"), NOTHING)
        self.master.run(2.0)
        self.assertEqual(self.statuses(job), ["running", "queued"])
        self.master.finish()
        view = self.master.view(job)
        first, second = view.job.ops
        began = int(START)
        self.assertEqual(view.job.start_timestamp, (began, 0))
        self.assertEqual((first.start_timestamp, first.exec_timestamp), ((began, 0), (began, 0)))
        assert first.end_timestamp is not None
        self.assertGreaterEqual(first.end_timestamp, (began + 4, 0))
        self.assertEqual(view.job.end_timestamp, second.end_timestamp)
        self.assertEqual(view.job.status, "success")

    def test_waiting(self) -> None:
        """
        A job that waits for locks says so, and the lock shows it.
        """
        self.master.submit(making("a"))
        second = self.master.submit(making("a"))
        self.master.run(1.0)
        self.assertEqual(self.statuses(second), ["waiting"])
        (lock,) = (each for each in self.queue.locks() if each.name == "instance/a")
        self.assertEqual((lock.owners, lock.pending), ((1,), ((LockMode.EXCLUSIVE, second),)))

    def test_failed(self) -> None:
        """
        A failed opcode has its error as result, and those after it did not happen.
        """
        job = self.master.submit(making("a", break_at="gather"), NOTHING, NOTHING)
        self.master.finish()
        self.assertEqual(
            self.results(job),
            [["OpExecError", ["broken at gather"]], *[["OpExecError", ["Preceding opcode failed"]]] * 2],
        )
        self.assertEqual(self.world.nodes.worlds["node1.example.com"]["disks"], [])
        self.assertEqual(len(self.master.configuration.snapshot.instances), 0)

    def test_archive(self) -> None:
        """
        Jobs that have ended can be archived once, and are then still there for who asks for them.
        """
        job = self.master.submit(NOTHING)
        self.assertFalse(self.wait(self.queue.archive(job)))
        self.master.finish()
        self.assertTrue(self.wait(self.queue.archive(job)))
        self.assertFalse(self.wait(self.queue.archive(job)))
        self.restart()
        self.assertTrue(self.master.view(job).job.archived)
        self.assertRaises(
            JobLost, self.wait, self.queue.wait_for_change(job, lambda view: view.job.status, None, 1)
        )

    def test_watched(self) -> None:
        """
        Who waits for a job sees its states and its lines as they become durable.
        """
        job = self.master.submit(making("a"))
        waiting = Deferred.fromCoroutine(
            self.queue.wait_for_change(
                job, lambda view: (view.job.status, len(view.log_after(0))), ("queued", 0), 60
            )
        )
        self.master.run(0.2)
        self.assertEqual(self.successResultOf(waiting), ("running", 3))

    def test_progress(self) -> None:
        """
        Progress is shown while an opcode runs, and not after.
        """
        job = self.master.submit(making("a"))
        self.master.run(0.7)
        self.assertEqual(self.master.view(job).progress["a"].total, 2)
        self.master.finish()
        self.assertEqual(self.master.view(job).progress, {})

    def test_nothing_to_see(self) -> None:
        """
        Who follows all jobs is told of each change that can be seen once, and never of the journal alone.
        """
        told = []
        self.master.submit(making("a"), NOTHING)
        revision = moment = 0
        for _ in range(20):
            following = Deferred.fromCoroutine(
                self.queue.wait_for_any_change(None, revision, 1.0, moment=moment)
            )
            self.master.run(1.0)
            revision, views, moment = self.successResultOf(following)
            told += [(view.job, view.lines, view.progress) for view in views]
        self.assertEqual(told[-1][0].status, "success")
        self.assertNotIn(True, [one == other for one, other in pairwise(told)])


class CancelTests(QueueCase):
    """
    Tests for cancelling.
    """

    def test_queued(self) -> None:
        """
        A queued job is cancelled at once, without a result.
        """
        job = self.master.submit(making("a"), NOTHING)
        self.assertEqual(self.wait(self.queue.cancel(job)), (True, f"Dequeued job {job}"))
        self.assertEqual((self.statuses(job), self.results(job)), (["canceled"] * 2, [None] * 2))
        self.master.finish()
        self.assertEqual(self.world.nodes.done, [])

    def test_waiting(self) -> None:
        """
        A job that waits for locks is cancelled, and the locks it waited for go to others.
        """
        self.master.submit(making("a"))
        second, third = self.master.submit(making("a"), NOTHING), self.master.submit(making("a"))
        self.master.run(1.0)
        self.assertTrue(self.wait(self.queue.cancel(second))[0])
        self.assertIn(self.statuses(second)[0], ("canceling", "canceled"))
        self.master.run(0.1)
        self.assertEqual(self.statuses(second), ["canceled", "canceled"])
        self.assertEqual(self.results(second)[0], "Job canceled by request")
        self.master.finish()
        self.assertEqual(self.statuses(third), ["error"])

    def test_running(self) -> None:
        """
        A running job is not cancelled without being killed.
        """
        job = self.master.submit(making("a"))
        self.master.run(0.2)
        self.assertFalse(self.wait(self.queue.cancel(job))[0])
        self.master.finish()
        self.assertEqual(self.statuses(job), ["success"])

    def test_killed(self) -> None:
        """
        A killed job's functions are aborted, and everything is undone.
        """
        job = self.master.submit(making("a", slow=100.0), NOTHING)
        self.master.run(0.2)
        self.assertTrue(self.wait(self.queue.cancel(job, kill=True))[0])
        self.assertEqual(self.statuses(job)[0], "canceling")
        self.master.finish(within=10)
        self.assertEqual(self.statuses(job), ["canceled", "canceled"])
        self.assertEqual(len(self.world.nodes.aborted), 2)
        self.assertEqual(self.world.nodes.worlds["node1.example.com"]["disks"], [])
        self.assertEqual(len(self.master.configuration.snapshot.instances), 0)

    def test_undo_cannot_be_killed(self) -> None:
        """
        A job that is killed while it undoes goes on with that.
        """
        job = self.master.submit(making("a", break_at="start"))
        while not any(name == "remove_disk" for _, name, _ in self.world.nodes.done):
            self.master.run(0.05)
        self.wait(self.queue.cancel(job, kill=True))
        self.master.finish()
        self.assertEqual(self.world.nodes.worlds["node1.example.com"]["disks"], [])
        self.assertEqual(len(self.master.configuration.snapshot.instances), 0)

    def test_too_late(self) -> None:
        """
        What has ended is not cancelled, and what is not there is said to be lost.
        """
        job = self.master.submit(NOTHING)
        self.master.finish()
        self.assertFalse(self.wait(self.queue.cancel(job, kill=True))[0])
        self.assertRaises(JobLost, self.wait, self.queue.cancel(99))


class StopTests(QueueCase):
    """
    Tests for an orderly stop.
    """

    def test_stop(self) -> None:
        """
        A stopped queue leaves no timers, does nothing more, and the next one goes on.
        """
        job = self.master.submit(making("a"))
        self.master.run(0.7)
        self.wait(self.queue.stop())
        self.assertEqual(self.master.clock.getDelayedCalls(), [])
        done = len(self.world.nodes.done)
        self.master.run(10.0)
        self.assertEqual(len(self.world.nodes.done), done)
        self.restart()
        self.master.finish()
        self.assertEqual(self.statuses(job), ["success"])

    def test_store_failed(self) -> None:
        """
        When the store fails, the daemon is told to end, and stopping the queue does not wait for the store.
        """
        told: list[Any] = []
        self.master.on_fatal = told.append
        self.master.submit(making("a"))
        self.world.store.fail()
        self.master.run(1.0)
        self.assertTrue(told)
        self.successResultOf(Deferred.fromCoroutine(self.queue.stop()))
