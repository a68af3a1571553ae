"""
Tests for L{gnttwist.net.datagram}.
"""

import socket
from typing import Any

from attrs import define, field

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.net.datagram import BURST, Address, DatagramReader, DatagramService, bind, only


@define
class FakeReactor:
    """
    Remembers who reads.
    """

    readers: list[Any] = field(factory=list)

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.remove(reader)


def upper(datagram: bytes, address: Address) -> bytes | None:
    """
    Answer in capitals; digits meet silence, and an exclamation mark is an error of ours.
    """
    if datagram == b"!":
        raise ZeroDivisionError
    return None if datagram.isdigit() else datagram.upper()


class DatagramTests(SynchronousTestCase):
    """
    Tests on loopback; the reader is called by hand.
    """

    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.service = DatagramService(self.reactor, self.open, upper, 100)  # type: ignore[arg-type]  # a fake
        self.service.startService()
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.addCleanup(self.client.close)
        self.client.connect(("127.0.0.1", self.service.port))

    def tearDown(self) -> None:
        self.service.stopService()

    def open(self) -> socket.socket:
        """
        A socket of any port.
        """
        self.socket = bind("127.0.0.1", 0)
        return self.socket

    def answers(self) -> list[bytes]:
        """
        Let the reader read, and return what the client got.
        """
        for each in tuple(self.reactor.readers):
            each.doRead()
        found = []
        while True:
            try:
                found.append(self.client.recv(1000))
            except BlockingIOError:
                return found

    def test_answers(self) -> None:
        """
        All datagrams that have come are answered at once, or meet silence.
        """
        for each in (b"a", b"1", b"b"):
            self.client.send(each)
        self.assertEqual(self.answers(), [b"A", b"B"])

    def test_burst(self) -> None:
        """
        After a bounded number others have their turn.
        """
        for _ in range(BURST + 1):
            self.client.send(b"x")
        self.assertEqual(len(self.answers()), BURST)
        self.assertEqual(len(self.answers()), 1)

    def test_error(self) -> None:
        """
        A datagram whose answer fails is lost, and logged; those behind it are answered.
        """
        for each in (b"!", b"b"):
            self.client.send(each)
        self.assertEqual(self.answers(), [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.answers(), [b"B"])

    def test_stop(self) -> None:
        """
        A stopped service reads no more and has closed its socket; it can be started again.
        """
        self.service.stopService()
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(self.socket.fileno(), -1)
        self.service.startService()
        (reader,) = self.reactor.readers
        self.assertIsInstance(reader, DatagramReader)

    def test_filter(self) -> None:
        """
        The kernel drops what does not begin as it should, is shorter than that, or too long.
        """
        only(self.socket, b"abcd", 10)
        for each in (b"abcd", b"abcx", b"ab", b"", b"abcd123456", b"abcd1234567"):
            self.client.send(each)
        self.assertEqual(self.answers(), [b"ABCD", b"ABCD123456"])

    def test_shared(self) -> None:
        """
        Several sockets may share a port where they ask for it, and only there.
        """
        first = bind("127.0.0.1", 0, shared=True)
        self.addCleanup(first.close)
        port = first.getsockname()[1]
        second = bind("127.0.0.1", port, shared=True)
        self.addCleanup(second.close)
        self.assertRaises(OSError, bind, "127.0.0.1", port)
