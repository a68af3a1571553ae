"""
Whether addresses answer: many connections tried at once, so that those that are silent are silent together.
"""

import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from errno import ECONNREFUSED, EINPROGRESS
from ipaddress import ip_address

from attrs import define, field, frozen

CONNECT = 5.0
"""
Seconds for a connection; Ganeti's.
"""

AT_ONCE = 64
"""
Connections that are tried at the same time: descriptors and half-open connections are few.
"""


@frozen
class Probe:
    """
    What to connect to.

    @ivar source: The own address to do it from.
    """

    address: str
    port: int
    source: str | None = None


@define(eq=False)
class Attempts:
    """
    Connections under way. A test has others.
    """

    now: Callable[[], float] = time.monotonic
    _sockets: dict[int, socket.socket] = field(factory=dict)
    _poll: select.poll = field(factory=select.poll)

    def begin(self, name: int, probe: Probe) -> bool | None:
        """
        Begin one.

        @param name: What it is called from now on.
        @return: Whether the address answers, if that is known at once.
        """
        try:
            family = socket.AF_INET6 if ip_address(probe.address).version == 6 else socket.AF_INET
            attempt = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except (ValueError, OSError):
            return False
        try:
            if probe.source:
                attempt.bind((probe.source, 0))
            status = attempt.connect_ex((probe.address, probe.port))
        except OSError:
            attempt.close()
            return False
        if status == EINPROGRESS:
            self._sockets[name] = attempt
            self._poll.register(attempt, select.POLLOUT)
            return None
        attempt.close()
        return _answered(status)

    def ended(self, seconds: float) -> Iterator[tuple[int, bool]]:
        """
        Wait for the first to end, or for so long.

        @return: Those that have ended, and whether their addresses answer.
        """
        descriptors = {each.fileno(): name for name, each in self._sockets.items()}
        for descriptor, _ in self._poll.poll(max(0.0, seconds) * 1000):
            name = descriptors[descriptor]
            status = self._sockets[name].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.give_up(name)
            yield name, _answered(status)

    def give_up(self, name: int) -> None:
        """
        End one.
        """
        with self._sockets.pop(name) as attempt, suppress(KeyError):
            self._poll.unregister(attempt)


def reachable(
    probes: Sequence[Probe], timeout: float = CONNECT, attempts: Attempts | None = None
) -> list[bool]:
    """
    Whether something accepts, or at once refuses, each connection.

    @param timeout: Seconds for each.
    """
    attempts = attempts or Attempts()
    found = [False] * len(probes)
    waiting = deque(enumerate(probes))
    ends: dict[int, float] = {}
    while waiting or ends:
        while waiting and len(ends) < AT_ONCE:
            name, probe = waiting.popleft()
            at_once = attempts.begin(name, probe)
            if at_once is None:
                ends[name] = attempts.now() + timeout
            else:
                found[name] = at_once
        if ends:
            for name, answers in attempts.ended(min(ends.values()) - attempts.now()):
                found[name] = answers
                del ends[name]
            for name in [each for each, end in ends.items() if end <= attempts.now()]:
                attempts.give_up(name)
                del ends[name]
    return found


def _answered(status: int) -> bool:
    return status in (0, ECONNREFUSED)
