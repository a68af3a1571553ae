"""
Tests for L{gnttwist.net.tls}.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from OpenSSL import SSL
from zope.interface import implementer

from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.test import iosim
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.net import tls
from gnttwist.net.certificates import Credentials, new_cluster_certificate, new_node_certificate

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=6 * 365)


class Recording(Protocol):
    """
    Says something once it is connected; keeps what arrives, and from whom.
    """

    received = b""
    peer: str | None = None
    lost = False

    def connectionMade(self) -> None:
        assert self.transport is not None, "told of a connection without one"
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self.peer = tls.peer_digest(self.transport)

    def connectionLost(self, reason: object = None) -> None:
        self.lost = True


@implementer(IOpenSSLClientConnectionCreator)
class Plain:
    """
    A client that has no certificate.
    """

    def __init__(self) -> None:
        self.context = SSL.Context(SSL.TLS_CLIENT_METHOD)

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        return SSL.Connection(self.context)


def meet(server: tls.MutualTLS, client: tls.MutualTLS | Plain) -> tuple[Recording, Recording]:
    """
    Let both sides shake hands and say something, all in memory.
    """
    spoken = (Recording(), Recording())
    wrapped = []
    clock = Clock()
    for creator, is_client, protocol in ((server, False, spoken[0]), (client, True, spoken[1])):
        factory = Factory.forProtocol(lambda it=protocol: it)  # type: ignore[misc]
        wrapped.append(TLSMemoryBIOFactory(creator, is_client, factory, clock).buildProtocol(None))
    iosim.connect(
        wrapped[0],
        iosim.FakeTransport(wrapped[0], isServer=True),
        wrapped[1],
        iosim.FakeTransport(wrapped[1], isServer=False),
        clock=clock,
    ).flush()
    return spoken


class MutualTLSTests(SynchronousTestCase):
    """
    Tests for L{tls.MutualTLS}.
    """

    def setUp(self) -> None:
        self.cluster = new_cluster_certificate(NOW)
        self.node = new_node_certificate(self.cluster, "node1", NOW)
        self.events: list[dict[str, object]] = []
        globalLogPublisher.addObserver(self.events.append)  # type: ignore[arg-type]
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)  # type: ignore[arg-type]

    def meet(
        self,
        client: Credentials,
        *,
        server: Credentials | None = None,
        trusted: Credentials | None = None,
        candidates: Collection[str] = (),
    ) -> tuple[Recording, Recording]:
        """
        Let C{client} call a server; both belong to this cluster unless told otherwise.
        """
        return meet(
            tls.for_server(server or self.cluster, lambda: candidates),
            tls.for_client(client, (trusted or self.cluster).certificate),
        )

    def test_both_known(self) -> None:
        """
        A node's certificate is accepted, and the server learns its digest.
        """
        server, client = self.meet(self.node)
        self.assertEqual((server.received, client.received), (b"hello", b"hello"))
        self.assertEqual((server.peer, client.peer), (self.node.digest, self.cluster.digest))

    def test_clusters_own(self) -> None:
        """
        The cluster's own certificate is accepted from a client, as it is used before nodes have their own.
        """
        server, _ = self.meet(self.cluster)
        self.assertEqual(server.peer, self.cluster.digest)

    def test_stranger(self) -> None:
        """
        A certificate of another cluster is refused, even if its digest is listed.
        """
        other = new_node_certificate(new_cluster_certificate(NOW), "node1", NOW)
        server, _ = self.meet(other, candidates=[other.digest])
        self.assertEqual(server.received, b"")
        self.assertTrue(server.lost)

    def test_wrong_server(self) -> None:
        """
        A client refuses a server of another cluster.
        """
        other = new_cluster_certificate(NOW)
        server, client = self.meet(self.node, server=other)
        self.assertEqual((server.received, client.received), (b"", b""))
        self.assertTrue(client.lost)

    def test_no_certificate(self) -> None:
        """
        A client without a certificate is refused.
        """
        server, _ = meet(tls.for_server(self.cluster, lambda: ()), Plain())
        self.assertEqual(server.received, b"")
        self.assertTrue(server.lost)

    def test_expired_and_pinned(self) -> None:
        """
        A listed certificate that has merely expired is accepted with a warning.
        """
        old = new_node_certificate(self.cluster, "node1", LONG_AGO)
        server, _ = self.meet(old, candidates=["00:11", old.digest])
        self.assertEqual(server.received, b"hello")
        warnings = [each for each in self.events if each["log_level"] == LogLevel.warn]
        self.assertEqual([each["digest"] for each in warnings], [old.digest])

    def test_expired(self) -> None:
        """
        An expired certificate that is not listed is refused.
        """
        old = new_node_certificate(self.cluster, "node1", LONG_AGO)
        server, _ = self.meet(old, candidates=[self.node.digest])
        self.assertEqual(server.received, b"")

    def test_expired_cluster(self) -> None:
        """
        A cluster whose own certificate has expired goes on: both sides have it pinned.
        """
        self.cluster = new_cluster_certificate(LONG_AGO)
        node = new_node_certificate(self.cluster, "node1", NOW)
        server, client = self.meet(node)
        self.assertEqual((server.received, client.received), (b"hello", b"hello"))

    def test_old_protocol(self) -> None:
        """
        Nothing older than TLS 1.2 is spoken.
        """
        client = Plain()
        client.context.use_certificate(cast(Any, self.node.certificate))
        client.context.use_privatekey(cast(Any, self.node.key))
        client.context.set_max_proto_version(SSL.TLS1_1_VERSION)
        client.context.set_cipher_list(b"ALL:@SECLEVEL=0")
        server, _ = meet(tls.for_server(self.cluster, lambda: ()), client)
        self.assertTrue(server.lost)


class DigestTests(SynchronousTestCase):
    """
    Tests for L{tls.is_listed}.
    """

    def test_listed(self) -> None:
        """
        Only a whole digest is found.
        """
        self.assertTrue(tls.is_listed("AA:BB", ["CC", "AA:BB"]))
        self.assertFalse(tls.is_listed("AA:B", ["AA:BB"]))
        self.assertFalse(tls.is_listed("AA:BB", []))
