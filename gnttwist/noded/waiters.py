"""
Several who wait for the same thing, each with a Deferred of its own: one that leaves disturbs no other.
"""

from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from attrs import define, field

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


@define(eq=False)
class Bell:
    """
    Something that happens again and again.
    """

    _waiting: list[Deferred[None]] = field(factory=list, init=False)

    def wait(self) -> Deferred[None]:
        """
        Fires when it is rung next. May be cancelled.
        """
        waiting: Deferred[None] = Deferred(self.leave)
        self._waiting.append(waiting)
        return waiting

    def leave(self, waiting: Deferred[None]) -> None:
        """
        Wait no longer; C{waiting} never fires.
        """
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    def ring(self) -> None:
        """
        Wake those who wait now.
        """
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)


class Shared(Generic[T]):
    """
    One piece of work that goes on although those who wait for it leave.
    """

    def __init__(self, work: Coroutine[Deferred[Any], Any, T]) -> None:
        self._bell = Bell()
        self._values: list[T] = []
        self._error: BaseException | None = None
        Deferred.fromCoroutine(work).addCallbacks(self._values.append, self._fail).addBoth(self._end)

    def _fail(self, failure: Failure) -> None:
        self._error = failure.value

    def _end(self, result: object) -> None:
        self._bell.ring()

    @property
    def over(self) -> bool:
        """
        Whether the work has ended.
        """
        return bool(self._values) or self._error is not None

    async def wait(self) -> T:
        """
        What the work returns or raises.
        """
        while not self.over:
            await self._bell.wait()
        if self._error is not None:
            raise self._error
        return self._values[0]
