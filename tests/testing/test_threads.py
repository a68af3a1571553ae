"""
Tests for L{gnttwist.testing.threads}.
"""

from threading import Thread, get_ident

from zope.interface.verify import verifyObject

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.testing.threads import ThreadPump


class ThreadPumpTests(SynchronousTestCase):
    """
    Tests for L{ThreadPump}.
    """

    def setUp(self) -> None:
        self.pump = ThreadPump()

    def test_interface(self) -> None:
        """
        It is what code asks for that has threads of its own.
        """
        verifyObject(IReactorFromThreads, self.pump)

    def test_runs_here(self) -> None:
        """
        Calls of other threads run in the waiting one, in order.
        """
        ran: list[tuple[str, int]] = []
        done: Deferred[str] = Deferred()

        def run(name: str) -> None:
            ran.append((name, get_ident()))

        def body() -> None:
            for name in "ab":
                self.pump.callFromThread(run, name)
            self.pump.callFromThread(done.callback, "done")

        thread = Thread(target=body)
        thread.start()
        self.assertEqual(self.pump.wait(done), "done")
        thread.join()
        self.assertEqual(ran, [("a", get_ident()), ("b", get_ident())])

    def test_results(self) -> None:
        """
        A result is returned, a failure raised, and silence is an error.
        """
        self.assertEqual(self.pump.wait(succeed(7)), 7)
        self.assertRaises(KeyError, self.pump.wait, fail(KeyError()))
        self.assertRaises(TimeoutError, self.pump.wait, Deferred(), 0.01)
