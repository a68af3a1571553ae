"""
gnt-noded among clients that do not behave: many that say nothing, some that are slow, some that do not read.
"""

import json
import socket
import ssl
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

from twisted.internet import reactor  # noqa: TID251 - real processes and sockets
from twisted.internet.threads import deferToThread

from gnttwist.jobs.calls import Call
from gnttwist.net import certificates
from tests.functional.test_noded import KEY, ignore
from tests.noded.daemon import Daemon, DaemonCase
from tests.noded.process_conformance import asynchronous

SILENT, SLOW, READERS = 300, 20, 16
RESULT = 256 * 1024 * 1024
"""
Bytes of the large result: as much as one may have, and sixteen times as much as its readers may cost together.
"""

PATIENCE = 20.0


class LoadTests(DaemonCase):
    """
    Tests of the whole daemon.
    """

    reactor = reactor

    def setUp(self) -> None:
        super().setUp()
        self.open = ExitStack()
        self.addCleanup(self.open.close)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        own = self.paths.root / "own.pem"
        certificates.write(own, self.own.pem(), certificates.PEM_MODE)
        self.context.load_cert_chain(own)
        self.context.load_verify_locations(self.paths.server_pem)

    def connect(self) -> socket.socket:
        """
        A connection that says nothing yet.
        """
        return self.open.enter_context(socket.create_connection(("127.0.0.1", self.port), PATIENCE))

    def send(self, request: bytes) -> ssl.SSLSocket:
        """
        A master candidate's connection that has sent something.
        """
        secured = self.open.enter_context(self.context.wrap_socket(self.connect()))
        secured.sendall(request)
        return secured

    @asynchronous
    async def test_silent_and_slow(self) -> None:
        """
        Connections that say nothing, before or in a TLS handshake, and half requests do not slow others.
        """
        await self.start_daemon()

        def burden() -> None:
            for number in range(SILENT):
                plain = self.connect()
                if number % 2:
                    # The beginning of a TLS record, whose rest never comes.
                    plain.sendall(b"\x16\x03\x01\x02\x00\x01")
            for _ in range(SLOW):
                self.send(b"POST /version HTTP/1.1\r\nContent-Length: 100\r\n\r\n[")

        await deferToThread(burden)
        caller = self.caller()
        begun = monotonic()
        for number in range(20):
            await caller.call(self.node, Call("version", [], f"k/{number}"), ignore)
        # A quarter of a second each, on a machine that has other things to do.
        self.assertLess(monotonic() - begun, 5.0)

    @asynchronous
    async def test_large_results(self) -> None:
        """
        Sixteen readers that take a large result slowly raise the daemon's memory by less than 16 MB, and one that
        takes all of it gets all of it.
        """
        daemon = await self.start_daemon()
        start = json.dumps(["blockdev_find", [RESULT], PATIENCE, {"key": KEY}]).encode()
        await deferToThread(self.read_some, start, "StartFunction")
        before = resident(daemon)
        wait = json.dumps([KEY, 0]).encode()

        def read() -> None:
            for _ in range(READERS):
                self.read_some(wait, "WaitForFunction")

        await deferToThread(read)
        self.assertLess(resident(daemon) - before, 16.0)
        await deferToThread(self.read_all, wait, "WaitForFunction")
        self.assertLess(resident(daemon) - before, 16.0)

    def read_all(self, body: bytes, path: str) -> None:
        """
        Ask, and read the whole answer.
        """
        reader = self.send(request(body, path))
        answer = bytearray(RESULT + 4096)
        taken = 0
        with memoryview(answer) as place:
            while more := reader.recv_into(place[taken:]):
                taken += more
        head, _, text = bytes(answer[:taken]).partition(b"\r\n\r\n")
        self.assertIn(f"Content-Length: {len(text)}".encode(), head)
        begin, end = b'[null,true,[true,"', b'"]]'
        self.assertEqual(text, begin + b"x" * RESULT + end)

    def read_some(self, body: bytes, path: str) -> None:
        """
        Ask, read the beginning of the answer, and then stop reading.
        """
        reader = self.send(request(body, path))
        received = b""
        while len(received) < 100_000:
            data = reader.recv(65536)
            self.assertTrue(data, received[:200])
            received += data
        self.assertIn(b" 200 ", received[:20])


def request(body: bytes, path: str) -> bytes:
    """
    A request that is the last of its connection.
    """
    head = f"POST /{path} HTTP/1.1\r\nHost: n\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def resident(daemon: Daemon) -> float:
    """
    A daemon's resident memory in MB.
    """
    assert daemon.transport is not None, "asked before its start"
    text = Path(f"/proc/{daemon.transport.pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024
