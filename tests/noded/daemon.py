"""
Real gnt-noded processes for tests, each in a node directory of its own.
"""

import os
import signal
import socket
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from attrs import define, field

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from gnttwist.client.nodes import HTTPNodeCaller
from gnttwist.client.silence import SILENCE
from gnttwist.launcher.tree import signal_tree
from gnttwist.model.objects import Node
from gnttwist.net import certificates
from gnttwist.net.certificates import Credentials
from gnttwist.net.tls import for_client
from gnttwist.noded.function_protocol import how_it_ended
from gnttwist.paths import Paths
from tests.noded.process_conformance import PYTHONPATH, ProcessCase, is_running, wait_until

FUNCTIONS = "tests.noded.sample:FUNCTIONS"
READY = b"ready on IPv4Address(type='TCP', host='127.0.0.1', port="


@define(eq=False, slots=False)
class Daemon(ProcessProtocol):
    """
    A running gnt-noded.

    @ivar ready: Fires with its port.
    @ivar ended: Fires with its exit code, or C{None} where it was killed.
    """

    log: bytes = field(default=b"", init=False)
    ready: Deferred[int] = field(factory=Deferred, init=False)
    ended: Deferred[int | None] = field(factory=Deferred, init=False)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self.log += data
        _, found, rest = self.log.partition(READY)
        if found and b")" in rest and not self.ready.called:
            self.ready.callback(int(rest.partition(b")")[0]))

    def processEnded(self, reason: Failure) -> None:
        if not self.ready.called:
            self.ready.errback(AssertionError(self.log.decode()))
        self.ended.callback(how_it_ended(reason).code)

    def kill(self, number: int) -> Deferred[int | None]:
        """
        Send a signal, and wait for the end.
        """
        assert self.transport is not None, "killed before its start"
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess(number)
        return self.ended


class DaemonCase(ProcessCase):
    """
    A node directory with certificates, and daemons that run there.
    """

    timeout = 60
    reactor: IReactorProcess

    def setUp(self) -> None:
        super().setUp()
        now = datetime.now(UTC)
        self.cluster = certificates.new_cluster_certificate(now)
        self.own = certificates.new_node_certificate(self.cluster, "node1", now)
        certificates.write(self.paths.server_pem, self.cluster.pem(), certificates.PEM_MODE)
        self.allow(self.own)
        self.daemons: list[Daemon] = []
        self.port = 0
        self.addCleanup(self.stop_launcher)
        self.addCleanup(self.stop_daemons)

    def allow(self, *candidates: Credentials) -> None:
        """
        Make these the master candidates.
        """
        lines = "".join(f"uuid{number}={each.digest}\n" for number, each in enumerate(candidates))
        certificates.write(self.paths.ssconf("master_candidates_certs"), lines.encode(), 0o444)

    async def start_daemon(self, passed: socket.socket | None = None) -> Daemon:
        """
        Start gnt-noded, and wait until it listens, on the same port as before if there was one.

        @param passed: A socket that listens already, to pass on as systemd does.
        """
        daemon = Daemon()
        arguments = ["twistd", "-n", "--pidfile=", "gnt-noded", "--root", str(self.paths.root)]
        arguments += ["--functions", FUNCTIONS]
        if passed is None:
            arguments += ["--bind", "127.0.0.1", "--port", str(self.port)]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH}
        program = str(Path(sys.executable).with_name("twistd"))
        place = str(self.paths.root)
        if passed is None:
            self.reactor.spawnProcess(daemon, program, arguments, env=environment, path=place)
        else:
            # Its own number must be said to it.
            line = 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=noded exec "$0" "$@"'
            command = ["sh", "-c", line, program, *arguments[1:]]
            inherited: dict[int, int | str] = {0: "w", 1: "r", 2: "r", 3: passed.fileno()}
            self.reactor.spawnProcess(
                daemon, "/bin/sh", command, env=environment, path=place, childFDs=inherited
            )
        self.daemons.append(daemon)
        self.port = await daemon.ready
        return daemon

    def caller(
        self, credentials: Credentials | None = None, patience: float = 30.0, silence: float = SILENCE
    ) -> HTTPNodeCaller:
        """
        A master's side, for the port that is used now.
        """
        security = for_client(credentials or self.own, self.cluster.certificate)
        caller = HTTPNodeCaller(
            self.reactor, security, time.time, self.port, lambda: patience, silence=silence
        )
        self.addCleanup(caller.close)
        return caller

    @property
    def node(self) -> Node:
        """
        This node.
        """
        return Node(name="node1", uuid="u", group="g", primary_ip="127.0.0.1", secondary_ip="127.0.0.1")

    async def stop_daemons(self) -> None:
        """
        End what still runs.
        """
        for each in self.daemons:
            if not each.ended.called:
                await each.kill(signal.SIGKILL)

    def stop_launcher(self) -> Deferred[None] | None:
        """
        End the launcher and its children.
        """
        pid = launcher_pid(self.paths)
        if pid is None:
            return None
        signal_tree(pid, signal.SIGKILL)
        return wait_until(lambda: not is_running(pid))


def launcher_pid(paths: Paths) -> int | None:
    """
    The launcher's number, if it runs.
    """
    try:
        pid = int(paths.launcher_pid.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if is_running(pid) else None
