"""
Tests for L{gnttwist.jobs.journaled}: what units may rely on.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.draft import Draft
from gnttwist.errors import (
    FunctionDied,
    JobCanceled,
    LockError,
    NodeError,
    NotAnswering,
    OpExecError,
    ProgrammerError,
)
from gnttwist.jobs.calls import Feedback
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.jobs.live import Progress
from gnttwist.jobs.log import MAX_LINES
from gnttwist.store.interface import MAX_OPERATIONS, MAX_TRANSACTION_BYTES
from gnttwist.testing.node_connection import PATIENCE, SILENCE
from tests.jobs.sample import FUNCTIONS, SampleUnit, sample
from tests.jobs.world import NODES, START, Master, World

Run = Callable[[JobContext], Awaitable[Any]]
NODE = NODES[0]
EXCLUSIVE, SHARED = LockMode.EXCLUSIVE, LockMode.SHARED


class UnitCase(SynchronousTestCase):
    """
    A master whose C{OP_NOTHING} is what the test wants.
    """

    functions: dict[str, Any] = {}

    def start(self, run: Run, version: int = 1) -> int:
        """
        Submit a job that is carried out by C{run}.
        """
        self.world = World(sample(), {**FUNCTIONS, **self.functions})
        self.begin(run, version)
        return self.master.submit({"OP_ID": "OP_NOTHING"})

    def begin(self, run: Run, version: int = 1) -> None:
        """
        A new life of the master, with this unit.
        """

        async def nothing(job: JobContext, op: object) -> Any:
            return await run(job)

        self.world.opcodes = sample(OP_NOTHING=SampleUnit(version, nothing))
        self.master = Master(self.world).start()

    def result(self, job: int = 1) -> Any:
        """
        What became of the job, when it has ended.
        """
        self.master.finish()
        (op,) = self.master.view(job).job.ops
        return op.result

    def carry_out(self, run: Run) -> Any:
        """
        The result of a job.
        """
        return self.result(self.start(run))


class StepTests(UnitCase):
    """
    Tests for single steps.
    """

    def test_time(self) -> None:
        """
        The wall clock is read once for each step, also when the job is replayed.
        """
        asked: list[float] = []

        async def run(job: JobContext) -> Any:
            asked.append(await job.now())
            await job.sleep(10.0)
            asked.append(await job.now())
            return None

        self.start(run)
        self.master.run(5.0)
        self.master.kill()
        self.world.clock.advance(2.0)
        self.begin(run)
        self.assertIsNone(self.result())
        self.assertEqual(asked, [START, START, START + 10.0])

    def test_randomness(self) -> None:
        """
        Random numbers are the same in a replay, and others in another step.
        """
        drawn: list[list[float]] = []

        async def run(job: JobContext) -> Any:
            drawn.append([job.random("a").random(), job.random("a").random(), job.random("b").random()])
            await job.sleep(1.0)
            return None

        self.start(run)
        self.master.run(0.5)
        self.master.kill()
        self.begin(run)
        self.result()
        self.assertEqual(drawn[0], drawn[1])
        self.assertEqual(len(set(drawn[0])), 3)

    def test_until(self) -> None:
        """
        A poll is repeated until it gives something; only that is kept, and in a replay it is not asked again.
        """
        polls: list[float] = []

        async def poll(job: JobContext) -> Any:
            polls.append(await job.now())
            return {"n": len(polls)} if len(polls) == 3 else None

        async def run(job: JobContext) -> Any:
            found = await job.until(poll, interval=2.0, timeout=60.0)
            await job.sleep(10.0)
            return found

        self.start(run)
        self.master.run(8.0)
        self.master.kill()
        self.begin(run)
        self.assertEqual(self.result(), {"n": 3})
        self.assertEqual(polls, [START, START + 2, START + 4])

    def test_until_timeout(self) -> None:
        """
        A poll that never gives anything ends at its deadline, which a restart does not put off.
        """

        async def poll(job: JobContext) -> None:
            return None

        async def run(job: JobContext) -> Any:
            return [await job.until(poll, interval=2.0, timeout=5.0), await job.now()]

        self.start(run)
        self.master.run(3.0)
        self.master.kill()
        self.begin(run)
        self.assertEqual(self.result(), [None, START + 5.0])

    def test_poll_only_looks(self) -> None:
        """
        A poll that would change something is a mistake, which the unit is told.
        """

        async def poll(job: JobContext) -> None:
            await job.call(NODE, "make_disk", ["a", 0.0])

        async def run(job: JobContext) -> Any:
            await job.until(poll, interval=1.0, timeout=5.0)

        self.assertEqual(self.carry_out(run)[0], "ProgrammerError")
        self.assertEqual(self.world.nodes.done, [])

    def test_change(self) -> None:
        """
        A change gives its result as plain data, and what it refuses changes nothing.
        """

        def edit(refuse: bool, draft: Draft) -> Any:
            draft.put(NODE)
            if refuse:
                raise OpExecError("no")
            return (1, 2)

        async def run(job: JobContext) -> Any:
            error = ""
            try:
                await job.change("refused", partial(edit, True))
            except OpExecError as reason:
                error = str(reason)
            return [error, await job.change("done", partial(edit, False)), (await job.config()).serial]

        self.assertEqual(self.carry_out(run), ["no", [1, 2], 2])

    def test_change_too_large(self) -> None:
        """
        A change that does not fit in a transaction is refused, and the next one is made.
        """

        def edit(count: int, draft: Draft) -> int:
            for each in range(count):
                draft.put(msgspec.structs.replace(NODE, uuid=f"{each}", name=f"n{each}"))
            return count

        async def run(job: JobContext) -> Any:
            try:
                await job.change("much", partial(edit, MAX_OPERATIONS + 1))
            except OpExecError as error:
                return [str(error)[:22], await job.change("little", partial(edit, 1))]

        self.assertEqual(self.carry_out(run), ["This is more than the ", 1])
        self.assertEqual(len(self.master.configuration.snapshot.nodes), 3)

    def test_many_lines(self) -> None:
        """
        A flood of lines is bounded, takes few transactions, and the end of the log says how much is missing.
        """

        async def run(job: JobContext) -> Any:
            for each in range(MAX_LINES + 10):
                job.log(f"line {each}")
            await job.sleep(1.0)

        self.carry_out(run)
        texts = self.master.texts(1)
        self.assertEqual(texts[:2], ["line 0", "line 1"])
        self.assertEqual((len(texts), texts[-1][:13]), (MAX_LINES + 1, "10 more lines"))
        self.assertLess(self.master.boundaries.count("committed"), MAX_LINES / 20)

    def test_config_at_revision(self) -> None:
        """
        A replay reads the configuration as it was.
        """
        read: list[int] = []

        async def run(job: JobContext) -> Any:
            read.append((await job.config()).serial)
            await job.change("something", lambda draft: draft.put(NODE).name)
            read.append((await job.config()).serial)
            await job.sleep(5.0)

        self.start(run)
        self.master.run(1.0)
        self.assertEqual(self.master.queue.oldest_read(), 1)
        self.master.kill()
        self.begin(run)
        self.result()
        self.assertEqual(read, [1, 2, 1, 2])

    def test_not_json(self) -> None:
        """
        A result that cannot be journaled is the unit's mistake.
        """

        async def run(job: JobContext) -> Any:
            return object()

        self.assertEqual(self.carry_out(run)[0], "ProgrammerError")

    def test_unexpected(self) -> None:
        """
        A unit's bug fails its job, says where to look, and what was done is undone.
        """
        undone: list[str] = []

        async def undo(job: JobContext) -> None:
            undone.append("x")

        async def run(job: JobContext) -> Any:
            job.on_failure("x", undo)
            return 1 / 0

        name, (text,) = self.carry_out(run)
        self.assertEqual((name, undone), ("OpExecError", ["x"]))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertRegex(text, "incident [0-9a-f]{12}")

    def test_submit(self) -> None:
        """
        Many jobs are submitted once, with the submitter's reason and priority.
        """

        async def run(job: JobContext) -> Any:
            if job.job_id > 1:
                return None
            return len(await job.submit([[{"OP_ID": "OP_MAKE", "name": str(each)}] for each in range(70)]))

        self.start(run)
        self.master.kill()
        self.begin(run)
        self.assertEqual(self.result(), 70)
        child = self.master.view(2).job.ops[0]
        self.assertEqual(len(list(self.master.queue.jobs())), 71)
        self.assertEqual(child.input["reason"][0][0], "gnt:opcode:nothing")
        self.assertEqual(child.input["comment"], "Submitted by OP_NOTHING")


class LockTests(UnitCase):
    """
    Tests for locks.
    """

    def test_held_over_restart(self) -> None:
        """
        Locks are held again before any other job can have them, in the mode that they were left in.
        """

        async def run(job: JobContext) -> Any:
            if job.job_id == 1:
                await job.acquire({"node/a": EXCLUSIVE, "node/b": EXCLUSIVE, "node/c": EXCLUSIVE})
                await job.downgrade(["node/b"])
                await job.release(["node/c"])
                await job.sleep(5.0)
                return []
            return sorted(
                await job.acquire(
                    {"node/a": EXCLUSIVE, "node/b": SHARED, "node/c": EXCLUSIVE}, opportunistic=True
                )
            )

        self.start(run)
        self.master.run(1.0)
        self.master.kill()
        self.begin(run)
        second = self.master.submit({"OP_ID": "OP_NOTHING"})
        self.assertEqual(self.result(second), ["node/b", "node/c"])
        self.assertEqual(self.master.queue.locks(), [])

    def test_out_of_order(self) -> None:
        """
        Who asks out of order, or gives back what is not held, is told.
        """

        async def run(job: JobContext) -> Any:
            await job.acquire({"node/b": EXCLUSIVE})
            errors = []
            for step in (
                job.acquire({"instance/a": SHARED}),
                job.acquire({"node/a": SHARED}, opportunistic=True),
                job.release(["node/a"]),
                job.downgrade(["node/a"]),
            ):
                try:
                    await step
                except LockError as error:
                    errors.append(type(error).__name__)
            return errors

        self.assertEqual(self.carry_out(run), ["LockError"] * 4)

    def test_waiting_until_first_grant(self) -> None:
        """
        Reading alone does not make a job running; having no locks to wait for does.
        """
        seen: list[str] = []

        async def run(job: JobContext) -> Any:
            await job.config()
            seen.append(self.master.view(1).job.status)
            await job.acquire({})
            seen.append(self.master.view(1).job.status)

        self.carry_out(run)
        self.assertEqual(seen, ["waiting", "running"])


class BranchTests(UnitCase):
    """
    Tests for branches and undo.
    """

    def test_first_failure(self) -> None:
        """
        All branches end before the first one's failure, in their order, is raised.
        """
        ended: list[int] = []

        async def branch(job: JobContext, *, number: int) -> None:
            await job.sleep(10.0 - number)
            ended.append(number)
            if number:
                raise OpExecError(f"branch {number}")

        async def run(job: JobContext) -> Any:
            await job.gather(*(partial(branch, number=each) for each in range(3)))

        self.assertEqual(self.carry_out(run), ["OpExecError", ["branch 1"]])
        self.assertEqual(ended, [2, 1, 0])

    def test_undo_order(self) -> None:
        """
        Undo runs last first, branches at their place whichever was faster; a failing one does not stop the others.
        """
        undone: list[str] = []

        async def undo(job: JobContext, *, what: str) -> None:
            await job.sleep(1.0)
            undone.append(what)
            if what == "2":
                raise OpExecError("cannot")

        async def branch(job: JobContext, *, what: str, seconds: float) -> None:
            await job.sleep(seconds)
            job.on_failure(what, partial(undo, what=what))

        async def run(job: JobContext) -> Any:
            job.on_failure("1", partial(undo, what="1"))
            await job.gather(
                partial(branch, what="2", seconds=5.0),
                partial(branch, what="3", seconds=1.0),
                partial(branch, what="4", seconds=1.0),
            )
            job.on_failure("5", partial(undo, what="5"))
            job.undo_no_more("4")
            raise OpExecError("failed")

        self.assertEqual(self.carry_out(run), ["OpExecError", ["failed"]])
        self.assertEqual(undone, ["5", "3", "2", "1"])
        self.assertEqual(self.master.texts(1), ["Could not undo 2: cannot"])

    def test_nothing_to_forget(self) -> None:
        """
        An undo that was not registered cannot be forgotten.
        """

        async def run(job: JobContext) -> Any:
            job.undo_no_more("x")

        self.assertEqual(self.carry_out(run)[0], ProgrammerError.__name__)

    def test_cancel_cannot_be_ignored(self) -> None:
        """
        A unit that goes on after it was told that it is cancelled is told again.
        """
        told: list[str] = []

        async def run(job: JobContext) -> Any:
            for _ in range(3):
                try:
                    await job.sleep(10.0)
                except JobCanceled:
                    told.append("cancelled")
            await job.now()

        self.start(run)
        self.master.run(1.0)
        self.master.wait(_cancel(self.master, 1))
        self.assertEqual(self.result(), "Job canceled by request")
        self.assertEqual(len(told), 3)


class CallTests(UnitCase):
    """
    Tests for calls.
    """

    functions = {
        "version": lambda world: [3, world.setdefault("asked", "once")],
        "chatter": lambda world, count: _chatter(count),
        "flood": lambda world, count: "x" * count,
        "endless": lambda world: _endless(),
    }

    def test_reading_has_no_key(self) -> None:
        """
        What changes nothing is called without a key, and leaves nothing to acknowledge.
        """

        async def run(job: JobContext) -> Any:
            return await job.call(NODE, "version", [])

        self.assertEqual(self.carry_out(run), [3, "once"])
        self.assertEqual((self.world.nodes.started, self.world.nodes.remembered), ({}, []))

    def test_same_call_twice(self) -> None:
        """
        A unit that calls the same twice gets it done twice.
        """

        async def run(job: JobContext) -> Any:
            await job.call(NODE, "make_disk", ["a", 0.0])
            await job.call(NODE, "make_disk", ["a", 0.0])

        self.carry_out(run)
        self.assertEqual(self.world.nodes.worlds[NODE.name]["disks"], ["a", "a"])
        self.assertEqual(self.world.nodes.remembered, [])

    def test_too_much(self) -> None:
        """
        An answer that is too large to be journaled fails the step, and is forgotten like others.
        """

        async def run(job: JobContext) -> Any:
            try:
                await job.call(NODE, "flood", [MAX_TRANSACTION_BYTES])
            except NodeError as error:
                return str(error)

        self.assertIn("too much", self.carry_out(run))
        self.assertEqual(self.world.nodes.remembered, [])

    def test_died(self) -> None:
        """
        A function whose process died fails its step, in a replay too.
        """

        async def run(job: JobContext) -> Any:
            try:
                await job.call(NODE, "endless", [])
            except FunctionDied as error:
                await job.sleep(5.0)
                return str(error)

        self.start(run)
        self.master.run(1.0)
        self.world.nodes.kill("endless")
        self.master.run(1.0)
        self.master.kill()
        self.begin(run)
        self.assertEqual(self.result(), "endless on node1.example.com died")

    def test_limit(self) -> None:
        """
        A call is aborted when its time is over, counted from when it was first made.
        """

        async def run(job: JobContext) -> Any:
            try:
                await job.call(NODE, "endless", [], limit=20.0)
            except NodeError as error:
                return [type(error).__name__, await job.now()]

        self.start(run)
        self.master.run(15.0)
        self.master.kill()
        self.begin(run)
        self.assertEqual(self.result(), ["CallAborted", START + 20.0])
        self.assertEqual(len(self.world.nodes.aborted), 1)

    def test_ended_while_away(self) -> None:
        """
        A call that ended in time while no master was there is a success, however late that is heard.
        """

        async def run(job: JobContext) -> Any:
            return await job.call(NODE, "make_disk", ["a", 5.0], limit=10.0)

        self.start(run)
        self.master.run(1.0)
        self.master.kill()
        self.world.clock.pump([1.0] * 30)
        self.begin(run)
        self.assertEqual(self.result(), "/disks/a")

    def test_silent(self) -> None:
        """
        A silent node fails the step; its function is ended and forgotten when the node is back.
        """

        async def run(job: JobContext) -> Any:
            try:
                await job.call(NODE, "endless", [])
            except NotAnswering:
                return "silent"

        job = self.start(run)
        self.master.run(1.0)
        self.world.nodes.hang(NODE.name)
        self.master.run(PATIENCE + 1.0)
        self.assertEqual(self.master.view(job).job.ops[0].result, "silent")
        self.assertEqual(len(self.master.leftovers()), 1)
        self.master.kill()
        self.begin(run)
        self.master.run(10.0)
        self.world.nodes.recover(NODE.name)
        self.master.finish()
        self.assertEqual(len(self.world.nodes.aborted), 1)
        self.assertEqual(self.world.nodes.remembered, [])

    def test_silence_shown(self) -> None:
        """
        While a node is silent its job's progress says so, and says no more of it when the node is back.
        """

        async def run(job: JobContext) -> Any:
            return await job.call(NODE, "make_disk", ["a", 5.0])

        job = self.start(run)
        self.master.run(1.0)
        self.world.nodes.hang(NODE.name)
        self.master.run(SILENCE + 1.0)
        what = f"waiting for node {NODE.name}, which does not answer"
        self.assertEqual(self.master.view(job).progress, {what: Progress(SILENCE, None, "s")})
        self.world.nodes.recover(NODE.name)
        self.master.finish()
        self.assertEqual(self.master.view(job).progress, {})

    def test_feedback(self) -> None:
        """
        By default one line a second is logged, which says how many were left out; the last is never left out.
        """

        async def run(job: JobContext) -> Any:
            await job.call(NODE, "chatter", [20])

        self.carry_out(run)
        self.assertEqual(
            self.master.texts(1),
            [
                "line 1",
                "line 8 [6 lines before it left out]",
                "line 16 [7 lines before it left out]",
                "line 20 [3 lines before it left out]",
            ],
        )

    def test_feedback_once(self) -> None:
        """
        After a restart feedback goes on after the line that was logged last.
        """

        async def run(job: JobContext) -> Any:
            def on_feedback(feedback: Feedback) -> None:
                if feedback.serial % 2:
                    job.log(f"saw {feedback.payload}")

            await job.call(NODE, "chatter", [10], on_feedback=on_feedback)
            job.log("saw line 1")

        self.start(run)
        self.master.run(0.45)
        self.master.kill()
        self.begin(run)
        self.result()
        self.assertEqual(
            self.master.texts(1), [f"saw line {each}" for each in (1, 3, 5, 7, 9)] + ["saw line 1"]
        )

    def test_feedback_broken(self) -> None:
        """
        A callback that fails does not harm the call.
        """

        async def run(job: JobContext) -> Any:
            def on_feedback(feedback: Feedback) -> None:
                raise ZeroDivisionError

            await job.call(NODE, "chatter", [1], on_feedback=on_feedback)
            return "fine"

        self.assertEqual(self.carry_out(run), "fine")
        self.flushLoggedErrors(ZeroDivisionError)

    def test_progress_lines(self) -> None:
        """
        Clients that know only lines get one about progress every few seconds.
        """

        async def run(job: JobContext) -> Any:
            for done in range(1, 101):
                job.progress("copying", done, 100, "MiB")
                await job.sleep(0.125)

        self.carry_out(run)
        self.assertEqual(
            self.master.texts(1),
            [f"copying: {each} of 100 MiB ({each}%)" for each in (25, 49, 73, 97)],
        )


def _chatter(count: int) -> Any:
    for each in range(1, count + 1):
        yield "message", f"line {each}"
        yield 0.125  # a number that floats can add up exactly


def _endless() -> Any:
    while True:
        yield 1000.0


def _cancel(master: Master, job: int) -> Any:
    return Deferred.fromCoroutine(master.queue.cancel(job, kill=True))
