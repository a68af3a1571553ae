"""
gnt-masterd: its options, and how its parts are put together.
"""

import gc
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom
from typing import Any, TypeVar

from attrs import define, field, frozen

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.usage import UsageError

from gnttwist.client.confd_async import TwistedNetwork
from gnttwist.client.nodes import HTTPNodeCaller
from gnttwist.config.exporter import Exporter
from gnttwist.config.service import Configuration
from gnttwist.errors import GnttwistError
from gnttwist.jobs.limits import node_patience
from gnttwist.jobs.opcodes import Opcodes
from gnttwist.jobs.queue import Queue
from gnttwist.masterd.compaction import Compaction
from gnttwist.masterd.confd_figures import ConfdFigures
from gnttwist.masterd.config_changes import ConfigChanges
from gnttwist.masterd.distribution import Distribution
from gnttwist.masterd.feed import FeedFactory
from gnttwist.masterd.figures import Counters, Figures
from gnttwist.masterd.filter_rules import FilterRules
from gnttwist.masterd.interpreter import Interpreter
from gnttwist.masterd.job_queries import JobQueries, cluster_row
from gnttwist.masterd.live import LiveData
from gnttwist.masterd.luxi import LuxiFactory
from gnttwist.masterd.master_address import MasterAddress
from gnttwist.masterd.methods import Methods
from gnttwist.masterd.queue_limits import QueueLimits
from gnttwist.masterd.secret_files import vault
from gnttwist.masterd.shared_files import SharedFiles
from gnttwist.masterd.watcher import WatcherPause
from gnttwist.net.certificates import BadCertificate
from gnttwist.net.descriptors import allow_descriptors
from gnttwist.net.identity import Identity
from gnttwist.net.options import DaemonOptions
from gnttwist.net.pidfile import PidFile
from gnttwist.net.tls_files import FileTLS, client_from
from gnttwist.paths import Paths
from gnttwist.privileges.accounts import ONE_USER, Accounts
from gnttwist.query.sources import Sources
from gnttwist.store.sqlite import SQLiteStore
from gnttwist.units.table import UNITS

T = TypeVar("T")

BACKLOG = 4096
"""
Connections that may wait to be accepted: thousands of clients come back at once after a restart.
"""

SOCKET_MODE = 0o660
"""
Ganeti's: who may connect may do everything.
"""


@frozen
class Config:
    """
    What the options ask for.

    @ivar tls: This node's side of calls to nodes.
    """

    paths: Paths
    tls: FileTLS = field(repr=False)
    accounts: Accounts = ONE_USER


class Options(DaemonOptions):
    """
    gnt-masterd's command line.
    """

    config: Config

    def postOptions(self) -> None:
        """
        Turn the options into one value: here, a mistake becomes one line for the user.
        """
        paths, accounts = self.place()
        if not paths.store.exists():
            raise UsageError(f"there is no cluster here: {paths.store} is missing (see gnt cluster init)")
        try:
            tls = client_from(paths.client_pem, paths.server_pem)
        except (OSError, BadCertificate) as reason:
            raise UsageError(f"cannot use this node's certificates: {reason}") from reason
        self.config = Config(paths, tls, accounts)


