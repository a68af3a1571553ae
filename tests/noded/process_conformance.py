"""
What every L{gnttwist.noded.processes.Processes} does, tested with real processes.
"""

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.trial.unittest import TestCase

from gnttwist.launcher.spool import Feedback, SpoolReader
from gnttwist.noded.processes import Exit, Process, Processes, Start, StartRefused
from gnttwist.paths import Paths
from gnttwist.wire.limits import CallLimits
from tests.launcher.sample import FUNCTIONS

TABLE = "tests.launcher.sample:FUNCTIONS"
PYTHONPATH = str(Path(__file__).parents[2])
SPOOL_LIMIT = 1024 * 1024


@define(eq=False)
class Recorder:
    """
    A listener that keeps what it is told.

    @ivar woken_first: Fires when the spool has grown for the first time.
    @ivar ended: Fires with the exit.
    """

    wakes: int = field(default=0, init=False)
    exits: list[Exit] = field(factory=list, init=False)
    woken_first: Deferred[None] = field(factory=Deferred, init=False)
    ended: Deferred[Exit] = field(factory=Deferred, init=False)

    def woken(self) -> None:
        """
        See L{gnttwist.noded.processes.Listener}.
        """
        assert not self.exits, "woken after the exit"
        self.wakes += 1
        if self.wakes == 1:
            self.woken_first.callback(None)

    def exited(self, how: Exit) -> None:
        """
        See L{gnttwist.noded.processes.Listener}.
        """
        self.exits.append(how)
        self.ended.callback(how)


@frozen
class Outcome:
    """
    All that is known of a call that has ended.
    """

    process: Process
    exit: Exit
    feedback: list[Feedback]
    value: Any


def read_all(process: Process) -> tuple[list[Feedback], Any]:
    """
    A finished spool's feedback, and its result or C{None}.
    """
    reader = SpoolReader(process.spool)
    feedback: list[Feedback] = []
    while reader.behind:
        feedback += reader.read()
    value = reader.result()
    if value is None:
        return feedback, None
    with value.path.open("rb") as file:
        file.seek(value.start)
        return feedback, json.loads(file.read(value.length))


