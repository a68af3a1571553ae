"""
kill -9 of gnt-noded, and of its launcher, at random moments while calls come and go.
"""

import os
import random
import signal
from collections import Counter

from twisted.internet import reactor  # noqa: TID251 - real processes and sockets
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from gnttwist.client.nodes import HTTPNodeCaller
from gnttwist.jobs.calls import Call
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
        await self.run_all(with_launcher=False)

    @asynchronous
    async def test_daemon_and_launcher(self) -> None:
        """
        Daemon and launcher are killed together; what the launcher had forked goes on.
        """
        await self.run_all(with_launcher=True)

    async def run_all(self, *, with_launcher: bool) -> None:
        """
        Let callers call while a killer kills.
        """
        await self.start_daemon()
        caller = self.caller()
        killing = Deferred.fromCoroutine(self.kill_again_and_again(with_launcher))
        callers = [Deferred.fromCoroutine(self.call_on(caller, number)) for number in range(CALLERS)]
        await gatherResults(callers, consumeErrors=True)
        self.over = True
        kills = await killing
        counts = Counter(len(each.read_text().splitlines()) for each in self.traces.iterdir())
        self.assertEqual(counts, {1: CALLERS * CALLS_EACH}, f"seed {SEED}")
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
            result = await caller.call(
                self.node,
                Call("test_delay", arguments, self.key(number, call)),
                lambda each, heard=heard: heard.append(each.serial),  # type: ignore[misc]
            )
            self.assertEqual(result, name)
            self.assertEqual(heard, list(range(1, talk + 1)))

    async def kill_again_and_again(self, with_launcher: bool) -> int:
        """
        Kill, and start again; tell how often.
        """
        kills = 0
        while kills < KILLS and not self.over:
            await deferLater(reactor, self.random.uniform(0, 0.6))
            launcher = launcher_pid(self.paths)
            ended = self.daemons[-1].kill(signal.SIGKILL)
            if with_launcher and launcher is not None:
                os.kill(launcher, signal.SIGKILL)
            await ended
            kills += 1
            await self.start_daemon()
        return kills
