"""
Tests for L{gnttwist.jobs.log}.
"""

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.jobs.log import MAX_LINES, MAX_TEXT, JobLog

NOW = (1, 2)


class JobLogTests(SynchronousTestCase):
    """
    Tests for L{JobLog}.
    """

    def test_serials(self) -> None:
        """
        Lines count from 1, over all opcodes.
        """
        log = JobLog()
        for op, text in ((0, "a"), (0, "b"), (1, "c")):
            log.add(NOW, text, op=op)
        self.assertEqual([each.serial for each in log.lines], [1, 2, 3])

    def test_step_writes_once(self) -> None:
        """
        A replayed step does not write its line again, also when the log was read from the store.
        """
        log = JobLog()
        self.assertIsNotNone(log.add(NOW, "a", op=0, step="0/log"))
        self.assertIsNone(JobLog(log.lines).add(NOW, "a", op=0, step="0/log"))

    def test_seen(self) -> None:
        """
        The last forwarded feedback of each call is known, also when the log was read from the store.
        """
        log = JobLog()
        for key, serial in (("k/1", 1), ("k/1", 3), ("k/2", 2)):
            log.add(NOW, "x", op=0, call=(key, serial))
        again = JobLog(log.lines)
        self.assertEqual([again.seen(each) for each in ("k/1", "k/2", "k/3")], [3, 2, 0])

    def test_bounded(self) -> None:
        """
        Beyond the bound lines are counted, and one line says how many, once.
        """
        log = JobLog()
        for _ in range(MAX_LINES + 7):
            log.add(NOW, "x", op=0)
        last = log.own_up(NOW, 0)
        assert last is not None
        self.assertTrue(last.payload.startswith("7 more lines"))
        self.assertEqual(len(log.lines), MAX_LINES + 1)
        self.assertIsNone(log.own_up(NOW, 0))

    def test_long_lines(self) -> None:
        """
        A line that is too long is cut, and structured payload that is too large is left out.
        """
        log = JobLog()
        log.add(NOW, "x" * (MAX_TEXT + 1), op=0)
        log.add(NOW, ["x" * MAX_TEXT], op=0, type="remote-import")
        self.assertEqual(log.lines[0].payload, "x" * MAX_TEXT + " [...]")
        self.assertEqual(list(log.lines[1].payload), ["left_out"])
