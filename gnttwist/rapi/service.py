"""
gnt-rapi: its options, and how its parts are put together.
"""

import gc
import signal
from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.usage import UsageError

from gnttwist.client.luxi_async import LuxiPool
from gnttwist.net.certificates import BadCertificate
from gnttwist.net.descriptors import allow_descriptors
from gnttwist.net.identity import Identity
from gnttwist.net.options import ListeningOptions
from gnttwist.net.pidfile import PidFile
from gnttwist.net.signals import on_signal
from gnttwist.net.tls_files import FileTLS, public_from
from gnttwist.net.tls_unbuffered import UnbufferedTLSFactory
from gnttwist.paths import Paths
from gnttwist.privileges.accounts import ONE_USER, Accounts
from gnttwist.rapi.auth import Authentication, UsersFile
from gnttwist.rapi.call import Services
from gnttwist.rapi.events import EventHub
from gnttwist.rapi.master import Master
from gnttwist.rapi.routes import Router
from gnttwist.rapi.site import Gate, RAPIResource, RAPISite, connections_limit
from gnttwist.rapi.table import ROUTES
from gnttwist.rapi.ui_files import page_routes
from gnttwist.rapi.waiting import JobWaits

PORT = 5080
"""
Ganeti's.
"""

BACKLOG = 4096
"""
Connections that may wait to be accepted: thousands of clients come back at once after a restart.
"""


@frozen
class Config:
    """
    What the options ask for.

    @ivar addresses: Where to listen.
    @ivar anonymous: Whether requests without a user may read.
    @ivar tls: This side of connections.
    """

    paths: Paths
    addresses: tuple[str, ...]
    port: int
    tls: FileTLS = field(repr=False)
    anonymous: bool = False
    accounts: Accounts = ONE_USER


class Options(ListeningOptions):
    """
    gnt-rapi's command line.
    """

    config: Config
    optParameters = [
        ["port", "p", PORT, "The TCP port", int],
    ]
    optFlags = [
        ["anonymous-read", None, "Let requests without a user read"],
        ["require-authentication", None, "Ganeti's option for what is the default here"],
    ]

    def postOptions(self) -> None:
        """
        Turn the options into one value: here, a mistake becomes one line for the user.
        """
        paths, accounts = self.place()
        if self["anonymous-read"] and self["require-authentication"]:
            raise UsageError("--anonymous-read and --require-authentication contradict each other")
        where, port = self.listening(paths)
        try:
            tls = public_from(paths.rapi_pem)
        except (OSError, BadCertificate) as reason:
            raise UsageError(f"cannot use the remote API's certificate: {reason}") from reason
        self.config = Config(paths, where, port, tls, bool(self["anonymous-read"]), accounts)


@define(eq=False, slots=False, repr=False)
class RAPIDaemon(Service):
    """
    Listens.

    @ivar listening: The ports, once there are any.
    """

    _log = Logger()
    _reactor: Any
    _config: Config
    listening: list[IListeningPort] = field(factory=list, init=False)
    _site: RAPISite | None = field(default=None, init=False)
    _to_stop: list[Callable[[], Any]] = field(factory=list, init=False)

    def startService(self) -> None:
        super().startService()
        config, reactor = self._config, self._reactor
        calls = LuxiPool(reactor, config.paths.luxi_socket)
        following = LuxiPool(reactor, config.paths.luxi_socket, 1)
        waits = JobWaits(reactor, following, calls)
        users = UsersFile(config.paths.rapi_users)
        pools = [LuxiPool(reactor, config.paths.luxi_socket, 1) for _ in range(2)]
        events = EventHub(reactor, pools[0], pools[1], calls, users.all)
        self._to_stop = [
            events.stop,
            waits.stop,
            calls.close,
            following.close,
            *(each.close for each in pools),
        ]
        gate = Gate(
            Router((*ROUTES, *page_routes())),
            Authentication(reactor, users, config.anonymous),
            Master(reactor, config.paths, config.port),
        )
        site = self._site = RAPISite(
            reactor,
            gate,
            RAPIResource(Services(calls, waits, lambda: {"rapi.pem": config.tls.current.expires}, events)),
            connections_limit(allow_descriptors()),
        )
        factory = UnbufferedTLSFactory(config.tls, False, site, reactor)
        for address in config.addresses:
            port = reactor.listenTCP(config.port, factory, BACKLOG, address)
            self.listening.append(port)
            self._log.info("ready on {address}", address=port.getHost())

        def reload() -> None:
            users.reload()
            config.tls.reload()

        reactor.callWhenRunning(on_signal, reactor, signal.SIGHUP, reload)
        # What there is now stays: looking for garbage then costs only what clients have brought, a third of it.
        gc.freeze()

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        for port in self.listening:
            await maybeDeferred(port.stopListening)
        for each in self._to_stop:
            each()
        if self._site is not None:
            await self._site.close()


def makeService(options: Options) -> IService:
    """
    The daemon.
    """
    from twisted.internet import reactor  # noqa: TID251  # the one place that may fetch it

    return compose(reactor, options.config)


def compose(reactor: Any, config: Config) -> MultiService:
    """
    Put the daemon together.
    """
    service = MultiService()
    Identity("gnt-rapi", "rapi", config.accounts).setServiceParent(service)
    PidFile(config.paths.pid("gnt-rapi")).setServiceParent(service)
    RAPIDaemon(reactor, config).setServiceParent(service)
    return service
