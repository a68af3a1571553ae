"""
Tests for L{gnttwist.noded.calls} and what it is made of.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, execute
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import RemoteError
from gnttwist.launcher import spool
from gnttwist.launcher.spool import Value
from gnttwist.noded.call import FunctionCall
from gnttwist.noded.call_table import KEPT_FOR, CallTable, UnknownCall
from gnttwist.noded.calls import Busy, Calls, UnknownFunction
from gnttwist.noded.endings import KILL_AFTER, Endings
from gnttwist.noded.processes import Exit, LauncherGone
from gnttwist.noded.recovery import LOOK_EVERY, Recovery
from gnttwist.noded.registry import Registry, RegistryFull
from gnttwist.testing.processes import FakeProcesses
from gnttwist.wire.rpc import StartOptions
from gnttwist.wire.rpc_answers import Ended

KEY = "k/cluster/epoch/1/step/1"


class Node:
    """
    A node daemon's calls, without a network, which can be killed and started again.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = Clock()
        self.clock.advance(1e6)
        self.processes = FakeProcesses(directory / "spool", self.clock.seconds)
        self.random = 0
        self.boot = "boot-1"
        self.start_daemon()

    def entropy(self, count: int) -> bytes:
        """
        Bytes that do not repeat.
        """
        self.random += 1
        return self.random.to_bytes(count, "big")

    def start_daemon(self, limit: int = 3) -> None:
        """
        Start as after a stop of whatever kind.
        """
        now = self.clock.seconds
        registry = Registry.open(self.directory / "registry", execute, limit)
        self.table = CallTable(self.clock, now, self.directory / "spool")
        endings = Endings(self.clock, now, self.processes, registry)
        self.calls = Calls(
            now,
            self.processes,
            registry,
            self.table,
            endings,
            self.boot,
            self.entropy,
            {"test_delay", "version"},
            limit,
        )
        self.recovery = Recovery(self.clock, self.processes, registry, self.table, endings, self.boot)
        self.recovered = Deferred.fromCoroutine(self.recovery.run())

    def start(
        self, key: str | None = KEY, function: str = "test_delay", **options: Any
    ) -> Deferred[FunctionCall]:
        """
        Ask for a call.
        """
        return Deferred.fromCoroutine(
            self.calls.start(function, b"[1]", StartOptions(key, **options), "node1")
        )


class CallsCase(SynchronousTestCase):
    """
    A node, and a word for each thing to look at.
    """

    def setUp(self) -> None:
        self.node = Node(Path(self.mktemp()))
        self.processes = self.node.processes

    def started(self, key: str | None = KEY, **more: Any) -> FunctionCall:
        """
        A call that was started.
        """
        return self.successResultOf(self.node.start(key, **more))

    def value(self, call: FunctionCall) -> Any:
        """
        What the call has returned.
        """
        assert isinstance(call.outcome, Value), call.outcome
        data = call.outcome.path.read_bytes()[call.outcome.start :][: call.outcome.length]
        return json.loads(data)

    def restart(self) -> None:
        """
        Kill the node daemon and start another.
        """
        self.processes.daemon_killed()
        self.node.start_daemon()
        self.successResultOf(self.node.recovered)

    def find(self, name: str = KEY) -> FunctionCall:
        """
        The call that this names.
        """
        return self.node.table.find(name)


