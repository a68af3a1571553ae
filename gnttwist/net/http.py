"""
An HTTP server's limits, applied while a request arrives: who asks and how much is looked at before the body.
"""

from collections.abc import Callable
from typing import Any

from attrs import frozen

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import RESPONSES, HTTPChannel
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

REQUEST_TIME = 60.0
"""
Seconds that a request has from its first byte to its last, however steadily it comes: 10 MiB at 1.4 Mbit/s.
"""

IDLE_TIME = 300.0
"""
Seconds without a byte after which a connection between requests is closed: 40 kB of memory each. Longer than
callers keep theirs.
"""

LINGER = 2.0
"""
Seconds that a refused connection stays open, so that the refusal is read before the connection breaks.
"""

CLOSE_TIME = 3.0
"""
Seconds that answers have to be sent when the server stops.
"""

CONNECTIONS_LIMIT = 512
"""
Most connections. With two descriptors for each of the calls that may run, they fit into the 1,024 descriptors that
a process has by default.
"""


@frozen
class Refusal:
    """
    Why a request is not served.

    @ivar text: One line.
    """

    status: int
    text: str


Authorise = Callable[[Any], "str | Refusal"]
"""
Called with a transport: who its peer is, or why it may not ask.
"""


class LimitedChannel(HTTPChannel):
    """
    A connection whose requests are refused as soon as their headers are there.

    @ivar site: The L{LimitedSite}.
    """

    site: "LimitedSite"
    _refused = False
    _deadline: IDelayedCall | None = None
    _closing: IDelayedCall | None = None

    def dataReceived(self, data: bytes) -> None:
        if self._refused:
            return
        if self._deadline is None and not self._handlingRequest:
            self._deadline = self.callLater(REQUEST_TIME, self._too_slow)
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        if not self._refused:
            super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        if not self._refused:
            super().rawDataReceived(data)

    def allHeadersReceived(self) -> None:
        answer = self.site.admit(self.transport, self.length)
        if isinstance(answer, Refusal):
            self.refuse(answer)
        else:
            self.requests[-1].caller = answer
            super().allHeadersReceived()

    def allContentReceived(self) -> None:
        if not self._refused:
            self._stop(self._deadline)
            self._deadline = None
            super().allContentReceived()

    def refuse(self, refusal: Refusal) -> None:
        """
        Answer now, and read nothing more.
        """
        assert self.transport is not None, "refused before it was connected"
        self._refused = True
        self._stop(self._deadline)
        self.setTimeout(None)
        body = refusal.text.encode() + b"\n"
        status = b"%d %b" % (refusal.status, RESPONSES.get(refusal.status, b"Refused"))
        self.transport.write(
            b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
            b"Connection: close\r\n\r\n%b" % (status, len(body), body)
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
        self._stop(self._deadline)
        self._stop(self._closing)
        self.site.forget(self)
        super().connectionLost(reason)

    def _stop(self, timer: IDelayedCall | None) -> None:
        if timer is not None and timer.active():
            timer.cancel()


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

    @ivar connections: The open ones.
    """

    protocol = LimitedChannel  # type: ignore[assignment]  # Twisted's names its own wrapper
    requestFactory = LimitedRequest

    def __init__(
        self,
        reactor: IReactorTime,
        resource: IResource,
        authorise: Authorise,
        body_limit: int,
        connections_limit: int = CONNECTIONS_LIMIT,
    ) -> None:
        super().__init__(resource, reactor=reactor, timeout=IDLE_TIME, parsePOSTFormSubmission=False)
        self._authorise = authorise
        self._body_limit = body_limit
        self._connections_limit = connections_limit
        self.connections: set[LimitedChannel] = set()
        self._closed: Deferred[None] | None = None

    def buildProtocol(self, addr: Any) -> Any:
        if len(self.connections) >= self._connections_limit:
            return None
        channel = super().buildProtocol(addr)
        self.connections.add(channel)
        return channel

    def forget(self, channel: LimitedChannel) -> None:
        """
        A connection has ended.
        """
        self.connections.discard(channel)
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

    def admit(self, transport: Any, length: int | None) -> str | Refusal:
        """
        Look at a request whose headers are there: who asks, or why not.

        @param length: Of its body in bytes; C{None} where it is not said.
        """
        caller = self._authorise(transport)
        if isinstance(caller, Refusal):
            return caller
        if length is None:
            return Refusal(411, "a body's length must be said beforehand")
        if length > self._body_limit:
            return Refusal(413, f"a body of {length} bytes, at most {self._body_limit} are taken")
        return caller

    def log(self, request: Any) -> None:
        """
        Write no access log: the calls are logged.
        """

    def acceptableProtocols(self) -> list[bytes]:
        """
        HTTP/1.1 alone, also where Twisted could do more.
        """
        return [b"http/1.1"]
