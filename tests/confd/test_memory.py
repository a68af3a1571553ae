"""
Tests for L{gnttwist.confd.memory}.
"""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.confd.memory import give_back

SIZE = 40_000_000
PIECE = 1_000


def resident() -> int:
    """
    This process's memory, in bytes.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


class GiveBackTests(SynchronousTestCase):
    """
    Tests for L{give_back}.
    """

    def test_given_back(self) -> None:
        """
        What many small objects took is the system's again.
        """
        give_back()
        before = resident()
        pieces = [bytes(PIECE) for _ in range(SIZE // PIECE)]
        # The last one keeps the allocator from giving back anything by itself.
        pieces[:-1] = []
        give_back()
        self.assertLess(resident() - before, SIZE // 4)
        self.assertEqual(len(pieces), 1)
