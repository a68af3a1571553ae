"""
Tests for L{gnttwist.noded.lost_starts}.
"""

import os
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.launcher import protocol, spool
from gnttwist.launcher.records import Begin
from gnttwist.noded.lost_starts import BEGIN_WAIT, LostStarts, Starting
from gnttwist.noded.processes import Exit, LauncherGone, Process, Start

SUFFIX = "1.000000:00ff"


class Silent:
    """
    A listener that nobody asks.
    """

    def woken(self) -> None:
        """
        See L{gnttwist.noded.processes.Listener.woken}.
        """

    def exited(self, how: Exit) -> None:
        """
        See L{gnttwist.noded.processes.Listener.exited}.
        """


class LostStartTests(SynchronousTestCase):
    """
    What became of a start is read from the spool.
    """

    def setUp(self) -> None:
        self.spools = Path(self.mktemp())
        self.spools.mkdir()
        self.clock = Clock()
        self.found: list[protocol.Child] = []
        self.lost = LostStarts(self.clock, self.spools, lambda _, child: self.found.append(child))
        self.deferred: Deferred[Process] = Deferred()

    def settle(self) -> None:
        """
        Find out about a start.
        """
        request = Start("test_delay", b"[1]", SUFFIX, "k/1")
        self.lost.settle(Starting(request, Silent(), self.deferred))

    def begin(self, descriptor: int) -> None:
        """
        Do as a function process that has got its descriptors.
        """
        writer = spool.SpoolWriter(descriptor, 1 << 20, lambda: 0.0, lambda: None)
        writer.begin(Begin(f"1:2:{SUFFIX}", "test_delay", "k/1", 2, 1.0))

    def test_no_spool(self) -> None:
        """
        Without a spool there is no process.
        """
        self.settle()
        self.failureResultOf(self.deferred, LauncherGone)

    def test_never_began(self) -> None:
        """
        An empty spool that nobody holds is of a launcher that was killed before it forked: nothing was run, and the
        next start finds the name free.
        """
        os.close(spool.create(self.spools, SUFFIX))
        self.settle()
        self.failureResultOf(self.deferred, LauncherGone)
        self.assertEqual(list(self.spools.iterdir()), [])

    def test_begins(self) -> None:
        """
        A process that has only just been forked is asked again until it has said who it is.
        """
        descriptor = spool.create(self.spools, SUFFIX)
        self.addCleanup(os.close, descriptor)
        self.settle()
        self.assertEqual(self.found, [])
        self.begin(descriptor)
        self.clock.advance(BEGIN_WAIT)
        [child] = self.found
        self.assertEqual((child.pid, child.ended), (2, False))

    def test_killed_before_it_began(self) -> None:
        """
        One that is killed before that has run nothing.
        """
        descriptor = spool.create(self.spools, SUFFIX)
        self.settle()
        os.close(descriptor)
        self.clock.advance(BEGIN_WAIT)
        self.failureResultOf(self.deferred, LauncherGone)

    def test_ended(self) -> None:
        """
        One that had begun and is gone has ended, and is never started again.
        """
        descriptor = spool.create(self.spools, SUFFIX)
        self.begin(descriptor)
        os.close(descriptor)
        self.settle()
        [child] = self.found
        self.assertEqual((child.pid, child.ended), (2, True))
        self.assertTrue((self.spools / SUFFIX).exists())
