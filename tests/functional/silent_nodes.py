"""
Nodes that fall silent: their packets are dropped, or their daemon hangs.

Run by L{tests.functional.test_silence} in a network namespace of its own, as nothing else may miss the packets.
"""

import os
import signal
import subprocess

from twisted.internet import reactor  # noqa: TID251 - real processes and sockets
from twisted.internet.defer import Deferred

from gnttwist.errors import NotAnswering
from gnttwist.jobs.calls import Call, Feedback
from tests.functional.test_noded import KEY, ignore
from tests.noded.daemon import Daemon, DaemonCase
from tests.noded.process_conformance import asynchronous

SILENCE = float(os.environ.get("GNT_SILENCE", "1"))
"""
Seconds after which silence is to show. By hand, C{GNT_SILENCE=30} has gnt-masterd's own.
"""

MARGIN = 0.5
"""
Seconds that it may be told later: two processes on a machine that does other things.
"""


class SilenceTests(DaemonCase):
    """
    Tests of what a master makes of silence.
    """

    reactor = reactor
    timeout = int(30 + 4 * SILENCE)

    def setUp(self) -> None:
        super().setUp()
        run("ip", "link", "set", "lo", "up")
        self.told: list[tuple[float, str]] = []
        self.heard: list[int] = []
        self.shown: Deferred[float] = Deferred()

    def silent(self, seconds: float, why: str) -> None:
        """
        Note what is told of the node.
        """
        self.told.append((seconds, why))
        if not self.shown.called:
            self.shown.callback(self.reactor.seconds())

    def listen(self, feedback: Feedback) -> None:
        """
        Note feedback, and that the call runs.
        """
        self.heard.append(feedback.serial)
        if not self.running.called:
            self.running.callback(None)

    async def begin(self) -> tuple[Daemon, Deferred[str]]:
        """
        Start a daemon, and a call there that has been heard of and takes longer than the silence that is to come.
        """
        daemon = await self.start_daemon()
        self.running: Deferred[None] = Deferred()
        duration = SILENCE + 1
        arguments = [str(self.paths.root), "trace", duration, int(10 * duration)]
        caller = self.caller(patience=10 * SILENCE, silence=SILENCE)
        calling = caller.call(self.node, Call("test_delay", arguments, KEY), self.listen, self.silent)
        await self.running
        return daemon, calling

    async def check_silence(self, since: float) -> None:
        """
        It shows in time, in calls that run and in those that begin only now.
        """
        late: Deferred[float] = Deferred()

        def told(seconds: float, why: str) -> None:
            if seconds and not late.called:
                late.callback(self.reactor.seconds())

        # It gives up at its first attempt that ends after the node was silent for so long.
        caller = self.caller(patience=SILENCE, silence=SILENCE)
        refused = caller.call(self.node, Call("version", [], "another"), ignore, told)
        for shown in (self.shown, late):
            after = await shown - since
            self.assertTrue(SILENCE - MARGIN <= after <= SILENCE + MARGIN, after)
        with self.assertRaises(NotAnswering) as caught:
            await refused
        self.assertRegex(str(caught.exception), "^Node node1 does not answer since .*: nothing came for")

    async def check_end(self, calling: Deferred[str]) -> None:
        """
        The call has run once, and all of it is heard.
        """
        self.assertEqual(await calling, "trace")
        self.assertEqual(self.told[-1], (0.0, ""))
        self.assertEqual(self.heard, list(range(1, len(self.heard) + 1)))
        self.assertEqual(len((self.paths.root / "trace").read_text().splitlines()), 1)

    @asynchronous
    async def test_dead_machine(self) -> None:
        """
        A machine that vanishes without a word shows within the limit; when it is back, its calls go on.
        """
        _, calling = await self.begin()
        run("tc", "qdisc", "add", "dev", "lo", "root", "blackhole")
        await self.check_silence(self.reactor.seconds())
        run("tc", "qdisc", "del", "dev", "lo", "root")
        await self.check_end(calling)

    @asynchronous
    async def test_hung_daemon(self) -> None:
        """
        A daemon that hangs, whose kernel still acknowledges what is sent, shows within the limit.
        """
        daemon, calling = await self.begin()
        assert daemon.transport is not None, "it runs"
        daemon.transport.signalProcess(signal.SIGSTOP)
        await self.check_silence(self.reactor.seconds())
        daemon.transport.signalProcess(signal.SIGCONT)
        await self.check_end(calling)


def run(*command: str) -> None:
    """
    Change this namespace's network.
    """
    subprocess.run(command, check=True, timeout=10)
