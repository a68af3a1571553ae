"""
An HTTP server's limits, applied while a request arrives: who asks and how much is looked at before the body.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from attrs import frozen
from zope.interface import implementer

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import RESPONSES, HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from gnttwist.net.http_limits import (
    CALLER_LIMIT,
    CLOSE_TIME,
    CONNECTIONS_LIMIT,
    HANDSHAKE_TIME,
    HEADERS_LIMIT,
    IDLE_TIME,
    LINGER,
    REFUSED_CONNECTIONS,
    REQUEST_LINE_LIMIT,
    REQUEST_TIME,
    RETRY_AFTER,
)


@frozen
class Refusal:
    """
    Why a request is not served.

    @ivar text: One line.
    @ivar headers: Sent beside those of every refusal.
    @ivar delay: Seconds until it is told; nothing more is read meanwhile.
    """

    status: int
    text: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    delay: float = 0.0


Authorise = Callable[[Any], "str | Refusal"]
"""
Called with a transport: who its peer is, or why it may not ask.
"""


@implementer(IHandshakeListener)
class LimitedChannel(HTTPChannel):
    """
    A connection whose requests are refused as soon as their headers are there.

    @ivar site: The L{LimitedSite}.
    @ivar caller: Who is at the other end, once it has asked something and may.
    @ivar beyond: Whether there were too many connections when it came.
    @ivar request_line: Of the request that arrives.
    """

    site: "LimitedSite"
    caller: str | None = None
    request_line = b""
    beyond = False
    _refused = False
    _arriving = False
    _header_size = 0
    _deadline: IDelayedCall | None = None
    _closing: IDelayedCall | None = None

    def connectionMade(self) -> None:
        super().connectionMade()
        self._deadline = self.callLater(HANDSHAKE_TIME, self.forceAbortClient)

    def handshakeCompleted(self) -> None:
        """
        From now on there are L{IDLE_TIME} for a request to begin.
        """
        self._stop_deadline()

    @property
    def idle(self) -> bool:
        """
        Whether no request is arriving or being answered.
        """
        return not (self._handlingRequest or self._refused or self._arriving)

    def dataReceived(self, data: bytes) -> None:
        if self._refused:
            return
        if not self._handlingRequest and not self._arriving:
            self._stop_deadline()
            self._arriving = True
            self._deadline = self.callLater(REQUEST_TIME, self._too_slow)
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        if self._refused:
            return
        first = self._header_size == 0
        if line or not first:
            self._header_size += len(line) + 2
        if first and len(line) > REQUEST_LINE_LIMIT:
            self._too_long("the request line is", 414, REQUEST_LINE_LIMIT)
        elif self._header_size > HEADERS_LIMIT:
            self._too_long("the headers are", 431, HEADERS_LIMIT)
        else:
            if first:
                self.request_line = line
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        if self._header_size:
            self._too_long("the headers are", 431, HEADERS_LIMIT)
        else:
            self._too_long("the request line is", 414, REQUEST_LINE_LIMIT)

    def _too_long(self, what: str, status: int, limit: int) -> None:
        self.refuse(Refusal(status, f"{what} too long, at most {limit} bytes are taken"))

    def _respondToBadRequestAndDisconnect(self) -> None:
        if not self._refused:
            self.refuse(
                Refusal(400, "not a request of HTTP/1.1, or one with headers that contradict each other")
            )

    def rawDataReceived(self, data: bytes) -> None:
        if not self._refused:
            super().rawDataReceived(data)

    def allHeadersReceived(self) -> None:
        self._header_size = 0
        answer = self.site.admit(self, self.length)
        if isinstance(answer, Refusal):
            self.refuse(answer)
        else:
            self.requests[-1].caller = answer
            super().allHeadersReceived()

    def allContentReceived(self) -> None:
        if not self._refused:
            self._arriving = False
            self._stop_deadline()
            self.site.used(self)
            super().allContentReceived()

    def refuse(self, refusal: Refusal) -> None:
        """
        Answer now, and read nothing more.
        """
        self._refused = True
        self._stop_deadline()
        self.setTimeout(None)
        if refusal.delay:
            self._closing = self.callLater(refusal.delay, lambda: self._tell(refusal))
        else:
            self._tell(refusal)

    def _tell(self, refusal: Refusal) -> None:
        assert self.transport is not None, "refused before it was connected"
        kind, body = self.site.refusal_body(refusal)
        status = b"%d %b" % (refusal.status, RESPONSES.get(refusal.status, b"Refused"))
        headers = refusal.headers
        if refusal.status == 503:
            headers = (*headers, (b"Retry-After", b"%d" % RETRY_AFTER))
        lines = b"".join(b"%b: %b\r\n" % each for each in headers)
        self.transport.write(
            b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b"
            b"Connection: close\r\n\r\n%b" % (status, kind, len(body), lines, body)
        )
        self._closing = self.callLater(LINGER, self.loseConnection)

    def _too_slow(self) -> None:
        self._deadline = None
        self.refuse(Refusal(408, f"the request did not arrive within {REQUEST_TIME:g} seconds"))

    def end_soon(self) -> None:
        """
        Close the connection, after the answer that is being made if there is one.
        """
        self.persistent = 0
        if not self._handlingRequest:
            self.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_deadline()
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self.site.forget(self)
        super().connectionLost(reason)

    def _stop_deadline(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None


class LimitedRequest(Request):
    """
    A request of somebody who may ask.

    @ivar caller: Who.
    """

    defaultContentType = None
    caller = ""


class LimitedSite(Site):
    """
    A site that knows who asks, and bounds what it takes.

    @ivar connections: The open ones, the one that was used longest ago first.
    """

    protocol = LimitedChannel  # type: ignore[assignment]  # Twisted's names its own wrapper
    requestFactory = LimitedRequest
    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        resource: IResource,
        authorise: Authorise,
        body_limit: int,
        connections_limit: int = CONNECTIONS_LIMIT,
        caller_limit: int = CALLER_LIMIT,
    ) -> None:
        super().__init__(resource, reactor=reactor, timeout=IDLE_TIME, parsePOSTFormSubmission=False)
        self._authorise = authorise
        self._body_limit = body_limit
        self._connections_limit = connections_limit
        self._caller_limit = caller_limit
        self._callers: Counter[str] = Counter()
        self.connections: dict[LimitedChannel, None] = {}
        self._closed: Deferred[None] | None = None

    def buildProtocol(self, addr: Any) -> Any:
        full = len(self.connections) >= self._connections_limit and not self._make_room()
        if full and len(self.connections) >= self._connections_limit + REFUSED_CONNECTIONS:
            return None
        channel = super().buildProtocol(addr)
        channel.beyond = full
        self.connections[channel] = None
        return channel

    def _make_room(self) -> bool:
        """
        End the connection that is missed least, if there is one.
        """
        idle = [each for each in self.connections if each.idle]
        victim = next((each for each in idle if each.caller is None), idle[0] if idle else None)
        if victim is None:
            return False
        self.connections.pop(victim)
        victim.forceAbortClient()
        return True

    def used(self, channel: LimitedChannel) -> None:
        """
        A request has come.
        """
        if channel in self.connections:
            self.connections[channel] = self.connections.pop(channel)

    def forget(self, channel: LimitedChannel) -> None:
        """
        A connection has ended.
        """
        self.connections.pop(channel, None)
        if channel.caller is not None:
            self._callers[channel.caller] -= 1
            if not self._callers[channel.caller]:
                del self._callers[channel.caller]
            channel.caller = None
        if self._closed is not None and not self.connections and not self._closed.called:
            self._closed.callback(None)

    async def close(self) -> None:
        """
        Close all connections, when their answers have been sent or after L{CLOSE_TIME}.
        """
        self._closed = Deferred()
        for each in list(self.connections):
            each.end_soon()
        if self.connections:
            try:
                await self._closed.addTimeout(CLOSE_TIME, self.reactor)
            except TimeoutError:
                for each in list(self.connections):
                    each.forceAbortClient()

    def admit(self, channel: LimitedChannel, length: int | None) -> str | Refusal:
        """
        Look at a request whose headers are there: who asks, or why not.

        @param length: Of its body in bytes; C{None} where it is not said.
        """
        caller = self._authorise(channel.transport)
        if isinstance(caller, Refusal):
            return caller
        if channel.beyond:
            return Refusal(503, f"{self._connections_limit} connections are in use, the most that may be")
        if channel.caller is None:
            if self._callers[caller] >= self._caller_limit:
                return Refusal(503, f"{self._caller_limit} connections of one caller, the most that may be")
            self._callers[caller] += 1
            channel.caller = caller
        if length is None:
            return Refusal(411, "a body's length must be said beforehand")
        if length > self._body_limit:
            return Refusal(413, f"a body of {length} bytes, at most {self._body_limit} are taken")
        return caller

    def refusal_body(self, refusal: Refusal) -> tuple[bytes, bytes]:
        """
        A refusal as callers of this site read it: its content type and its bytes.
        """
        return b"text/plain; charset=utf-8", refusal.text.encode() + b"\n"

    def log(self, request: Any) -> None:
        """
        Write no access log: the calls are logged.
        """

    def acceptableProtocols(self) -> list[bytes]:
        """
        HTTP/1.1 alone, also where Twisted could do more.
        """
        return [b"http/1.1"]
