"""
gnt-noded: its options, and how its parts are put together.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

from attrs import define, field, frozen

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from gnttwist.net.certificates import BadCertificate, Credentials
from gnttwist.net.http import LimitedSite
from gnttwist.net.identity import Identity
from gnttwist.net.pidfile import PidFile
from gnttwist.net.tls import for_server
from gnttwist.noded.call_table import CallTable
from gnttwist.noded.calls import Calls
from gnttwist.noded.candidates import Candidates
from gnttwist.noded.endings import Endings
from gnttwist.noded.launched import LaunchedProcesses
from gnttwist.noded.launching import start_launcher, start_launcher_now
from gnttwist.noded.recovery import Recovery
from gnttwist.noded.registry import Registry
from gnttwist.noded.resource import NodeResource
from gnttwist.paths import BadRoot, Paths
from gnttwist.privileges.accounts import ONE_USER, Accounts, BadUsers
from gnttwist.privileges.accounts import load as load_accounts
from gnttwist.wire.calls import FUNCTIONS
from gnttwist.wire.rpc import BODY_LIMIT
from gnttwist.wire.ssconf import address_of

T = TypeVar("T")

PORT = 1811
"""
Ganeti's.
"""

BACKLOG = 256
"""
Connections that may wait to be accepted: as many nodes' masters as can come back at once after a pause.
"""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""
What the kernel calls this boot of the machine.
"""


@frozen
class Config:
    """
    What the options ask for.

    @ivar functions: C{module:name} of the launcher's functions, where they are not gnttwist's own.
    """

    paths: Paths
    addresses: tuple[str, ...]
    port: int
    cluster: Credentials = field(repr=False)
    functions: str | None = None
    accounts: Accounts = ONE_USER


class Options(UsageOptions):
    """
    gnt-noded's command line.
    """

    synopsis = "[options]"
    config: Config
    optParameters = [
        ["root", None, None, "The directory that all paths lie below"],
        ["port", "p", PORT, "The TCP port", int],
        ["functions", None, None, "module:name of other functions, which tests use"],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["bind"] = []

    def opt_bind(self, address: str) -> None:
        """
        An address to listen on; may be repeated. By default the node's own primary address.
        """
        try:
            self["bind"].append(str(ip_address(address)))
        except ValueError as reason:
            raise UsageError(f"--bind: {reason}") from reason

    opt_b = opt_bind

    def postOptions(self) -> None:
        """
        Turn the options into one value: here, a mistake becomes one line for the user.
        """
        try:
            paths = Paths.from_root(self["root"])
            accounts = load_accounts(paths)
        except (BadRoot, BadUsers) as reason:
            raise UsageError(str(reason)) from reason
        addresses = tuple(self["bind"]) or (_own_address(paths),)
        self.config = Config(paths, addresses, self["port"], _cluster(paths), self["functions"], accounts)


def _own_address(paths: Paths) -> str:
    try:
        found = address_of(paths.hostname, paths.ssconf("node_primary_ips").read_text())
    except OSError as reason:
        raise UsageError(f"not part of a cluster yet ({reason}); name an address with --bind") from reason
    if found is None:
        raise UsageError(f"the cluster knows no node {paths.hostname}; name an address with --bind")
    return found


def _cluster(paths: Paths) -> Credentials:
    try:
        return Credentials.from_pem(paths.server_pem.read_bytes())
    except (OSError, BadCertificate) as reason:
        raise UsageError(f"cannot use the cluster's certificate {paths.server_pem}: {reason}") from reason


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
        self._reactor.callWhenRunning(self._on_signal, signal.SIGUSR1, self.leave)
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addErrback(self._failed)

    def _on_signal(self, number: int, action: Callable[[], None]) -> None:
        signal.signal(number, lambda *_: self._reactor.callFromThread(action))

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
        config = self._config
        candidates = Candidates(config.paths.ssconf("master_candidates_certs"), config.cluster.digest)
        site = self._site = LimitedSite(
            self._reactor, NodeResource(self._reactor, calls), candidates.authorise, BODY_LIMIT
        )
        security = for_server(config.cluster, candidates.digests)
        for address in config.addresses:
            port = self._reactor.listenSSL(config.port, site, security, BACKLOG, address)
            self.listening.append(port)
            self._log.info("ready on {address}", address=port.getHost())

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

    Identity("gnt-noded", "noded", config.accounts, launch).setServiceParent(service)
    PidFile(config.paths.pid("gnt-noded")).setServiceParent(service)
    NodeDaemon(reactor, config).setServiceParent(service)
    return service