def is_running(pid: int) -> bool:
    """
    Whether there is such a process, and it has not ended.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class ProcessCase(TestCase):
    """
    A node directory, and calls within it.
    """

    timeout = 30

    def setUp(self) -> None:
        # Not below trial's directory: the path of a unix socket has room for 107 bytes.
        top = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, top)
        (top / "node1").mkdir()
        self.paths = Paths.from_root(str(top / "node1"))
        self.flag = top / "flag"
        self.calls = 0

    def request(self, function: str, *arguments: Any, **more: Any) -> Start:
        """
        A start of its own name.
        """
        self.calls += 1
        encoded = more.pop("encoded", json.dumps(arguments).encode())
        suffix = f"1700000000.0:{os.urandom(8).hex()}{self.calls}"
        return Start(function, encoded, suffix, spool_limit=SPOOL_LIMIT, **more)

    async def run_call(self, processes: Processes, request: Start) -> Outcome:
        """
        Start a call and wait for its end.
        """
        recorder = Recorder()
        process = await processes.start(request, recorder)
        how = await recorder.ended
        return Outcome(process, how, *read_all(process))


def asynchronous(
    method: Callable[[Any], Coroutine[Deferred[Any], Any, None]],
) -> Callable[[Any], Deferred[None]]:
    """
    Let trial run a test that is a coroutine.
    """

    def run(self: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(method(self))

    run.__name__ = method.__name__
    run.__doc__ = method.__doc__
    return run


class ProcessConformance(ProcessCase):
    """
    The tests. A subclass sets C{processes} in its C{setUp}.
    """

    processes: Processes

    @asynchronous
    async def test_result(self) -> None:
        """
        A call's result is in its spool when its process has ended with code 0.
        """
        outcome = await self.run_call(self.processes, self.request("echo", {"a": [1, "ü", None]}))
        self.assertEqual(outcome.value, [True, {"a": [1, "ü", None]}])
        self.assertEqual(outcome.exit, Exit(0, None))

    @asynchronous
    async def test_process(self) -> None:
        """
        A started process tells who it is, and its spool tells the same.
        """
        request = self.request("echo", 1, key="k/c/e/1/d/1")
        outcome = await self.run_call(self.processes, request)
        process = outcome.process
        parent, pid, suffix = process.id.split(":", 2)
        self.assertEqual((int(pid), suffix), (process.pid, request.id_suffix))
        self.assertEqual((process.function, process.key), ("echo", "k/c/e/1/d/1"))
        self.assertEqual(process.spool, self.paths.spool / request.id_suffix)
        self.assertEqual(process.spool.stat().st_mode & 0o777, 0o600)
        reader = SpoolReader(process.spool)
        reader.read()
        begin = reader.begin
        assert begin is not None
        self.assertEqual(
            (begin.id, begin.pid, begin.key, begin.started),
            (process.id, process.pid, process.key, process.started),
        )
        self.assertGreater(int(parent), 1)

    @asynchronous
    async def test_feedback_while_running(self) -> None:
        """
        Feedback can be read while the function goes on, and each has the next serial.
        """
        recorder = Recorder()
        process = await self.processes.start(self.request("wait", str(self.flag)), recorder)
        await recorder.woken_first
        reader = SpoolReader(process.spool)
        self.assertIsNone(reader.result())
        self.flag.touch()
        await recorder.ended
        feedback, value = read_all(process)
        self.assertEqual([each.serial for each in feedback], [1, 2])
        self.assertEqual([json.loads(each.payload) for each in feedback], ["waiting", "done"])
        self.assertEqual(value, [True, "waited"])

    @asynchronous
    async def test_expected_failure(self) -> None:
        """
        A function's own failure is its text.
        """
        outcome = await self.run_call(self.processes, self.request("fail", "no such disk"))
        self.assertEqual(outcome.value, [False, "no such disk"])

    @asynchronous
    async def test_unexpected_failure(self) -> None:
        """
        An exception becomes Ganeti's failure, without a traceback.
        """
        outcome = await self.run_call(self.processes, self.request("crash"))
        text = "Error while executing backend function: ZeroDivisionError: one over nothing"
        self.assertEqual(outcome.value, [False, text])

    @asynchronous
    async def test_no_result(self) -> None:
        """
        A process that ends by itself without a result leaves none, and its code is told.
        """
        outcome = await self.run_call(self.processes, self.request("vanish", 3))
        self.assertEqual((outcome.value, outcome.exit), (None, Exit(3, None)))

    @asynchronous
    async def test_killed(self) -> None:
        """
        A killed process leaves no result, and the signal is told.
        """
        outcome = await self.run_call(self.processes, self.request("kill_self"))
        self.assertEqual((outcome.value, outcome.exit), (None, Exit(None, signal.SIGKILL)))

    @asynchronous
    async def test_unknown_function(self) -> None:
        """
        A function that is not in the table is refused, and no spool is made.
        """
        with self.assertRaises(StartRefused):
            await self.processes.start(self.request("rm"), Recorder())
        self.assertFalse(self.paths.spool.exists() and list(self.paths.spool.iterdir()))

    @asynchronous
    async def test_suffix_once(self) -> None:
        """
        A name is given to one call only.
        """
        request = self.request("echo", 1)
        await self.run_call(self.processes, request)
        with self.assertRaises(StartRefused):
            await self.processes.start(request, Recorder())

    @asynchronous
    async def test_bad_arguments(self) -> None:
        """
        Arguments that are not JSON, not an array, or not the function's are failures of the call.
        """
        for encoded in (b"{", b'"a"', b"[1, 2, 3]", b"[" * 100_000, b"\xff"):
            outcome = await self.run_call(self.processes, self.request("echo", encoded=encoded))
            self.assertEqual(outcome.value[0], False)
            self.assertIn("arguments", outcome.value[1])

    @asynchronous
    async def test_large_result(self) -> None:
        """
        A long result arrives whole.
        """
        outcome = await self.run_call(self.processes, self.request("large", 900_000))
        self.assertEqual(outcome.value, [True, "x" * 900_000])

    @asynchronous
    async def test_result_over_limit(self) -> None:
        """
        A result for which the spool has no room is a failure that says so.
        """
        outcome = await self.run_call(self.processes, self.request("large", SPOOL_LIMIT))
        self.assertEqual(outcome.value[0], False)
        self.assertIn(f"at most {SPOOL_LIMIT}", outcome.value[1])

    @asynchronous
    async def test_result_not_json(self) -> None:
        """
        A result that JSON has no form for is a failure that says so.
        """
        outcome = await self.run_call(self.processes, self.request("unspeakable"))
        self.assertEqual(outcome.value[0], False)
        self.assertIn("its result cannot be told", outcome.value[1])

    @asynchronous
    async def test_much_feedback(self) -> None:
        """
        A function that never stops talking is cut short, with a word about it, and its result still arrives.
        """
        outcome = await self.run_call(self.processes, self.request("talk", 30_000))
        self.assertEqual(outcome.value, [True, 30_000])
        self.assertIn("No more feedback is recorded", json.loads(outcome.feedback[-1].payload))
        serials = [each.serial for each in outcome.feedback]
        self.assertEqual(serials, list(range(1, len(serials) + 1)))

    @asynchronous
    async def test_prints(self) -> None:
        """
        What a function and its programs print does not get into the spool.
        """
        outcome = await self.run_call(self.processes, self.request("chatter"))
        self.assertEqual(outcome.value, [True, "genuine"])

    @asynchronous
    async def test_surroundings(self) -> None:
        """
        A function process leads a session and inherits no descriptor but its own few.
        """
        outcome = await self.run_call(self.processes, self.request("surroundings"))
        found = outcome.value[1]
        self.assertTrue(found["session"])
        self.assertEqual(found["root"], str(self.paths.root))
        # 0 to 2, the three that were put aside, and the one that lists them.
        self.assertLessEqual(len(found["descriptors"]), 7)

    @asynchronous
    async def test_limits(self) -> None:
        """
        A call has the limits that its caller says, which guests can leave behind.
        """
        limits = CallLimits(cpu=77, memory=4096, files=150, processes=3000)
        outcome = await self.run_call(self.processes, self.request("soft_limits", limits=limits))
        self.assertEqual(outcome.value, [True, [77, 4096 * 1024 * 1024, 150, 3000, 0, 0, 0, 0]])

    @asynchronous
    async def test_signal(self) -> None:
        """
        A signal reaches the process.
        """
        recorder = Recorder()
        process = await self.processes.start(self.request("wait", str(self.flag)), recorder)
        await recorder.woken_first
        await self.processes.signal(process.id, signal.SIGTERM, tree=False)
        self.assertEqual(await recorder.ended, Exit(None, signal.SIGTERM))

    @asynchronous
    async def test_signal_gone(self) -> None:
        """
        Signalling a process that has ended, or never was, does nothing.
        """
        outcome = await self.run_call(self.processes, self.request("echo", 1))
        await self.processes.signal(outcome.process.id, signal.SIGKILL, tree=True)
        await self.processes.signal("1:2:3:4", signal.SIGKILL, tree=True)

    @asynchronous
    async def test_signal_tree(self) -> None:
        """
        Killing the tree ends what the process started, in whatever session, but for guests.
        """
        recorder = Recorder()
        process = await self.processes.start(self.request("grow_tree", str(self.flag), False), recorder)
        await wait_for_file(self.flag)
        near, far, guest = (int(each) for each in self.flag.read_text().split())
        self.addCleanup(os.kill, guest, signal.SIGKILL)
        await self.processes.signal(process.id, signal.SIGKILL, tree=True)
        self.assertEqual(await recorder.ended, Exit(None, signal.SIGKILL))
        self.assertEqual([is_running(each) for each in (near, far, guest)], [False, False, True])

    @asynchronous
    async def test_many(self) -> None:
        """
        Calls at the same time do not mix.
        """
        running = []
        for number in range(8):
            recorder = Recorder()
            process = await self.processes.start(self.request("echo", number), recorder)
            running.append((process, recorder))
        for number, (process, recorder) in enumerate(running):
            await recorder.ended
            self.assertEqual(read_all(process)[1], [True, number])


def wait_for_file(path: Path) -> Deferred[None]:
    """
    Fires when there is something in a file that another process makes.
    """
    return wait_until(lambda: path.exists() and path.stat().st_size > 0)


def wait_until(condition: Callable[[], bool]) -> Deferred[None]:
    """
    Fires when a condition outside this process holds, of which nothing tells.
    """
    done: Deferred[None] = Deferred()

    def look() -> None:
        if condition():
            looking.stop()
            done.callback(None)

    looking = LoopingCall(look)
    looking.start(0.01)
    return done


KNOWN = frozenset(FUNCTIONS)