class StartTests(CallsCase):
    """
    Tests for starting calls.
    """

    def test_runs(self) -> None:
        """
        A call gets its process, its ID, and at the end its return value.
        """
        call = self.started()
        [fake] = self.processes.running
        self.assertEqual((call.id, fake.arguments), (fake.process.id, b"[1]"))
        self.assertIs(self.find(fake.process.id), call)
        fake.finish(True, {"a": 1})
        self.assertEqual(self.value(call), [True, {"a": 1}])

    def test_once(self) -> None:
        """
        A key that is started again, while it runs and afterwards, is the same call.
        """
        call = self.started()
        self.assertIs(self.started(), call)
        self.processes.running[0].finish(True, None)
        self.assertIs(self.started(), call)
        self.assertEqual(len(self.processes.running), 1)

    def test_both_at_once(self) -> None:
        """
        Two starts of a key that arrive at once are one call, and one that leaves takes nothing with it.
        """
        self.processes.slow = True
        one, two = self.node.start(), self.node.start()
        one.cancel()
        self.failureResultOf(one, CancelledError)
        self.processes.answer()
        self.assertEqual(self.successResultOf(two).id, self.processes.running[0].process.id)
        self.assertEqual(len(self.processes.running), 1)

    def test_without_key(self) -> None:
        """
        Without a key every start is a call of its own.
        """
        self.assertIsNot(self.started(None), self.started(None))
        self.assertEqual(len(self.processes.running), 2)

    def test_key_of_another(self) -> None:
        """
        A key cannot be used for two functions.
        """
        self.started()
        self.failureResultOf(self.node.start(function="version"), RemoteError)

    def test_unknown(self) -> None:
        """
        Unknown functions, keys and IDs are refused.
        """
        self.failureResultOf(self.node.start(function="rm"), UnknownFunction)
        self.assertRaises(UnknownCall, self.find, "k/unknown")
        self.assertRaises(UnknownCall, self.find, "1:2:3.0:4")

    def test_launcher_gone(self) -> None:
        """
        Without a launcher nothing is started; the key is as unknown as before, and starts when there is one.
        """
        self.processes.gone = True
        self.failureResultOf(self.node.start(), LauncherGone)
        self.assertRaises(UnknownCall, self.find)
        self.processes.gone = False
        self.started()
        self.assertEqual(len(self.processes.running), 1)

    def test_many(self) -> None:
        """
        Over the limit of running calls, further ones are refused until one has ended.
        """
        for _ in range(3):
            self.started(None)
        self.failureResultOf(self.node.start(None), Busy)
        self.processes.running[0].finish(True, None)
        self.started(None)

    def test_registry_full(self) -> None:
        """
        When too many results wait to be acknowledged, keys are refused; acknowledging makes room.
        """
        for number in range(3):
            self.started(f"k/{number}")
            self.processes.running[-1].finish(True, number)
        self.failureResultOf(self.node.start("k/3"), RegistryFull)
        self.successResultOf(Deferred.fromCoroutine(self.node.calls.forget(["k/1"])))
        self.started("k/3")

    def test_stopping(self) -> None:
        """
        A daemon that stops takes no calls, sends SIGTERM to all and waits for them.
        """
        self.started()
        stopped = Deferred.fromCoroutine(self.node.calls.stop())
        self.failureResultOf(self.node.start(None), Busy)
        self.assertEqual(self.processes.running[0].signals, [(signal.SIGTERM, False)])
        self.assertNoResult(stopped)
        self.processes.running[0].exit(Exit(None, signal.SIGTERM))
        self.successResultOf(stopped)


class WaitTests(CallsCase):
    """
    Tests for waiting.
    """

    def test_several(self) -> None:
        """
        All who wait are told of the end; one that leaves disturbs no other.
        """
        call = self.started()
        waits = [Deferred.fromCoroutine(call.wait(10)) for _ in range(3)]
        waits[0].cancel()
        self.failureResultOf(waits[0], CancelledError)
        self.processes.running[0].finish(True, None)
        for each in waits[1:]:
            self.successResultOf(each)

    def test_timeout(self) -> None:
        """
        A wait ends with its time, and at once where that is zero.
        """
        call = self.started()
        wait = Deferred.fromCoroutine(call.wait(10))
        self.node.clock.advance(9.9)
        self.assertNoResult(wait)
        self.node.clock.advance(0.1)
        self.successResultOf(wait)
        self.successResultOf(Deferred.fromCoroutine(call.wait(0)))
        self.assertIsNone(call.outcome)

    def test_died(self) -> None:
        """
        A process that ends without a result has died, and how is told.
        """
        call = self.started()
        self.processes.running[0].exit(Exit(None, 9))
        self.assertEqual(call.outcome, Ended("died", "the function process was killed by signal 9"))

    def test_much_feedback(self) -> None:
        """
        A result behind more feedback than is read at once is found, in several turns.
        """
        call = self.started()
        for _ in range(40):
            self.processes.running[0].feedback("message", "x" * 30_000)
        self.processes.running[0].finish(True, "end")
        self.assertIsNone(call.outcome)
        self.node.clock.pump([0] * 10)
        self.assertEqual(self.value(call), [True, "end"])

    def test_rows(self) -> None:
        """
        The calls are listed with what is known of them.
        """
        self.started()
        self.processes.running[0].feedback("message", "hello")
        self.node.clock.advance(5)
        [row] = self.node.table.rows({})
        self.assertEqual((row.key, row.state, row.age, row.feedback), (KEY, "running", 5, 1))


