"""
The last events, kept for subscribers that are behind.
"""

from collections.abc import Sequence

from attrs import define, field, frozen

from gnttwist.rapi.event_stream import Event

KEPT_BYTES = 8 << 20
"""
What is kept: minutes of a busy cluster.
"""


@frozen
class Kept:
    """
    An event that is kept, encoded once for all.

    @ivar number: Counted up.
    """

    number: int
    event: Event
    encoded: bytes


@define(eq=False)
class ReplayBuffer:
    """
    The last events, each with its number; the oldest go when they are more than L{KEPT_BYTES}.

    @ivar next: The number that the next event gets.
    """

    next: int = field(default=0, init=False)
    _kept: list[Kept] = field(factory=list, init=False)
    _bytes: int = field(default=0, init=False)

    @property
    def oldest(self) -> int:
        """
        The number from which on events are there.
        """
        return self._kept[0].number if self._kept else self.next

    def append(self, event: Event) -> None:
        """
        Keep an event. The newest is kept however large it is.
        """
        kept = Kept(self.next, event, event.encode())
        self.next += 1
        self._kept.append(kept)
        self._bytes += len(kept.encoded)
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= len(self._kept.pop(0).encoded)

    def since(self, number: int) -> Sequence[Kept]:
        """
        The events from a number on.

        @param number: Not before L{oldest}.
        """
        return self._kept[number - self.oldest :]
