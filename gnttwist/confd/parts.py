"""
What answers, put together: the same in a daemon of one process and in each of several workers.
"""

from collections.abc import Callable, Sequence
from socket import socket
from typing import Any

from twisted.application.service import MultiService

from gnttwist.confd.feed import FollowFeed
from gnttwist.confd.follow import FollowConfiguration
from gnttwist.confd.respond import Responder, Statistics
from gnttwist.net.datagram import DatagramService, bind, only
from gnttwist.paths import Paths
from gnttwist.wire.confd import MAGIC, MAX_QUERY

SWITCH = 0.0005
"""
Seconds after which a thread that loads lets an answer go first: a tenth of Python's default, which every question
that comes meanwhile would wait for.
"""


def bound(address: str, port: int, *, shared: bool = False) -> socket:
    """
    A socket for queries.

    @raise OSError: It cannot be bound.
    """
    made = bind(address, port, shared=shared)
    only(made, MAGIC, MAX_QUERY)
    return made


def answering(
    reactor: Any, paths: Paths, opens: Sequence[Callable[[], socket]], now: Callable[[], float]
) -> MultiService:
    """
    The configuration and the sockets.

    @param opens: Make the sockets, or adopt them.
    @param now: Reads the wall clock.
    """
    service = MultiService()
    statistics = Statistics()
    follow = FollowConfiguration(reactor, paths, statistics)
    responder = Responder(lambda: follow.keys.accepted, lambda: follow.answers, now, statistics)
    follow.setServiceParent(service)
    FollowFeed(reactor, paths.feed_socket, follow).setServiceParent(service)
    for each in opens:
        # One byte more than is answered, so that a longer query is seen to be one.
        DatagramService(reactor, each, responder.answer, MAX_QUERY + 1).setServiceParent(service)
    return service