class EndTests(CallsCase):
    """
    Tests for aborting and forgetting.
    """

    def abort(self, name: str = KEY) -> Deferred[None]:
        """
        Ask for an abort.
        """
        return Deferred.fromCoroutine(self.node.calls.abort(name))

    def forget(self, *keys: str) -> int:
        """
        Acknowledge.
        """
        return self.successResultOf(Deferred.fromCoroutine(self.node.calls.forget(keys)))

    def test_abort(self) -> None:
        """
        An abort is SIGTERM to the whole tree, SIGKILL later, and then the call was aborted.
        """
        call = self.started()
        self.successResultOf(self.abort())
        [fake] = self.processes.running
        self.assertEqual(fake.signals, [(signal.SIGTERM, True)])
        self.node.clock.advance(KILL_AFTER)
        self.assertEqual(fake.signals[1:], [(signal.SIGKILL, True)])
        self.assertEqual(call.outcome, Ended("aborted", "aborted at its caller's request"))

    def test_abort_too_late(self) -> None:
        """
        A function that returns although it was told to end has returned.
        """
        call = self.started()
        self.successResultOf(self.abort())
        self.processes.running[0].finish(True, 7)
        self.assertEqual(self.value(call), [True, 7])
        self.successResultOf(self.abort())

    def test_abort_unknown(self) -> None:
        """
        What was never started cannot be aborted.
        """
        self.failureResultOf(self.abort("k/unknown"), UnknownCall)

    def test_abort_while_starting(self) -> None:
        """
        A call that is aborted while its process is being started ends as soon as there is one.
        """
        self.processes.slow = True
        self.node.start()
        self.successResultOf(self.abort())
        self.processes.answer()
        self.assertEqual(self.processes.running[0].signals, [(signal.SIGTERM, True)])

    def test_abort_unstarted(self) -> None:
        """
        A key that is aborted before it has a process never gets one.
        """
        self.processes.gone = True
        self.failureResultOf(self.node.start(), LauncherGone)
        self.successResultOf(self.abort())
        self.processes.gone = False
        self.assertIsInstance(self.started().outcome, Ended)
        self.assertEqual(self.processes.running, [])

    def test_abort_after(self) -> None:
        """
        A call that runs for longer than its caller allowed is aborted.
        """
        call = self.started(abort_after=60)
        self.node.clock.advance(59)
        self.assertEqual(self.processes.running[0].signals, [])
        self.node.clock.advance(1)
        self.node.clock.advance(KILL_AFTER)
        self.assertEqual(call.outcome, Ended("aborted", "it ran for longer than its caller allowed"))

    def test_kill_again(self) -> None:
        """
        An abort that meets no launcher is carried out when there is one again.
        """
        call = self.started()
        self.processes.gone = True
        self.failureResultOf(self.abort(), LauncherGone)
        self.node.clock.advance(KILL_AFTER)
        self.processes.gone = False
        self.node.clock.advance(KILL_AFTER)
        self.assertEqual(call.state.value, "aborted")

    def test_forget(self) -> None:
        """
        A forgotten call is unknown and its spool gone, also after a restart.
        """
        call = self.started()
        self.processes.running[0].finish(True, None)
        self.assertEqual(self.forget(KEY, KEY, "k/unknown"), 1)
        self.assertRaises(UnknownCall, self.find)
        self.assertFalse(call.spool.exists())
        self.restart()
        self.assertRaises(UnknownCall, self.find)

    def test_forget_running(self) -> None:
        """
        A call that runs is not forgotten.
        """
        call = self.started()
        self.assertEqual(self.forget(KEY), 0)
        self.assertIs(self.find(), call)

    def test_without_key(self) -> None:
        """
        An ended call without a key can be asked for a while longer, and then is gone with its spool.
        """
        call = self.started(None)
        self.processes.running[0].finish(True, None)
        self.assertIs(self.find(call.id or ""), call)
        self.node.clock.advance(KEPT_FOR)
        self.assertRaises(UnknownCall, self.find, call.id)
        self.assertFalse(call.spool.exists())


