"""
Callers for benchmarks: kept TLS connections on blocking sockets, one thread each, with as little of their own as
possible, because they share the cores with what is measured.
"""

import json
import socket
import ssl
import statistics
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from attrs import define, field, frozen

PATIENCE = 60.0
"""
Seconds after which a silent daemon fails the measurement.
"""


@frozen
class Times:
    """
    What a number of callers measured.

    @ivar rate: Calls a second, all callers together.
    @ivar median: Seconds; C{late} is the 99th percentile.
    """

    rate: float
    median: float
    late: float

    @property
    def milliseconds(self) -> str:
        """
        Median and 99th percentile, for a table.
        """
        return f"{self.median * 1000:.1f} / {self.late * 1000:.1f}"


@define
class Connection:
    """
    One caller's connection.
    """

    port: int
    context: ssl.SSLContext = field(repr=False)
    address: str = "127.0.0.1"
    session: ssl.SSLSession | None = field(default=None, repr=False)
    _socket: ssl.SSLSocket = field(init=False)

    def __attrs_post_init__(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE, (self.address, 0))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = self.context.wrap_socket(plain, session=self.session)

    def ask(self, path: str, body: Any) -> Any:
        """
        Ask once.

        @raise AssertionError: The answer is not 200.
        """
        data = json.dumps(body).encode()
        head = f"POST /{path} HTTP/1.1\r\nHost: n\r\nContent-Length: {len(data)}\r\n\r\n"
        self._socket.sendall(head.encode() + data)
        return self._answer()

    def _answer(self) -> Any:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        headers, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in headers.split(b"\r\n")[1:])
        length = int(fields[b"content-length"])
        while len(body) < length:
            body += self._more()
        if b" 200 " not in headers[:20]:
            raise AssertionError(f"{headers[:40]!r}: {body[:200]!r}")
        return json.loads(body)

    def _more(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise AssertionError("the daemon closed the connection")
        return data

    def kept(self) -> ssl.SSLSession | None:
        """
        What makes the next handshake short.
        """
        return self._socket.session

    def close(self) -> None:
        """
        Without the closing handshake.
        """
        self._socket.close()


def context(certificate: Path, authority: Path) -> ssl.SSLContext:
    """
    A master candidate's side.

    @param certificate: client.pem.
    @param authority: server.pem.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.load_cert_chain(certificate)
    made.load_verify_locations(authority)
    return made


def together(count: int, seconds: float, caller: Callable[[int], Callable[[], None]]) -> Times:
    """
    Let callers call for some time, one call after the other each.

    @param caller: Called with each one's number; returns what makes one call.
    @raise AssertionError: One of them failed.
    """
    times: list[float] = []
    failures: list[BaseException] = []
    callers = [caller(number) for number in range(count)]
    start = threading.Barrier(count)

    def run(call: Callable[[], None]) -> None:
        try:
            start.wait()
            end = perf_counter() + seconds
            while (begun := perf_counter()) < end:
                call()
                times.append(perf_counter() - begun)
        except (OSError, AssertionError) as reason:
            failures.append(reason)

    threads = [threading.Thread(target=run, args=(each,)) for each in callers]
    began = perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    elapsed = perf_counter() - began
    if failures:
        raise AssertionError(f"{len(failures)} callers failed, the first: {failures[0]}")
    percentiles = statistics.quantiles(times, n=100)
    return Times(len(times) / elapsed, percentiles[49], percentiles[98])
