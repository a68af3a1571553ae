"""
Signals that tell a daemon something, also where several daemons are one process.
"""

import signal
from collections.abc import Callable
from types import FrameType

from twisted.internet.interfaces import IReactorFromThreads


def on_signal(reactor: IReactorFromThreads, number: int, action: Callable[[], object]) -> None:
    """
    Do something in the reactor whenever a signal arrives, after what is done then already.
    """
    before = signal.getsignal(number)

    def received(number: int, frame: FrameType | None) -> None:
        if callable(before):
            before(number, frame)
        reactor.callFromThread(action)

    signal.signal(number, received)
