"""
gnt-noded: how its parts are put together.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from gnttwist.launcher import tree
from gnttwist.net.descriptors import allow_descriptors
from gnttwist.net.http import LimitedSite
from gnttwist.net.http_limits import CONNECTIONS_LIMIT
from gnttwist.net.identity import Identity
from gnttwist.net.pidfile import PidFile
from gnttwist.net.signals import on_signal
from gnttwist.noded.call_table import CallTable
from gnttwist.noded.calls import Calls
from gnttwist.noded.endings import Endings
from gnttwist.noded.launched import LaunchedProcesses
from gnttwist.noded.launching import start_launcher, start_launcher_now
from gnttwist.noded.options import Config, Options
from gnttwist.noded.recovery import Recovery
from gnttwist.noded.registry import Registry
from gnttwist.noded.resource import NodeResource
from gnttwist.noded.vacant import Vacant
from gnttwist.wire.calls import FUNCTIONS
from gnttwist.wire.rpc import BODY_LIMIT

__all__ = ["Options", "compose", "makeService"]

T = TypeVar("T")

BACKLOG = 256
"""
Connections that may wait to be accepted: as many nodes' masters as can come back at once after a pause.
"""

RESERVE = 1500
"""
Descriptors that are not for connections: two for each call that may run and one for each spool that is being sent.
"""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""
What the kernel calls this boot of the machine.
"""


@define(eq=False, slots=False, repr=False)
class NodeDaemon(Service):
    """
    Connects to the launcher, finds the calls of an earlier daemon, and only then listens.

    @ivar listening: The ports, once there are any.
    """

    _log = Logger()
    _reactor: Any
    _config: Config
    listening: list[IListeningPort] = field(factory=list, init=False)
    _processes: LaunchedProcesses = field(init=False)
    _registry: Registry | None = field(default=None, init=False)
    _calls: Calls | None = field(default=None, init=False)
    _site: LimitedSite | None = field(default=None, init=False)
    _starting: Deferred[None] | None = field(default=None, init=False)
    _leaving: bool = field(default=False, init=False)

    def startService(self) -> None:
        super().startService()
        paths = self._config.paths
        # A launcher with more rights than ours is not ours to start: whoever started us sees to it.
        revive = None if self._config.accounts.separate else self._start_launcher
        self._processes = LaunchedProcesses(self._reactor, paths.launcher_socket, paths.spool, revive)
        self._reactor.callWhenRunning(on_signal, self._reactor, signal.SIGUSR1, self.leave)
        self._reactor.callWhenRunning(on_signal, self._reactor, signal.SIGHUP, self.reload)
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addErrback(self._failed)

    def _start_launcher(self) -> Deferred[None]:
        return start_launcher(self._reactor, self._config.paths, os.environ, self._config.functions)

    async def _start(self) -> None:
        paths = self._config.paths
        reactor = self._reactor
        boot = _boot()
        registry = self._registry = Registry.open(paths.call_registry, self._in_thread)
        await self._processes.connect()
        table = CallTable(reactor, time.time, paths.spool)
        endings = Endings(reactor, time.time, self._processes, registry)
        recovery = Recovery(reactor, self._processes, registry, table, endings, boot)
        await recovery.run()
        recovery.sweep()
        calls = self._calls = Calls(
            time.time, self._processes, registry, table, endings, boot, os.urandom, FUNCTIONS
        )
        self._listen(calls)

    def _in_thread(self, work: Callable[[], T], /) -> Deferred[T]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work)

    def _listen(self, calls: Calls) -> None:
        config, reactor = self._config, self._reactor
        site = self._site = LimitedSite(
            reactor,
            NodeResource(
                reactor,
                calls,
                lambda: self._in_thread(tree.processes),
                Vacant(config.paths.etc / "hooks"),
            ),
            config.candidates.authorise,
            BODY_LIMIT,
            self._connections_limit(),
        )
        for address in config.addresses:
            self._ready(reactor.listenSSL(config.port, site, config.tls, BACKLOG, address))
        secured = TLSMemoryBIOFactory(config.tls, False, site, reactor)
        for descriptor in config.sockets:
            # As systemd passes them, accepting would wait, and the reactor with it; Twisted leaves that to us.
            os.set_blocking(descriptor, False)
            with socket.socket(fileno=os.dup(descriptor)) as passed:
                self._ready(reactor.adoptStreamPort(passed.fileno(), passed.family, secured))

    def _ready(self, port: IListeningPort) -> None:
        self.listening.append(port)
        self._log.info("ready on {address}", address=port.getHost())

    def _connections_limit(self) -> int:
        """
        As many as there are descriptors for, after raising this process's own limit.
        """
        limit = max(RESERVE // 2, allow_descriptors() - RESERVE)
        if limit < CONNECTIONS_LIMIT:
            self._log.warn("{limit} connections at most, for want of descriptors", limit=limit)
        return min(limit, CONNECTIONS_LIMIT)

    def reload(self) -> None:
        """
        Read certificates and the list of master candidates again.
        """
        self._config.candidates.reload()
        self._config.tls.reload()

    def _failed(self, why: Failure) -> None:
        """
        A daemon that cannot start ends, and says so to whoever started it.
        """
        self._log.failure("cannot start", failure=why)
        sys.stderr.write(f"gnt-noded: cannot start: {why.getErrorMessage()}\n")
        # Twisted has no exit status of its own for this.
        self._reactor.addSystemEventTrigger("after", "shutdown", os._exit, 1)
        self._reactor.callWhenRunning(self._reactor.stop)

    def leave(self) -> None:
        """
        End the daemon and leave the calls running, for its successor to find.
        """
        self._leaving = True
        self._reactor.stop()

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        for port in self.listening:
            await _maybe(port.stopListening())
        if self._calls is not None and not self._leaving:
            # Those who wait for the calls' ends are still connected, and told of them.
            await self._calls.stop()
        if self._site is not None:
            await self._site.close()
        self._processes.disconnect()
        if self._registry is not None:
            await self._registry.close()


def _boot() -> str:
    return BOOT_ID.read_text().strip()


async def _maybe(result: Any) -> None:
    if result is not None:
        await result


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

    def launch() -> None:
        start_launcher_now(config.paths, os.environ, config.functions)

    pid = config.paths.pid("gnt-noded")
    Identity("gnt-noded", "noded", config.accounts, launch, [pid]).setServiceParent(service)
    PidFile(pid).setServiceParent(service)
    NodeDaemon(reactor, config).setServiceParent(service)
    return service
