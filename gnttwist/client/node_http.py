"""
One question to a node and its answer, over kept connections. What the answer means is for
L{gnttwist.client.nodes}.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, TypeVar

from attrs import frozen
from OpenSSL import SSL

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.error import ConnectError, ConnectionAborted, ConnectionClosed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web._newclient import RequestNotSent  # not exported, and raised all the same
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseFailed,
    _HTTP11ClientFactory,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers

from gnttwist.client.node_body import ANSWER_LIMIT, Body, Content, Unreachable, describe
from gnttwist.errors import RemoteError
from gnttwist.net.tls import MutualTLS
from gnttwist.net.tls_files import FileTLS
from gnttwist.wire.framing import Splitter
from gnttwist.wire.rpc_answers import STREAM_TYPE

CONNECT_TIMEOUT = 5.0
"""
Seconds for a TCP connection: Ganeti's own limit.
"""

KEEP_FOR = 120
KEEP_MOST = 8
"""
How long, in seconds, and how many unused connections are kept for each node: less than the node itself keeps them,
and as many calls as a node commonly has at a time. Each costs both sides 40 kB.
"""

T = TypeVar("T")


_TROUBLES = (
    ConnectError,
    ConnectionAborted,
    ConnectionClosed,
    PotentialDataLoss,
    RequestNotSent,
    RequestTransmissionFailed,
    ResponseFailed,
    SSL.Error,
    TimeoutError,
    RemoteError,
)


@frozen
class Reply:
    """
    An answer that is not a stream.
    """

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """
        An error's one line.
        """
        return self.body[:500].decode("utf-8", "replace").strip() or f"HTTP status {self.status}"


class _QuietFactory(_HTTP11ClientFactory):
    """
    Twisted's, without two lines in the log for each connection.
    """

    noisy = False


class NodeHTTP:
    """
    Asks nodes.
    """

    _log = Logger()

    def __init__(self, reactor: Any, tls: MutualTLS | FileTLS, port: int) -> None:
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._port = port
        self._tls = tls
        self._open()

    def _open(self) -> None:
        self._shown = self._tls.current.digest
        self._pool = HTTPConnectionPool(self._reactor)
        self._pool._factory = _QuietFactory
        # What may be asked again is known elsewhere.
        self._pool.retryAutomatically = False
        self._pool.cachedConnectionTimeout = KEEP_FOR
        self._pool.maxPersistentPerHost = KEEP_MOST
        self._agent = Agent(self._reactor, self._tls, CONNECT_TIMEOUT, pool=self._pool)

    def _follow_certificate(self) -> None:
        """
        When there is a new certificate, keep no connection on which the old one was shown: nodes that have forgotten
        that one refuse what is asked there. Requests under way end first.
        """
        if self._tls.current.digest != self._shown:
            self._pool.cachedConnectionTimeout = 0
            closing: Deferred[None] = self._pool.closeCachedConnections()
            closing.addErrback(lambda why: self._log.failure("closing unused connections", failure=why))
            self._open()

    def close(self) -> Deferred[None]:
        """
        Close the connections that are not in use.
        """
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed

    async def ask(
        self, address: str, path: str, body: bytes, silence: float, *, stream: bool = False
    ) -> Reply | Body:
        """
        Ask, and wait for the answer: for its end, or where it is a stream for its beginning.

        @param silence: Seconds without a byte after which the node counts as not answering.
        @return: A L{Body} only where C{stream} was asked for and the node streams; it is to be read to its end
            or abandoned.
        @raise Unreachable: There is no answer.
        """
        self._follow_certificate()
        try:
            response = await _abandonable(self._request(address, path, body, stream, silence))
        except _TROUBLES as reason:
            raise Unreachable(describe(reason)) from reason
        content = response.headers.getRawHeaders(b"Content-Type", [b""])[0]
        streamed = stream and response.code == 200 and content == STREAM_TYPE.encode()
        arriving = Body(self._clock, silence, Splitter(ANSWER_LIMIT) if streamed else None)
        response.deliverBody(arriving)
        if streamed:
            return arriving
        ended = False
        try:
            data = await arriving.whole()
            ended = True
        finally:
            if not ended:
                arriving.abandon()
        return Reply(response.code, data)

    def _request(self, address: str, path: str, body: bytes, stream: bool, silence: float) -> Deferred[Any]:
        host = f"[{address}]" if ip_address(address).version == 6 else address
        fields: Mapping[bytes, list[bytes]] = {
            b"Content-Type": [b"application/json"],
            **({b"Accept": [STREAM_TYPE.encode()]} if stream else {}),
        }
        url = f"https://{host}:{self._port}/{path}".encode()
        asking: Deferred[Any] = self._agent.request(b"POST", url, Headers(fields), Content(body))
        return asking.addTimeout(silence, self._clock, _late)


def _late(result: Any, silence: float) -> Any:
    """
    What a request ends with that was given up: cancelling makes one of several errors of it, by how far it was.
    """
    return Failure(TimeoutError(silence, "silent")) if isinstance(result, Failure) else result


def _abandonable(work: Deferred[T]) -> Deferred[T]:
    """
    The same, but when cancelled it fails with L{CancelledError}, whatever C{work} makes of that: HTTP requests make
    an error of the network of it, which would be tried again.
    """
    left = False

    def leave(_: object) -> None:
        nonlocal left
        left = True
        work.cancel()

    def done(result: T | Failure) -> None:
        if not left:
            waiter.callback(result)

    waiter: Deferred[T] = Deferred(leave)
    work.addBoth(done)
    return waiter
