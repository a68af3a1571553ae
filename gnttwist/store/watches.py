"""
Who wants to know of which changes, and telling them. Every backend uses it in the reactor's thread.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from attrs import define, field

from twisted.logger import Logger

from gnttwist.store.interface import Event

Callback = Callable[[Sequence[Event]], None]


@define(eq=False)
class Subscription:
    """
    One watch.

    While older events are being read for it, newer ones are kept back so that it sees all in order; what is kept
    is bounded by the time that one read takes.
    """

    prefix: str
    _callback: Callback
    _watches: "Watches"
    _held: list[Sequence[Event]] | None = None

    def stop(self) -> None:
        """
        No more events after this returns.
        """
        self._watches.remove(self)

    def tell(self, events: Sequence[Event]) -> None:
        """
        Pass on one transaction's events, or keep them until L{replayed}.
        """
        if self._held is not None:
            self._held.append(events)
        elif self in self._watches:
            self._watches.call(self._callback, events)

    def hold(self) -> None:
        """
        Keep events back until L{replayed}.
        """
        self._held = []

    def replayed(self, transactions: Iterable[Sequence[Event]]) -> None:
        """
        Pass on older transactions' events, then what was kept back.
        """
        held, self._held = self._held or [], None
        for events in (*transactions, *held):
            self.tell(events)


@define(eq=False)
class Watches:
    """
    All subscriptions, found by the prefixes of a changed key: a change costs what it touches, not the number of
    watchers.
    """

    _log = Logger()
    _by_prefix: dict[str, dict[Subscription, None]] = field(factory=dict)
    _lengths: Counter[int] = field(factory=Counter)

    def __contains__(self, subscription: Subscription) -> bool:
        return subscription in self._by_prefix.get(subscription.prefix, ())

    def add(self, prefix: str, callback: Callback) -> Subscription:
        """
        Begin to watch.
        """
        subscription = Subscription(prefix, callback, self)
        if prefix not in self._by_prefix:
            self._by_prefix[prefix] = {}
            self._lengths[len(prefix)] += 1
        self._by_prefix[prefix][subscription] = None
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """
        Stop to watch; does nothing the second time.
        """
        prefix = subscription.prefix
        there = self._by_prefix.get(prefix, {})
        if subscription in there:
            del there[subscription]
            if not there:
                del self._by_prefix[prefix]
                self._lengths[len(prefix)] -= 1
                self._lengths += Counter()  # drops what fell to zero

    def deliver(self, events: Sequence[Event]) -> None:
        """
        Tell everybody whom the events of one transaction concern.
        """
        concerned: dict[str, list[Event]] = {}
        for event in events:
            for length in self._lengths:
                prefix = event.key[:length]
                if len(prefix) == length and prefix in self._by_prefix:
                    concerned.setdefault(prefix, []).append(event)
        for prefix, theirs in concerned.items():
            for subscription in tuple(self._by_prefix.get(prefix, ())):
                subscription.tell(theirs)

    def call(self, callback: Callback, events: Sequence[Event]) -> None:
        """
        Call a watcher. Its failure is logged and is nobody else's.
        """
        with self._log.failuresHandled("a watcher failed on {count} events", count=len(events)):
            callback(events)
