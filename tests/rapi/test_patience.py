"""
Tests for L{gnttwist.rapi.jobs.patience}.
"""

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.rapi.failures import BadRequest
from gnttwist.rapi.jobs import CROWDED_WAIT_TIME, MANY, WAIT_LIMIT, WAIT_TIME, patience


class PatienceTests(SynchronousTestCase):
    """
    Tests for how long requests wait.
    """

    def test_unasked(self) -> None:
        """
        Few wait as long as with Ganeti; many wait longer, so that they do not ask again all the time, within a bound.
        """
        self.assertEqual([patience(None, each) for each in (0, 1, MANY)], [WAIT_TIME] * 3)
        self.assertEqual(patience(None, 2 * MANY), 2 * WAIT_TIME)
        self.assertEqual(patience(None, 100 * MANY), CROWDED_WAIT_TIME)

    def test_asked(self) -> None:
        """
        Who says how long waits so long, however many others do.
        """
        self.assertEqual([patience(each, 9 * MANY) for each in (0, 7, WAIT_LIMIT)], [0, 7, WAIT_LIMIT])

    def test_refused(self) -> None:
        """
        A wait that is too long, or none, is refused.
        """
        for each in (-1, WAIT_LIMIT + 1):
            self.assertIn("timeout", str(self.assertRaises(BadRequest, patience, each, 0)))
