"""
kill -9 of gnt-noded, of its launcher and of function processes, at random moments while calls come and go.
"""

import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet import reactor  # noqa: TID251 - real processes and sockets
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from gnttwist.client.nodes import HTTPNodeCaller
from gnttwist.errors import FunctionDied
from gnttwist.jobs.calls import Call
from gnttwist.launcher.tree import processes
from tests.noded.daemon import DaemonCase, launcher_pid
from tests.noded.process_conformance import asynchronous

CALLERS = 6
CALLS_EACH = 8
KILLS = 5
SEED = int(os.environ.get("GNTTWIST_SEED", "20261121"))


class NodedKillTests(DaemonCase):
    """
    Every call is accounted for: it ran once, its feedback came once and in order, and its result arrived.
    """

    timeout = 90
    reactor = reactor

    def setUp(self) -> None:
        super().setUp()
        self.random = random.Random(SEED)
        self.traces = self.paths.root / "traces"
        self.traces.mkdir()
        self.over = False

    @asynchronous
    async def test_daemon(self) -> None:
        """
        The daemon is killed again and again, and each time another takes its place.
        """
        await self.run_all(self.kill_daemon)

    @asynchronous
    async def test_daemon_and_launcher(self) -> None:
        """
        Daemon and launcher are killed together; what the launcher had forked goes on.
        """
        await self.run_all(self.kill_daemon_and_launcher)

    @asynchronous
    async def test_launcher(self) -> None:
        """
        The launcher is killed again and again; what it had forked goes on, and the daemon starts another.
        """
        await self.run_all(self.kill_launcher)

    @asynchronous
    async def test_functions(self) -> None:
        """
        Function processes are killed: each such call is told to have died, and none is started again.
        """
        await self.run_all(self.kill_function, may_die=True)

    async def run_all(
        self, kill: Callable[[], Coroutine[Deferred[Any], Any, None]], *, may_die: bool = False
    ) -> None:
        """
        Let callers call while a killer kills.
        """
        await self.start_daemon()
        caller = self.caller()
        self.may_die, self.died = may_die, 0
        killing = Deferred.fromCoroutine(self.kill_again_and_again(kill))
        callers = [Deferred.fromCoroutine(self.call_on(caller, number)) for number in range(CALLERS)]
        await gatherResults(callers, consumeErrors=True)
        self.over = True
        kills = await killing
        counts = Counter(len(each.read_text().splitlines()) for each in self.traces.iterdir())
        # One that dies may have left no trace yet.
        self.assertEqual(set(counts), {1}, f"seed {SEED}")
        self.assertTrue(CALLERS * CALLS_EACH - self.died <= counts[1] <= CALLERS * CALLS_EACH, f"seed {SEED}")
        self.assertEqual(self.died > 0, may_die, f"seed {SEED}")
        self.assertGreater(kills, 1, "there was too little time to kill anything")
        await caller.forget(self.node, [self.key(c, n) for c in range(CALLERS) for n in range(CALLS_EACH)])
        self.assertEqual(list(self.paths.spool.iterdir()), [])

    def key(self, number: int, call: int) -> str:
        """
        A call's key.
        """
        return f"k/cluster/epoch/{number}/{call}/1"

    async def call_on(self, caller: HTTPNodeCaller, number: int) -> None:
        """
        Make calls, one after the other.
        """
        for call in range(CALLS_EACH):
            name = f"{number}-{call}"
            talk = self.random.choice([0, 3, 20])
            arguments = [str(self.traces), name, self.random.uniform(0, 0.6), talk]
            heard: list[int] = []
            try:
                result = await caller.call(
                    self.node,
                    Call("test_delay", arguments, self.key(number, call)),
                    lambda each, heard=heard: heard.append(each.serial),  # type: ignore[misc]
                )
            except FunctionDied:
                if not self.may_die:
                    raise
                self.died += 1
                self.assertEqual(heard, list(range(1, len(heard) + 1)))
            else:
                self.assertEqual(result, name)
                self.assertEqual(heard, list(range(1, talk + 1)))

    async def kill_again_and_again(self, kill: Callable[[], Coroutine[Deferred[Any], Any, None]]) -> int:
        """
        Kill; tell how often.
        """
        kills = 0
        while kills < KILLS and not self.over:
            await deferLater(reactor, self.random.uniform(0, 0.6))
            await kill()
            kills += 1
        return kills

    async def kill_daemon(self) -> None:
        """
        Kill the daemon, and start another.
        """
        await self.daemons[-1].kill(signal.SIGKILL)
        await self.start_daemon()

    async def kill_launcher(self) -> None:
        """
        Kill the launcher, if it has come back since the last time.
        """
        launcher = launcher_pid(self.paths)
        if launcher is not None:
            os.kill(launcher, signal.SIGKILL)

    async def kill_daemon_and_launcher(self) -> None:
        """
        Kill both, and start another daemon.
        """
        ended = self.daemons[-1].kill(signal.SIGKILL)
        await self.kill_launcher()
        await ended
        await self.start_daemon()

    async def kill_function(self) -> None:
        """
        Kill one of the function processes that run, if there is any.
        """
        launcher = launcher_pid(self.paths)
        running = [each.pid for each in processes().values() if each.parent == launcher]
        if running:
            # It may have ended by itself just now; the launcher has not reaped it, or it is nobody's number yet.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.random.choice(running), signal.SIGKILL)