@define(eq=False, slots=False, repr=False)
class MasterDaemon(Service):
    """
    Opens the store, takes up the jobs that were left, and only then listens.
    """

    _log = Logger()
    _reactor: Any
    _config: Config
    _starting: Deferred[None] | None = field(default=None, init=False)
    _to_stop: list[Callable[[], Any]] = field(factory=list, init=False)
    _broken: bool = field(default=False, init=False)

    def startService(self) -> None:
        super().startService()
        allow_descriptors()
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addErrback(self._cannot_start)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _start(self) -> None:
        reactor, paths = self._reactor, self._config.paths
        store = await SQLiteStore.open(reactor, paths.store, self._fatal)
        self._to_stop.append(store.close)
        configuration = Configuration(store, self._fatal)
        await configuration.load()
        counters = Counters()
        caller = HTTPNodeCaller(
            reactor,
            self._config.tls,
            time.time,
            patience=lambda: node_patience(configuration.snapshot.cluster),
            measured=counters,
        )
        self._to_stop.append(caller.close)
        accounts = self._config.accounts
        readers = accounts.gid("confd") if accounts.separate else None
        exporter = Exporter(reactor, self._in_thread, configuration, paths, readers)
        exporter.startService()
        self._to_stop.append(exporter.stopService)
        feed = FeedFactory(reactor, self._in_thread, configuration)
        self._to_stop.append(feed.close)
        self._listen(feed, paths.feed_socket, "confd")
        watcher = WatcherPause(store, paths.watcher_pause, self._in_thread, time.time)
        await watcher.load()
        live = LiveData(caller, reactor.seconds)

        def sources() -> Sources:
            return Sources(
                configuration.snapshot,
                live,
                queue,
                queue.locks,
                self._pause,
                reactor.seconds,
                lambda: cluster_row(configuration.snapshot, queue.drained, watcher.until),
            )

        queue = Queue(
            clock=reactor,
            now=time.time,
            store=store,
            configuration=configuration,
            caller=caller,
            opcodes=Opcodes(UNITS),
            entropy=os.urandom,
            on_fatal=self._fatal,
            vault=vault(paths.job_secrets),
            queries=JobQueries(sources),
        )
        await queue.start()
        self._to_stop.append(lambda: Deferred.fromCoroutine(queue.stop()))
        compaction = Compaction(reactor, store, queue.oldest_read)
        compaction.startService()
        self._to_stop.append(compaction.stopService)
        distribution = Distribution(
            reactor, self._in_thread, time.time, configuration, caller, SharedFiles(paths)
        )
        distribution.startService()
        self._to_stop.append(distribution.stopService)
        interpreter = Interpreter(reactor, gc, sys)
        interpreter.startService()
        self._to_stop.append(interpreter.stopService)
        rules = FilterRules(configuration, lambda: queue.last_id, time.time, SystemRandom())
        limits = QueueLimits(configuration, time.time, SystemRandom())
        changes = ConfigChanges(reactor, configuration)
        changes.start()
        self._to_stop.append(changes.stop)
        confd = ConfdFigures(
            TwistedNetwork(reactor),
            time.time,
            self._in_thread,
            paths.hmac_key,
            lambda: configuration.snapshot,
        )
        figures = Figures(counters, time.time, queue, self._certificates, confd.tell)
        figures.start()
        self._to_stop.append(figures.stop)
        methods = Methods(
            queue,
            reactor,
            time.time,
            lambda: configuration.snapshot,
            sources,
            rules,
            watcher,
            limits,
            changes,
            figures,
        )
        self._listen(LuxiFactory(reactor, methods), paths.luxi_socket, "daemons")
        self._log.info("ready on {path}", path=paths.luxi_socket)
        address = MasterAddress(queue, lambda: configuration.snapshot, time.time)
        address.startService()
        self._to_stop.append(address.stopService)

    def _certificates(self) -> dict[str, float]:
        current = self._config.tls.current
        found = {"client.pem": current.expires}
        if current.authority_expires is not None:
            found["server.pem"] = current.authority_expires
        return found

    def _listen(self, factory: Factory, path: Path, group: str) -> None:
        path.parent.mkdir(mode=0o770, parents=True, exist_ok=True)
        # Left by a daemon that was killed: the pid file's lock, which we hold, says that there is no other one.
        path.unlink(missing_ok=True)
        port: IListeningPort = self._reactor.listenUNIX(str(path), factory, BACKLOG, SOCKET_MODE)
        if self._config.accounts.separate:
            os.chown(path, -1, self._config.accounts.gid(group), follow_symlinks=False)
        self._to_stop.append(port.stopListening)

    async def _stop(self) -> None:
        # In the opposite order: nobody is answered any more before the queue stops, the store closes last.
        while self._to_stop:
            await maybeDeferred(self._to_stop.pop())

    def _in_thread(self, work: Callable[[], T], /) -> Deferred[T]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), work)

    def _pause(self) -> Deferred[None]:
        return deferLater(self._reactor, 0)

    def _cannot_start(self, why: Failure) -> None:
        if why.check(GnttwistError, OSError):
            self._log.error("cannot start: {reason}", reason=why.getErrorMessage())
        else:
            self._log.failure("cannot start", failure=why)
        sys.stderr.write(f"gnt-masterd: cannot start: {why.getErrorMessage()}\n")
        self._end()

    def _fatal(self, why: Failure) -> None:
        """
        What cannot be written down must not be answered or done: the process ends, and its successor goes on from
        what is durable.
        """
        if not self._broken:
            self._log.failure("the store has failed; ending", failure=why)
        self._end()

    def _end(self) -> None:
        if self._broken:
            return
        self._broken = True
        # Twisted has no exit status of its own for this.
        self._reactor.addSystemEventTrigger("after", "shutdown", os._exit, 1)
        self._reactor.callWhenRunning(self._reactor.stop)


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
    Identity("gnt-masterd", "masterd", config.accounts).setServiceParent(service)
    PidFile(config.paths.pid("gnt-masterd")).setServiceParent(service)
    MasterDaemon(reactor, config).setServiceParent(service)
    return service
