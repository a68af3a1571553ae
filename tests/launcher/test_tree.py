"""
Tests for L{gnttwist.launcher.tree}.
"""

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.launcher.tree import Stat, belonging, parse_stat


def stat(pid: int, parent: int, session: int, begun: int = 0) -> Stat:
    """
    A process.
    """
    return Stat(pid, parent, session, begun)


def table(*stats: Stat) -> dict[int, Stat]:
    """
    Processes by number.
    """
    return {each.pid: each for each in stats}


class TreeTests(SynchronousTestCase):
    """
    Tests for what belongs to a process.
    """

    def test_stat(self) -> None:
        """
        Number, parent, session and beginning are read, whatever the command's name holds.
        """
        line = "12 (a) S 1 (b)) S 3 12 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 5555 1000 20"
        self.assertEqual(parse_stat(line), Stat(12, 3, 7, 5555))

    def test_zombie(self) -> None:
        """
        A process that has ended is none.
        """
        self.assertIsNone(parse_stat("12 (sh) Z 3 12 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 5555 1000 20"))

    def test_descendants(self) -> None:
        """
        Children belong, in whatever session, and theirs.
        """
        found = belonging(table(stat(10, 1, 10), stat(11, 10, 10), stat(12, 11, 12), stat(20, 1, 20)), 10)
        self.assertEqual(found, {10, 11, 12})

    def test_session(self) -> None:
        """
        Members of the session belong after their parents have ended, and without the leader.
        """
        self.assertEqual(belonging(table(stat(11, 1, 10), stat(12, 11, 12), stat(20, 1, 20)), 10), {11, 12})

    def test_seen(self) -> None:
        """
        What was seen before belongs still, unless its number is another process's by now.
        """
        seen = [stat(11, 10, 11, begun=5), stat(12, 10, 12, begun=5)]
        now = table(stat(11, 1, 11, begun=5), stat(13, 11, 13), stat(12, 1, 12, begun=9))
        self.assertEqual(belonging(now, 10, seen), {11, 13})

    def test_guests(self) -> None:
        """
        A guest does not belong, nor what it started.
        """
        processes = table(stat(10, 1, 10), stat(11, 10, 11), stat(12, 11, 12))
        self.assertEqual(belonging(processes, 10, guests=[11]), {10})
