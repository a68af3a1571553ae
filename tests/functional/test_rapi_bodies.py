"""
Bodies that are torn, too long or wrongly announced, sent to a running gnt-rapi byte by byte.
"""

import gzip
import json
import socket
import struct
from typing import Any

from gnttwist.rapi.site import BODY_LIMIT
from tests.functional.rapi_sandbox import TIMEOUT, RAPITestCase

MEGABYTE = b" " * 2**20


class Wire:
    """
    A connection.
    """

    def __init__(self, test: "BodyTests") -> None:
        plain = socket.create_connection((test.address, 5080), timeout=TIMEOUT)
        self.socket = test.tls().wrap_socket(plain)
        self._reader = self.socket.makefile("rb")
        test.addCleanup(self.socket.close)
        test.addCleanup(self._reader.close)

    def send(self, data: bytes) -> None:
        """
        Send bytes.
        """
        self.socket.sendall(data)

    def line(self) -> bytes:
        """
        The next line that comes; empty at the end.
        """
        return self._reader.readline()

    def answer(self) -> tuple[int, Any]:
        """
        The next answer: its status and document.
        """
        status, length = int(self.line().split()[1]), 0
        while (line := self.line()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, json.loads(self._reader.read(length))

    def reset(self) -> None:
        """
        Break it.
        """
        self._reader.close()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class BodyTests(RAPITestCase):
    """
    Tests for requests' bodies: what is wrong is answered with a document or ends the connection, and no more.
    A sandbox takes two seconds, so each test looks at a lot.
    """

    def setUp(self) -> None:
        super().setUp()
        self.daemon = self.paths.pid("gnt-rapi").read_text()
        authorization = self.credentials()["Authorization"]
        self.head = (
            f"PUT /2/modify HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n"
            "Content-Type: application/json\r\n"
        ).encode()

    def request(self, headers: bytes, body: bytes = b"") -> bytes:
        """
        A request of somebody who may ask.
        """
        return self.head + headers + b"\r\n\r\n" + body

    def alive(self) -> None:
        """
        The same daemon serves others.
        """
        self.assertEqual(self.ask("GET", "/version")[:2], (200, 2))
        self.assertEqual(self.paths.pid("gnt-rapi").read_text(), self.daemon)

    def test_torn(self) -> None:
        """
        A body whose rest never comes changes nothing, whether the connection is closed, broken or has never been
        one of TLS; one that comes in pieces counts, and what follows it is the next request.
        """
        jobs = self.ask("GET", "/2/jobs")[1]
        body = json.dumps({"beparams": {"vcpus": 2}}).encode()
        for shown in (0, 1, len(body) - 1):
            torn = self.request(b"Content-Length: %d" % len(body), body[:shown])
            ended, closed, broken = Wire(self), Wire(self), Wire(self)
            for wire in (ended, closed, broken):
                wire.send(torn)
            ended.socket.unwrap().close()
            closed.socket.close()
            broken.reset()
        for data in (b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b""):
            with socket.create_connection((self.address, 5080), timeout=TIMEOUT) as plain:
                plain.sendall(data)
        self.alive()
        self.assertEqual(self.ask("GET", "/2/jobs")[1], jobs)
        wire, body = Wire(self), json.dumps({"colour": "red"}).encode()
        for byte in self.request(b"Content-Length: %d" % len(body), body):
            wire.send(bytes([byte]))
        status, document = wire.answer()
        self.assertEqual((status, "colour" in document["explain"]), (400, True))
        wire.send(self.request(b"Content-Length: %d" % len(body), body + b"and more\r\n\r\n"))
        self.assertEqual(("colour" in wire.answer()[1]["explain"], wire.answer()[0]), (True, 400))
        self.assertEqual(wire.line(), b"")
        self.alive()

    def test_lengths(self) -> None:
        """
        The longest body that is taken is read; one byte more is refused before it is sent and while it is being
        sent. So are lengths that are none, and several of them.
        """
        wire = Wire(self)
        longest = b'"' + MEGABYTE * (BODY_LIMIT // len(MEGABYTE))
        wire.send(self.request(b"Content-Length: %d" % BODY_LIMIT, longest[: BODY_LIMIT - 1] + b'"'))
        status, document = wire.answer()
        self.assertEqual((status, "object" in document["explain"]), (400, True))
        too_long = self.request(b"Content-Length: %d" % (BODY_LIMIT + 1))
        wire.send(too_long)
        status, document = wire.answer()
        self.assertEqual((status, str(BODY_LIMIT) in document["explain"]), (413, True))
        wire = Wire(self)
        wire.send(too_long + MEGABYTE)
        self.assertEqual(wire.answer()[0], 413)
        try:
            for _ in range(2 * BODY_LIMIT // len(MEGABYTE)):
                wire.send(MEGABYTE)
        except OSError:
            # Closed meanwhile: what nobody reads need not be sent.
            pass
        for headers, expected in (
            (b"Content-Length: -1", 400),
            (b"Content-Length: two", 400),
            (b"Content-Length: 2\r\nContent-Length: 3", 400),
            (b"Content-Length: 0x10", 400),
            (b"Content-Length: " + b"9" * 40, 413),
            (b"Content-Length: 99999999\r\nExpect: 100-continue", 413),
            (b"Transfer-Encoding: chunked", 411),
            (b"Transfer-Encoding: chunked\r\nContent-Length: 2", 400),
            (b"Transfer-Encoding: gzip, chunked", 400),
        ):
            wire = Wire(self)
            wire.send(self.request(headers))
            status, document = wire.answer()
            self.assertEqual((status, document["code"]), (expected, expected), headers)
        self.alive()

    def test_contents(self) -> None:
        """
        Compressed, binary, endless and twofold JSON is refused in words, on a connection that goes on. Who asks
        before he sends is told to go on.
        """
        wire = Wire(self)
        for body in (
            gzip.compress(b"{}"),
            b"\x00" * 100,
            b"\xff\xfe{\x00}\x00",
            b'{"a":' * 100_000,
            b'{"a": 1} {"b": 2}',
            b'{"vcpus": ' + b"9" * 100_000 + b"}",
        ):
            wire.send(self.request(b"Content-Length: %d" % len(body), body))
            status, document = wire.answer()
            self.assertEqual((status, document["code"]), (400, 400), body[:20])
        wire.send(self.request(b"Content-Length: 2\r\nExpect: 100-continue"))
        self.assertEqual((wire.line()[:13], wire.line()), (b"HTTP/1.1 100 ", b"\r\n"))
        wire.send(b"[]")
        self.assertEqual(wire.answer()[0], 400)
        self.alive()
