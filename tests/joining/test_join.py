"""
Tests for L{gnttwist.joining.listener} and L{gnttwist.joining.master}, over real connections.
"""

import os
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from twisted.internet import reactor as installed_reactor  # noqa: TID251  # real sockets
from twisted.internet.defer import Deferred, fail, inlineCallbacks, succeed
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from gnttwist.joining import listener, master
from gnttwist.joining.files import NotPossible
from gnttwist.net import certificates
from gnttwist.wire import join

reactor: Any = installed_reactor
HOST = "127.0.0.1"
OWN = certificates.new_cluster_certificate(datetime.now(UTC))
PACKAGE = join.Package("cluster", "node2", {"server.pem": b"x" * 100_000}, {})
Result = Any


class JoinTests(TestCase):
    """
    A machine that waits, and masters of all kinds.
    """

    timeout = 20

    def setUp(self) -> None:
        self.installed: list[join.Package] = []
        self.outcomes: list[Callable[[], Deferred[str]]] = []
        self.code = join.Code.of(OWN.der(), bytes(16))
        self.joining = listener.Joining(reactor, "node2", OWN, bytes(16), os.urandom, self.install)
        address: Any = self.joining.listen(reactor, 0, HOST, 300.0).getHost()
        self.port = address.port
        self.addCleanup(self.stop)

    def stop(self) -> Any:
        """
        Leave nothing behind.
        """
        if not self.joining.done.called:
            self.joining.done.addErrback(lambda why: why.trap(listener.JoinEnded))
            self.joining._end(listener.JoinEnded("the test is over"))
        return self.settled()

    def settled(self) -> Deferred[None]:
        """
        Wait until connections have ended.
        """
        ended: Deferred[None] = Deferred()

        def look() -> None:
            if self.joining._connections:
                reactor.callLater(0.01, look)
            else:
                ended.callback(None)

        look()
        return ended

    def install(self, package: join.Package) -> Deferred[str]:
        """
        Take a package.
        """
        if self.outcomes:
            return self.outcomes.pop(0)()
        self.installed.append(package)
        return succeed("AA:BB")

    def give(self, code: join.Code | None = None) -> Deferred[Any]:
        """
        Be the master.
        """
        return deferToThread(master.give, HOST, self.port, code or self.code, lambda name: PACKAGE)

    @inlineCallbacks
    def test_joined(self) -> Result:
        """
        With the right code the machine takes the package, once, and listens no more.
        """
        self.assertEqual((yield self.give()), "AA:BB")
        self.assertEqual((yield self.joining.done), PACKAGE)
        self.assertEqual(self.installed, [PACKAGE])
        error = yield self.assertFailure(self.give(), master.JoinFailed)
        self.assertIn("refused", str(error))

    @inlineCallbacks
    def test_other_machine(self) -> Result:
        """
        To a machine of another certificate the master says nothing.
        """
        error = yield self.assertFailure(self.give(join.Code(bytes(16), bytes(16))), master.JoinFailed)
        self.assertIn("not the one", str(error))
        self.assertEqual((self.installed, self.joining.done.called), ([], False))

    @inlineCallbacks
    def test_wrong_secret(self) -> Result:
        """
        A master without the secret is refused, and the right one is taken afterwards.
        """
        wrong = join.Code.of(OWN.der(), b"1" * 16)
        error = yield self.assertFailure(self.give(wrong), master.JoinFailed)
        self.assertIn("does not take this code", str(error))
        yield self.give()
        self.assertEqual(self.installed, [PACKAGE])
        self.flushLoggedErrors()

    @inlineCallbacks
    def test_guessing(self) -> Result:
        """
        After some wrong codes the machine gives up.
        """
        self.patch(listener, "WRONG_LIMIT", 2)
        wrong = join.Code.of(OWN.der(), b"1" * 16)
        for _ in range(2):
            yield self.assertFailure(self.give(wrong), master.JoinFailed)
        error = yield self.assertFailure(self.joining.done, listener.JoinEnded)
        self.assertIn("guessing", str(error))

    @inlineCallbacks
    def test_refused(self) -> Result:
        """
        What the machine cannot take leaves the code as good as before.
        """
        self.outcomes = [lambda: fail(NotPossible("the disk is full"))]
        error = yield self.assertFailure(self.give(), master.JoinFailed)
        self.assertIn("the disk is full", str(error))
        self.assertEqual((yield self.give()), "AA:BB")

    @inlineCallbacks
    def test_master_dies(self) -> Result:
        """
        A master that goes away before it has sent anything leaves the code as good as before; so does one that sends
        rubbish, or nothing.
        """
        silent = yield deferToThread(socket.create_connection, (HOST, self.port), 5)
        self.addCleanup(silent.close)
        for data in (b"", b"GET / HTTP/1.1\r\n\r\n\x03", b"x" * 10_000):
            yield deferToThread(self.say, data)
        self.assertEqual((yield self.give()), "AA:BB")
        silent.close()

    def say(self, data: bytes) -> None:
        """
        Say something by TLS and go away, or be sent away.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection((HOST, self.port), 5)
        with context.wrap_socket(plain) as connection:
            connection.sendall(data)
            if data:
                try:
                    while connection.recv(4096):
                        pass
                except (ConnectionError, ssl.SSLError):
                    return

    @inlineCallbacks
    def test_expired_while_taking(self) -> Result:
        """
        A code that expires while a package is taken, which then fails, has expired.
        """
        taking: Deferred[str] = Deferred()
        self.outcomes = [lambda: taking]
        giving = self.give()
        while self.outcomes:
            pause: Deferred[None] = Deferred()
            reactor.callLater(0.01, pause.callback, None)
            yield pause
        assert self.joining._expiry is not None
        self.joining._expiry.reset(0)
        pause = Deferred()
        reactor.callLater(0.01, pause.callback, None)
        yield pause
        self.assertFalse(self.joining.done.called)
        taking.errback(NotPossible("the disk is full"))
        yield self.assertFailure(giving, master.JoinFailed)
        yield self.assertFailure(self.joining.done, listener.JoinEnded)

    @inlineCallbacks
    def test_expired(self) -> Result:
        """
        A code expires.
        """
        joining = listener.Joining(reactor, "node2", OWN, bytes(16), os.urandom, self.install)
        joining.listen(reactor, 0, HOST, 0.01)
        error = yield self.assertFailure(joining.done, listener.JoinEnded)
        self.assertIn("expired", str(error))

    @inlineCallbacks
    def test_crowd(self) -> Result:
        """
        Connections beyond the limit are closed at once.
        """
        self.patch(listener, "CONNECTIONS_LIMIT", 0)
        yield self.assertFailure(self.give(), master.JoinFailed)
