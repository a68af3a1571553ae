"""
A UDP socket as a service.
"""

from attrs import define, field

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort, IReactorUDP
from twisted.internet.protocol import DatagramProtocol


@define(eq=False, slots=False, repr=False)
class DatagramService(Service):
    """
    One bound socket. It binds when it is started with privileges still held, so that low ports work.

    @ivar port: What listens; C{None} while stopped.
    """

    _reactor: IReactorUDP
    _number: int
    _protocol: DatagramProtocol
    _interface: str
    _max_size: int = 8192
    port: IListeningPort | None = field(default=None, init=False)

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        self._listen()

    def startService(self) -> None:
        super().startService()
        self._listen()

    def _listen(self) -> None:
        if self.port is None:
            self.port = self._reactor.listenUDP(self._number, self._protocol, self._interface, self._max_size)

    def stopService(self) -> "Deferred[None]":
        super().stopService()
        port, self.port = self.port, None
        stopped = None if port is None else port.stopListening()
        return succeed(None) if stopped is None else stopped
