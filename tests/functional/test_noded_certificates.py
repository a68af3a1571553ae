"""
The cluster's certificates replaced under gnt-noded while it is called.
"""

import signal
from datetime import UTC, datetime

from attrs import evolve

from twisted.internet import reactor  # noqa: TID251 - real processes and sockets
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from gnttwist.client.nodes import HTTPNodeCaller
from gnttwist.jobs.calls import Call
from gnttwist.net import certificates
from gnttwist.net.certificates import Credentials, new_cluster_certificate, new_node_certificate
from gnttwist.net.tls_files import client_from
from tests.functional.test_noded import ignore
from tests.noded.daemon import DaemonCase
from tests.noded.process_conformance import asynchronous

CALLERS = 4
PAUSE = 0.3
"""
Seconds between two steps: time for some calls.
"""


class CertificateTests(DaemonCase):
    """
    Tests of the whole daemon, and of a master's side that follows its own files.
    """

    reactor = reactor

    def setUp(self) -> None:
        super().setUp()
        self.over = False
        self.client_pem = self.paths.root / "master-client.pem"
        self.authority = self.paths.root / "master-server.pem"

    def put(self, cluster: Credentials, *others: Credentials) -> None:
        """
        Replace server.pem on both sides.
        """
        pem = evolve(cluster, others=tuple(each.certificate for each in others)).pem()
        for path in (self.paths.server_pem, self.authority):
            certificates.write(path, pem, certificates.PEM_MODE)

    def put_client(self, own: Credentials) -> None:
        """
        Replace the master's client.pem.
        """
        certificates.write(self.client_pem, own.pem(), certificates.PEM_MODE)

    async def call_on(self, caller: HTTPNodeCaller, number: int) -> int:
        """
        Call until it is over; tell how often.
        """
        count = 0
        while not self.over:
            count += 1
            await caller.call(self.node, Call("version", [], f"k/{number}/{count}"), ignore)
        return count

    @asynchronous
    async def test_rollover(self) -> None:
        """
        All certificates are replaced under load, in the steps that the protocol page names; no call fails.
        """
        new = new_cluster_certificate(datetime.now(UTC))
        new_own = new_node_certificate(new, "node1", datetime.now(UTC))
        self.put(self.cluster)
        self.put_client(self.own)
        daemon = await self.start_daemon()
        # Patience 0: whatever fails once fails the test.
        tls = client_from(self.client_pem, self.authority)
        caller = HTTPNodeCaller(self.reactor, tls, lambda: 0.0, self.port, lambda: 0.0)
        self.addCleanup(caller.close)
        calls = [Deferred.fromCoroutine(self.call_on(caller, number)) for number in range(CALLERS)]
        for step in (
            lambda: self.put(self.cluster, new),
            lambda: self.allow(self.own, new_own),
            lambda: self.put(new, self.cluster),
            lambda: self.put_client(new_own),
        ):
            step()
            await deferLater(self.reactor, PAUSE)
            # Kept connections may still show the node's old certificate; these show what is used now.
            another = HTTPNodeCaller(self.reactor, tls, lambda: 0.0, self.port, lambda: 0.0)
            self.assertEqual(await another.query(self.node, "version", []), 42)
            await another.close()
        self.over = True
        counts = await gatherResults(calls)
        self.assertGreater(min(counts), 4)
        self.put(new)
        self.allow(new_own)
        self.assertEqual(await caller.query(self.node, "version", []), 42)
        self.assertNotIn(b"is refused", daemon.log)

    @asynchronous
    async def test_hangup(self) -> None:
        """
        SIGHUP has the files read again, and ends nothing: not the daemon, nor a kept connection.
        """
        daemon = await self.start_daemon()
        caller = self.caller()
        await caller.query(self.node, "version", [])
        assert daemon.transport is not None, "started above"
        daemon.transport.signalProcess(signal.SIGHUP)
        await deferLater(self.reactor, PAUSE)
        self.assertEqual(await caller.query(self.node, "version", []), 42)
        self.assertIn(b"is used from now on", daemon.log)
        self.assertEqual(len(caller._http._pool._connections), 1)
