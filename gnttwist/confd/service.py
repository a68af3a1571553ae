"""
gnt-confd: its options, and how its parts are put together.
"""

import sys
import time
from functools import partial
from ipaddress import ip_address
from typing import Any

from attrs import frozen

from twisted.application.service import IService, MultiService
from twisted.python.usage import UsageError

from gnttwist.confd.parts import SWITCH, answering
from gnttwist.confd.parts import bound as query_socket
from gnttwist.confd.workers import Workers
from gnttwist.net.identity import Identity
from gnttwist.net.options import ListeningOptions
from gnttwist.net.pidfile import PidFile
from gnttwist.paths import Paths
from gnttwist.privileges.accounts import ONE_USER, Accounts

PORT = 1814

MAX_WORKERS = 64
"""
More than any machine that this is for has cores.
"""


@frozen
class Config:
    """
    What the options ask for.

    @ivar addresses: Concrete addresses: clients count answers by the address that they come from.
    """

    paths: Paths
    addresses: tuple[str, ...]
    port: int
    workers: int = 1
    accounts: Accounts = ONE_USER


class Options(ListeningOptions):
    """
    gnt-confd's command line.
    """

    config: Config
    optParameters = [
        ["port", "p", PORT, "The UDP port", int],
        ["workers", "w", 1, "Processes that answer, each on a share of the clients", int],
    ]

    def postOptions(self) -> None:
        """
        Turn the options into one value: here, a mistake becomes one line for the user.
        """
        paths, accounts = self.place()
        if not 1 <= self["workers"] <= MAX_WORKERS:
            raise UsageError(f"--workers is a number from 1 to {MAX_WORKERS}")
        where, port = self.listening(paths)
        self.config = Config(paths, where, port, self["workers"], accounts)

    def bound(self, place: str) -> tuple[str, ...]:
        """
        See L{ListeningOptions.bound}.
        """
        found = super().bound(place)
        if any(ip_address(each).is_unspecified for each in found):
            raise UsageError(
                f"--bind: clients count answers by the address they come from, and {place} is none"
            )
        return found


def makeService(options: Options) -> IService:
    """
    The daemon.
    """
    from twisted.internet import reactor  # noqa: TID251  # the one place that may fetch it

    # Of the whole process, so here, where it is known to be confd's own.
    sys.setswitchinterval(SWITCH)
    return compose(reactor, options.config)


def compose(reactor: Any, config: Config) -> MultiService:
    """
    Put the daemon together.
    """
    service = MultiService()
    Identity("gnt-confd", "confd", config.accounts).setServiceParent(service)
    PidFile(config.paths.pid("gnt-confd")).setServiceParent(service)
    if config.workers > 1:
        workers = Workers(reactor, config.paths, config.addresses, config.port, config.workers)
        workers.setServiceParent(service)
    else:
        opens = [partial(query_socket, each, config.port) for each in config.addresses]
        answering(reactor, config.paths, opens, time.time).setServiceParent(service)
    return service
