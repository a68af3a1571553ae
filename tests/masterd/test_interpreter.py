"""
Tests for L{gnttwist.masterd.interpreter}.
"""

from typing import Any

from attrs import define, field

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.masterd.interpreter import INTERVAL, SWITCH, THRESHOLDS, Interpreter


@define
class FakeInterpreter:
    """
    C{gc} and C{sys} at once.
    """

    thresholds: tuple[int, int, int] = (700, 10, 10)
    switch: float = 0.005
    asked: list[Any] = field(factory=list)

    def collect(self) -> int:
        """
        Nothing is ever found.
        """
        self.asked.append("collect")
        return 0

    def freeze(self) -> None:
        """
        Keep that it was asked.
        """
        self.asked.append("freeze")

    def get_threshold(self) -> tuple[int, int, int]:
        """
        What was set.
        """
        return self.thresholds

    def set_threshold(self, first: int, second: int, third: int, /) -> None:
        """
        Keep it.
        """
        self.thresholds = (first, second, third)

    def getswitchinterval(self) -> float:
        """
        What was set.
        """
        return self.switch

    def setswitchinterval(self, seconds: float, /) -> None:
        """
        Keep it.
        """
        self.switch = seconds


class InterpreterTests(SynchronousTestCase):
    """
    Tests for L{Interpreter}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.fake = FakeInterpreter()
        self.service = Interpreter(self.clock, self.fake, self.fake)

    def test_start(self) -> None:
        """
        What is there at the start is looked at once, and then never again.
        """
        self.service.startService()
        self.assertEqual(self.fake.asked, ["collect", "freeze"])
        self.assertEqual((self.fake.thresholds, self.fake.switch), (THRESHOLDS, SWITCH))

    def test_now_and_then(self) -> None:
        """
        Everything newer is looked at in each interval.
        """
        self.service.startService()
        self.clock.pump([INTERVAL, INTERVAL])
        self.assertEqual(self.fake.asked[2:], ["collect", "collect"])

    def test_stop(self) -> None:
        """
        A process that goes on without the service is as it was before.
        """
        self.service.startService()
        self.service.stopService()
        self.assertEqual((self.fake.thresholds, self.fake.switch), ((700, 10, 10), 0.005))
        self.assertEqual(self.clock.getDelayedCalls(), [])
