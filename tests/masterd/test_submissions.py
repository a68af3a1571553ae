"""
Tests for L{gnttwist.masterd.submissions}.
"""

from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.masterd.peer import Peer
from gnttwist.masterd.submissions import COLLECT, MOST, SubmissionLog

ONE = Peer(pid=1, uid=10, gid=10)
OTHER = Peer(pid=2, uid=20, gid=20)


class SubmissionLogTests(SynchronousTestCase):
    """
    Tests for L{SubmissionLog}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.log = SubmissionLog(self.clock)
        self.events = EventLoggingObserver()
        globalLogPublisher.addObserver(self.events)
        self.addCleanup(globalLogPublisher.removeObserver, self.events)

    def lines(self) -> list[str]:
        """
        What was written.
        """
        return [formatEvent(each) for each in self.events]

    def test_one(self) -> None:
        """
        A job has a line with its client's credentials.
        """
        self.log.add(ONE, [7])
        self.assertEqual(self.lines(), [])
        self.clock.advance(COLLECT)
        self.assertEqual(self.lines(), ["job 7 submitted by Peer(pid=1, uid=10, gid=10)"])

    def test_collected(self) -> None:
        """
        What one client submits within a moment is one line, and other clients have theirs.
        """
        for peer, job in ((ONE, 1), (OTHER, 2), (ONE, 3)):
            self.log.add(peer, [job])
        self.clock.advance(COLLECT)
        self.assertEqual(
            self.lines(),
            [
                "jobs [1, 3] submitted by Peer(pid=1, uid=10, gid=10)",
                "job 2 submitted by Peer(pid=2, uid=20, gid=20)",
            ],
        )
        self.clock.advance(COLLECT)
        self.assertEqual(len(self.lines()), 2)

    def test_bounded(self) -> None:
        """
        Many jobs do not wait.
        """
        self.log.add(ONE, range(MOST))
        self.assertEqual(len(self.lines()), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
