"""
Tests for L{gnttwist.net.signals}.
"""

import signal
from functools import partial
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.net.signals import on_signal


class FakeReactor:
    """
    Keeps what it is to call.
    """

    def __init__(self) -> None:
        self.called: list[Any] = []

    def callFromThread(self, action: Any) -> None:
        """
        Later.
        """
        self.called.append(action)


class OnSignalTests(SynchronousTestCase):
    """
    Tests for L{on_signal}.
    """

    def test_several(self) -> None:
        """
        Everybody who asked is told, in the reactor and not in the signal's handler, in the order of asking.
        """
        before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        told: list[str] = []
        reactor = FakeReactor()
        for name in ("noded", "rapi"):
            on_signal(cast(Any, reactor), signal.SIGHUP, partial(told.append, name))
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual(told, [])
        for each in reactor.called:
            each()
        self.assertEqual(told, ["noded", "rapi"])
