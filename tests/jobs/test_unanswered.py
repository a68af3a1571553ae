"""
Tests for L{gnttwist.jobs.unanswered}.
"""

from collections.abc import Sequence

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.jobs.unanswered import PREFIX, REMEMBERED, Submitted, Unanswered, digest
from gnttwist.store.interface import Delete, Entry, Put, Write


class UnansweredTests(SynchronousTestCase):
    """
    Tests for L{Unanswered}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.stored: dict[str, bytes] = {}
        self.unanswered = Unanswered(self.clock.seconds)

    def write(self, writes: Sequence[Write]) -> None:
        """
        Keep what is to be written.
        """
        for each in writes:
            if isinstance(each, Put):
                self.stored[each.key] = each.value
            elif isinstance(each, Delete):
                self.stored.pop(each.key, None)

    def restart(self) -> Unanswered:
        """
        The process after this one.
        """
        self.unanswered = Unanswered(self.clock.seconds)
        entries = [Entry(key, value, 1, 1) for key, value in self.stored.items()]
        self.write(self.unanswered.restore(entries, self.clock.seconds()))
        return self.unanswered

    def test_claimed_once(self) -> None:
        """
        After a restart the first repetition gets the old job, the second a new one.
        """
        self.write([self.unanswered.accept("x", 5)])
        again = self.restart()
        self.assertEqual(
            [again.claim("x"), again.claim("x"), again.claim("y")], [Submitted(5, 0.0), None, None]
        )

    def test_not_without_restart(self) -> None:
        """
        Two equal submissions to one process are two jobs.
        """
        self.write([self.unanswered.accept("x", 5)])
        self.assertIsNone(self.unanswered.claim("x"))

    def test_answered(self) -> None:
        """
        What was answered is not asked for again, and leaves nothing behind.
        """
        self.write([self.unanswered.accept("x", 5)])
        self.write(self.unanswered.answered(5))
        self.assertEqual(self.stored, {})
        self.assertIsNone(self.restart().claim("x"))

    def test_answered_while_equal_waits(self) -> None:
        """
        Of two equal submissions the one that was not answered is kept.
        """
        self.write([self.unanswered.accept("x", 5)])
        self.write([self.unanswered.accept("x", 6)])
        self.write(self.unanswered.answered(5))
        self.assertEqual(self.restart().claim("x"), Submitted(6, 0.0))

    def test_many(self) -> None:
        """
        Many jobs are one submission, which knows how far it came.
        """
        self.write([self.unanswered.accept("x", 5, 104)])
        self.write([self.unanswered.accept("x", 5, 204)])
        self.assertEqual(self.restart().claim("x"), Submitted(5, 0.0, 204))
        self.assertIsNone(self.unanswered.claim("x"))
        self.write(self.unanswered.answered(5))
        self.assertEqual(self.stored, {})

    def test_before(self) -> None:
        """
        What was noted by a version that knew single jobs only is understood.
        """
        self.stored[f"{PREFIX}x"] = b'{"jobs":[[5,0.0]]}'
        self.assertEqual(self.restart().claim("x"), Submitted(5, 0.0))

    def test_second_restart(self) -> None:
        """
        A claimed job whose answer is lost once more can be claimed once more.
        """
        self.write([self.unanswered.accept("x", 5)])
        self.restart().claim("x")
        self.assertEqual(self.restart().claim("x"), Submitted(5, 0.0))

    def test_old(self) -> None:
        """
        What was accepted long before the stop, and what nobody asked for long after the start, is forgotten.
        """
        self.write([self.unanswered.accept("x", 5)])
        self.clock.advance(REMEMBERED + 1)
        self.assertIsNone(self.restart().claim("x"))
        self.assertEqual(self.stored, {})
        self.write([self.unanswered.accept("y", 6)])
        self.restart()
        self.clock.advance(REMEMBERED + 1)
        self.assertIsNone(self.unanswered.claim("y"))
        self.write(self.unanswered.expire())
        self.assertEqual(self.stored, {})

    def test_expires_while_running(self) -> None:
        """
        An answer that is never written is not remembered for ever.
        """
        self.write([self.unanswered.accept("x", 5)])
        self.clock.advance(REMEMBERED + 1)
        self.write(self.unanswered.expire())
        self.assertEqual(self.stored, {})

    def test_digest(self) -> None:
        """
        Another user's equal request is another one.
        """
        self.assertNotEqual(digest(0, b"x"), digest(1000, b"x"))
