"""
The new machine's side of a join: it waits for the master, once.
"""

from collections.abc import Callable
from typing import Any

from attrs import define, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.errors import GnttwistError, RemoteError
from gnttwist.net.certificates import Credentials
from gnttwist.net.tls import for_joining
from gnttwist.wire import join
from gnttwist.wire.framing import Splitter

PROOF_TIME, PACKAGE_TIME = 10.0, 60.0
"""
Seconds that the other side has to prove that it is the master, and then to bring the package and hear of it.
"""

CONNECTIONS_LIMIT = 16
"""
Most connections at a time: one is the master's, the others somebody's who has found the port.
"""

WRONG_LIMIT = 20
"""
Wrong proofs until the code is given up. The secret has 128 bits; this tells of somebody who tries.
"""


class JoinEnded(GnttwistError):
    """
    Nobody joined: the code has expired, or was guessed at too often.
    """


EXPIRED = "the code has expired"

Install = Callable[[join.Package], "Deferred[str]"]
"""
Takes the package; returns the digest of the certificate that was made.
"""


@define(eq=False, repr=False)
class Joining:
    """
    Waits for the master.

    @ivar own: The key and certificate of this wait.
    @ivar done: Fires with the package when it was taken and the master told, or with L{JoinEnded}.
    """

    _log = Logger()
    clock: IReactorTime
    _hostname: str
    own: Credentials
    _secret: bytes
    _entropy: Callable[[int], bytes]
    _install: Install
    done: "Deferred[join.Package]" = field(factory=Deferred, init=False)
    _connections: int = field(default=0, init=False)
    _wrong: int = field(default=0, init=False)
    _taken: bool = field(default=False, init=False)
    _installed: join.Package | None = field(default=None, init=False)
    _port: IListeningPort | None = field(default=None, init=False)
    _expiry: IDelayedCall | None = field(default=None, init=False)

    def listen(self, reactor: Any, port: int, address: str, lifetime: float) -> IListeningPort:
        """
        Begin.

        @param lifetime: Seconds until the code expires.
        @raise CannotListenError: The address is not this machine's, or in use.
        """
        factory = Factory.forProtocol(JoinProtocol)
        factory.joining = self  # type: ignore[attr-defined]  # what its protocols belong to
        found: IListeningPort = reactor.listenSSL(
            port, factory, for_joining(self.own), CONNECTIONS_LIMIT, address
        )
        self._port = found
        self._expiry = self.clock.callLater(lifetime, self._end, JoinEnded(EXPIRED))
        return found

    def admit(self) -> bool:
        """
        Whether one more connection may be.
        """
        if self._connections >= CONNECTIONS_LIMIT or self.done.called:
            return False
        self._connections += 1
        return True

    def leave(self) -> None:
        """
        A connection that was admitted has ended.
        """
        self._connections -= 1

    def hello(self) -> join.Hello:
        """
        What a connection begins with.
        """
        return join.Hello(join.VERSION, self._entropy(join.NONCE_BYTES))

    def judge(self, hello: join.Hello, proof: join.Proof) -> join.Answer | None:
        """
        The answer to a proof; C{None} to a wrong one.

        @raise RemoteError: It is malformed.
        """
        certificate = join.digest(self.own.der())
        talk = join.Conversation(self._secret, certificate, hello.nonce, join.checked_nonce(proof.nonce))
        if join.proves(proof.proof, talk.by_master()):
            return join.Answer(talk.by_machine(), self._hostname)
        self._wrong += 1
        self._log.warn("somebody has shown a wrong code, for the {count}. time", count=self._wrong)
        if self._wrong >= WRONG_LIMIT:
            self._end(
                JoinEnded(f"{WRONG_LIMIT} wrong codes were shown: somebody is guessing; make a new one")
            )
        return None

    async def take(self, package: join.Package) -> join.Done:
        """
        Install a package, of which there is one.
        """
        if self._taken or self.done.called:
            return join.Done(reason="this code was used already, or has expired")
        self._taken = True
        try:
            certificate = await self._install(package)
        except (GnttwistError, OSError) as reason:
            # Nothing was taken, so the code is as good as before.
            self._taken = False
            if self._expiry is not None and not self._expiry.active():
                self._end(JoinEnded(EXPIRED))
            return join.Done(reason=str(reason))
        self._installed = package
        self._stop()
        return join.Done(certificate=certificate)

    def settle(self) -> None:
        """
        A connection has ended: if a package was taken, the master knows it, or has gone.
        """
        if self._installed is not None and not self.done.called:
            self.done.callback(self._installed)

    def _end(self, reason: JoinEnded) -> None:
        if self._taken or self.done.called:
            return
        self._stop()
        self.done.errback(Failure(reason))

    def _stop(self) -> None:
        if self._expiry is not None and self._expiry.active():
            self._expiry.cancel()
        if self._port is not None:
            self._port.stopListening()


class JoinProtocol(Protocol):
    """
    One connection.
    """

    _log = Logger()
    factory: Any
    _admitted = False
    _splitter: Splitter
    _hello: join.Hello
    _proven = False
    _taking = False
    _lost = False
    _closed = False
    _deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        assert self.transport is not None, "it is connected"
        joining: Joining = self.factory.joining
        self._splitter = Splitter(join.HANDSHAKE_LIMIT)
        self._admitted = joining.admit()
        if not self._admitted:
            self._close()
            return
        self._deadline = joining.clock.callLater(PROOF_TIME, self._close)
        self._hello = joining.hello()
        self.transport.write(join.encode(self._hello))

    def dataReceived(self, data: bytes) -> None:
        if not self._admitted or self._taking:
            return
        try:
            for message in self._splitter.feed(data):
                if not self._closed:
                    self._receive(message)
        except RemoteError as reason:
            self._log.info("{peer} is not a master: {reason}", peer=self._peer, reason=reason)
            self._close()

    def _receive(self, message: bytes) -> None:
        assert self.transport is not None, "it is connected"
        joining: Joining = self.factory.joining
        if not self._proven:
            answer = joining.judge(self._hello, join.decode(join.Proof, message))
            if answer is None:
                self._close()
                return
            self._proven = True
            if self._deadline is not None:
                self._deadline.reset(PACKAGE_TIME)
            self._splitter = Splitter(join.PACKAGE_LIMIT)
            self.transport.write(join.encode(answer))
        elif not self._taking:
            package = join.decode(join.Package, message)
            self._taking = True
            taking = Deferred.fromCoroutine(joining.take(package))
            taking.addCallback(self._answer)
            taking.addErrback(lambda why: self._log.failure("taking a package", failure=why))

    def _answer(self, done: join.Done) -> None:
        if self._lost:
            self.factory.joining.settle()
            return
        assert self.transport is not None, "it is connected"
        self.transport.write(join.encode(done))
        self.transport.loseConnection()

    @property
    def _peer(self) -> object:
        return None if self.transport is None else getattr(self.transport.getPeer(), "host", None)

    def _close(self) -> None:
        self._closed = True
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]  # TCP's and TLS's have it

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._lost = True
        if self._admitted:
            self.factory.joining.leave()
        if self._taking:
            self.factory.joining.settle()