class RecoveryTests(CallsCase):
    """
    Tests for finding calls again.
    """

    def test_running(self) -> None:
        """
        A call that runs while the daemon is killed is found by its key and its ID, and ends as it would have.
        """
        id = self.started().id
        self.restart()
        call = self.find()
        self.assertIs(self.find(id or ""), call)
        self.assertIs(self.started(), call)
        self.processes.running[0].finish(True, 3)
        self.assertEqual(self.value(call), [True, 3])

    def test_ended_meanwhile(self) -> None:
        """
        The result of a call that ended while there was no daemon is there afterwards; so is a death.
        """
        for number in range(2):
            self.started(f"k/{number}")
        self.processes.daemon_killed()
        self.processes.running[0].finish(True, 3)
        self.processes.running[1].exit(Exit(None, 9))
        self.restart()
        self.assertEqual(self.value(self.find("k/0")), [True, 3])
        self.assertEqual(self.find("k/1").state.value, "died")

    def test_ended_before(self) -> None:
        """
        A result that nobody acknowledged outlives the daemon, and the launcher too.
        """
        for number in range(2):
            self.started(f"k/{number}")
        self.processes.running[0].finish(False, "no")
        self.processes.running[1].exit(Exit(1, None))
        self.processes.launcher_replaced()
        self.restart()
        self.assertEqual(self.value(self.find("k/0")), [False, "no"])
        self.assertEqual(self.find("k/1").state.value, "died")
        self.assertEqual(len(self.processes.running), 0)

    def test_killed_before_start(self) -> None:
        """
        A key that was registered and whose process was not asked for is unknown, and can be started, once.
        """
        self.processes.slow = True
        self.node.start()
        self.restart()
        self.assertRaises(UnknownCall, self.find)
        self.processes.slow = False
        self.started()
        self.assertEqual(len(self.processes.running), 1)

    def test_killed_before_it_began(self) -> None:
        """
        With an empty spool that nobody holds, too: launcher and daemon were killed before anything was run.
        """
        self.processes.slow = True
        self.node.start()
        [entry] = self.node.recovery._registry.entries.values()
        spools = self.node.directory / "spool"
        spools.mkdir(exist_ok=True)
        os.close(spool.create(spools, entry.registered.suffix))
        self.restart()
        self.assertRaises(UnknownCall, self.find)
        self.processes.slow = False
        self.started()
        self.assertEqual(len(self.processes.running), 1)

    def test_without_launcher(self) -> None:
        """
        A process that no launcher knows is followed by its spool's lock.
        """
        self.started()
        [fake] = self.processes.running
        self.processes.daemon_killed()
        self.processes.running = []
        self.restart()
        call = self.find()
        wait = Deferred.fromCoroutine(call.wait(60))
        self.node.clock.advance(LOOK_EVERY)
        self.assertNoResult(wait)
        fake.finish(True, 5)
        self.node.clock.advance(LOOK_EVERY)
        self.successResultOf(wait)
        self.assertEqual(self.value(call), [True, 5])

    def test_machine_restarted(self) -> None:
        """
        After a restart of the machine a key without a result has died, whether or not its process was there;
        one with a result still has it.
        """
        self.started("k/ended")
        self.processes.running[0].finish(True, 1)
        self.started("k/running")
        self.processes.slow = True
        self.node.start("k/starting")
        self.processes.machine_restarted()
        self.node.boot = "boot-2"
        self.restart()
        self.assertEqual(self.value(self.find("k/ended")), [True, 1])
        for key in ("k/running", "k/starting"):
            self.assertEqual(self.find(key).state.value, "died")
            self.assertIn("restarted", str(self.find(key).outcome))

    def test_aborting(self) -> None:
        """
        An abort that was asked for before a restart is carried out after it.
        """
        self.started()
        Deferred.fromCoroutine(self.node.calls.abort(KEY))
        self.restart()
        self.node.clock.advance(KILL_AFTER)
        self.assertEqual(self.find().state.value, "aborted")

    def test_sweep(self) -> None:
        """
        Spools of which nobody knows any more are removed; those of running and of known calls stay.
        """
        self.started()
        self.processes.running[0].finish(True, None)
        unknown = self.started(None)
        running = self.started(None)
        self.processes.daemon_killed()
        self.processes.running[1].exit(Exit(0, None))
        self.processes.running = []
        self.restart()
        self.node.recovery.sweep()
        self.assertEqual(
            [self.find().spool.exists(), unknown.spool.exists(), running.spool.exists()], [True, False, True]
        )
