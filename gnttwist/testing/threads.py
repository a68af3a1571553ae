"""
A stand-in for the reactor where only C{callFromThread} is needed: the test's own thread runs what other threads ask.
"""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import ParamSpec, TypeVar

from zope.interface import implementer

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

P = ParamSpec("P")
T = TypeVar("T")


@implementer(IReactorFromThreads)
class ThreadPump:
    """
    Runs other threads' calls whenever a test waits.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(self, callable: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """
        Keep a call for L{wait}.
        """
        self._calls.put(lambda: callable(*args, **kwargs))

    def wait(self, deferred: Deferred[T], seconds: float = 30) -> T:
        """
        Run calls until C{deferred} fires, and give its result.

        @raise TimeoutError: No call came for so long.
        """
        results: list[T | Failure] = []
        deferred.addBoth(results.append)
        while not results:
            try:
                self._calls.get(timeout=seconds)()
            except Empty:
                raise TimeoutError(f"nothing happened for {seconds} s") from None
        (result,) = results
        if isinstance(result, Failure):
            result.raiseException()
            raise AssertionError("raiseException returned")
        return result
