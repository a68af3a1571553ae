"""
How gnt-masterd uses its interpreter, so that nobody waits for it: when garbage is looked for, and how soon a thread
gives way to another one.

Both are the whole process's, which is why a service sets them and sets them back.
"""

from collections.abc import Callable
from typing import Any, Protocol

from attrs import define, field

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

THRESHOLDS = (20_000, 10, 1_000_000)
"""
After how many new objects the youngest are looked at, and after how many such looks the older ones: looking at 20,000
takes one to two milliseconds. The oldest are not looked at because of numbers: with 10,000 jobs in memory that takes
a tenth of a second, and Python would do it in the middle of every long answer.
"""

INTERVAL = 600.0
"""
Seconds between two looks at everything. Values here have no cycles and go when they are not used any more; what needs
such a look is what errors leave, some kilobytes each.
"""

SWITCH = 0.0005
"""
Seconds after which a thread that computes lets another one go on that wants to. The store's writing thread wants to
some times in each commit, and with Python's 5 ms submissions waited for that rather than for the disk.
"""


class Collector(Protocol):
    """
    The module C{gc}, or as much of it as is used.
    """

    def collect(self) -> int:
        """
        Look at everything.
        """

    def freeze(self) -> None:
        """
        Look at nothing any more that there is now.
        """

    def get_threshold(self) -> tuple[int, int, int]:
        """
        The numbers that start a look.
        """

    def set_threshold(self, first: int, second: int, third: int, /) -> None:
        """
        Change them.
        """


class Threads(Protocol):
    """
    The module C{sys}, or as much of it as is used.
    """

    def getswitchinterval(self) -> float:
        """
        Seconds until a thread gives way.
        """

    def setswitchinterval(self, seconds: float, /) -> None:
        """
        Change that.
        """


@define(eq=False, slots=False, repr=False)
class Interpreter(Service):
    """
    Sets the process up when its long-lived state has been read, and looks at everything now and then.
    """

    _log = Logger()
    _clock: IReactorTime
    _collector: Collector
    _threads: Threads
    _looping: LoopingCall | None = field(default=None, init=False)
    _before: Callable[[], None] | None = field(default=None, init=False)

    def startService(self) -> None:
        super().startService()
        thresholds, switch = self._collector.get_threshold(), self._threads.getswitchinterval()
        self._before = lambda: self._set(thresholds, switch)
        self._set(THRESHOLDS, SWITCH)
        # Modules, the configuration and the jobs that were found stay, or go one by one.
        self._collector.collect()
        self._collector.freeze()
        looping = LoopingCall(self._look)
        looping.clock = self._clock
        looping.start(INTERVAL, now=False)
        self._looping = looping

    def stopService(self) -> None:
        super().stopService()
        if self._looping is not None:
            self._looping.stop()
            self._looping = None
        if self._before is not None:
            self._before()
            self._before = None

    def _set(self, thresholds: tuple[int, int, int], switch: float) -> None:
        self._collector.set_threshold(*thresholds)
        self._threads.setswitchinterval(switch)

    def _look(self) -> None:
        began = self._clock.seconds()
        found: Any = self._collector.collect()
        self._log.debug(
            "looked for garbage in {seconds:.3f} s and found {found}",
            seconds=self._clock.seconds() - began,
            found=found,
        )
