"""
Events on a sandbox: from the commit of a change until subscribers have it, what thousands of them cost, and the page.
Subscribers are one process of its own on the same machine.
"""

import json
import math
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http.client import HTTPSConnection
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from select import EPOLLIN, epoll
from socket import create_connection

from gnttwist.client.luxi import LuxiClient
from gnttwist.paths import Paths
from gnttwist.sandbox.layout import read_state
from gnttwist.sandbox.lifecycle import down
from gnttwist.sandbox.processes import Process, start_time
from tests.functional.browser import DRIVER, Browser

PORT = 5080
CROWDS = (1, 100, 1000)
CHANGES = 30
"""
How many jobs are submitted for each crowd.
"""

MANY = 5000
PAGE = ("", "main.js", "view.js", "api.js", "style.css", "icon.svg")
VISITS = 20
PAINTED = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime;"
LONGEST = 90.0
"""
Seconds that any crowd may take.
"""

CONNECTING = 8
"""
Subscribers that connect at once.
"""

SETTLED = 1.0
"""
Seconds for what was written last to arrive.
"""

Row = tuple[str, str]
Target = tuple[str, str, str]


def rows() -> list[Row]:
    """
    Measure on a sandbox of one node.
    """
    place = Path(tempfile.mkdtemp(prefix="gnt-"))
    directory = place / "s"
    gnt = str(Path(sys.executable).parent / "gnt")
    subprocess.run(
        [gnt, "sandbox", "up", "--dir", str(directory), "--nodes", "1"], check=True, capture_output=True
    )
    try:
        sandbox = read_state(directory)
        paths = sandbox.paths(sandbox.master)
        name, password, _ = paths.rapi_users.read_text().split()
        credentials = b64encode(f"{name}:{password}".encode()).decode()
        target = (sandbox.master.address, str(paths.rapi_pem), credentials)
        found = _page(target)
        for crowd in CROWDS:
            found += _delays(paths, target, crowd)
        return found + _memory(paths, target)
    finally:
        down(directory)
        shutil.rmtree(place, ignore_errors=True)


def _context(pem: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=pem)
    # The certificate names the cluster.
    context.check_hostname = False
    return context


def _page(target: Target) -> list[Row]:
    """
    What a browser loads, how long that takes, and when a real one shows the first thing.
    """
    address, pem, _ = target
    times = []
    weight = 0
    for _ in range(VISITS):
        began = time.perf_counter()
        connection = HTTPSConnection(address, PORT, context=_context(pem))
        weight = 0
        for name in PAGE:
            connection.request("GET", f"/ui/{name}")
            weight += len(connection.getresponse().read())
        connection.close()
        times.append(time.perf_counter() - began)
    painted = []
    if DRIVER is not None:
        browser = Browser()
        try:
            for _ in range(VISITS):
                browser.open(f"https://{address}:{PORT}/ui/")
                painted.append(float(browser.until(PAINTED)))
        finally:
            browser.close()
    first = f"{statistics.median(painted):.0f} ms" if painted else "not measured: no chromedriver"
    return [
        ("page: from asking until Chromium shows something, median", first),
        ("page: weight, not compressed", f"{weight / 1000:.1f} kB"),
        ("page: all files over a new connection, median", f"{1000 * statistics.median(times):.0f} ms"),
    ]


def _delays(paths: Paths, target: Target, crowd: int) -> list[Row]:
    """
    From when gnt-masterd has acknowledged a job, which is after its commit, until subscribers have read the event.
    """
    ours, theirs = get_context("spawn").Pipe()
    with get_context("spawn").Pool(1) as pool, LuxiClient(paths.luxi_socket) as luxi:
        listening = pool.apply_async(_listen, (target, crowd, theirs))
        _ready(ours)
        committed = {}
        op = {"OP_ID": "OP_TEST_DELAY", "duration": 0.0, "on_master": True, "on_nodes": []}
        for _ in range(CHANGES):
            job = luxi.call("SubmitJob", [op])
            committed[job] = time.time()
            listening.wait(0.2)
        ours.send(max(committed))
        heard: list[tuple[int, float]] = listening.get(LONGEST)
    delays = sorted(max(0.0, at - committed[job]) for job, at in heard if job in committed)
    assert len(delays) == crowd * CHANGES, (len(delays), crowd)
    median, late = statistics.median(delays), delays[int(len(delays) * 0.99)]
    return [
        (
            f"{crowd} subscribers: from commit to event",
            f"median {1000 * median:.1f} ms, 99% {1000 * late:.1f} ms",
        )
    ]


def _ready(ours: Connection) -> None:
    assert ours.poll(LONGEST), "subscribers did not connect in time"
    ours.recv()


def _listen(target: Target, crowd: int, pipe: Connection) -> list[tuple[int, float]]:
    """
    Nothing but reading and taking the time until all is over, so that the subscribers keep up with the daemon: they
    share the machine with it, and are one process where users are a thousand.

    @return: Of each subscriber, which jobs it heard of first when.
    """
    with ThreadPoolExecutor(CONNECTING) as pool:
        found = list(pool.map(partial(_subscribe, target, _context(target[1])), range(crowd)))
    subscribers = {each.fileno(): each for each in found}
    chunks: list[tuple[int, float, bytes]] = []
    poller = epoll()
    for number in (*subscribers, pipe.fileno()):
        poller.register(number, EPOLLIN)
    pipe.send(None)
    end = math.inf
    while time.time() < end:
        for number, _ in poller.poll(SETTLED):
            if number == pipe.fileno():
                pipe.recv()
                poller.unregister(number)
                end = time.time() + SETTLED
                continue
            with suppress(ssl.SSLWantReadError):
                data = subscribers[number].recv(65536)
                chunks.append((number, time.time(), data))
    for each in found:
        each.close()
    return _first(chunks)


def _subscribe(target: Target, context: ssl.SSLContext, number: int) -> ssl.SSLSocket:
    address, _, credentials = target
    connection = context.wrap_socket(create_connection((address, PORT), LONGEST))
    connection.sendall(
        f"GET /2/events HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\n\r\n".encode()
    )
    answer = b""
    while b"event: begin" not in answer:
        data = connection.recv(65536)
        assert data, answer
        answer += data
    connection.setblocking(False)
    return connection


def _first(chunks: Sequence[tuple[int, float, bytes]]) -> list[tuple[int, float]]:
    heard: dict[tuple[int, int], float] = {}
    rest: dict[int, bytes] = {}
    for number, at, data in chunks:
        *lines, rest[number] = (rest.get(number, b"") + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                for each in json.loads(line[6:].rstrip(b"\r")).get("jobs", ()):
                    heard.setdefault((number, each["id"]), at)
    return [(job, at) for (_, job), at in heard.items()]


def _memory(paths: Paths, target: Target) -> list[Row]:
    pid = int(paths.pid("gnt-rapi").read_text())
    daemon = Process(pid, start_time(pid) or 0)
    before = daemon.memory
    ours, theirs = get_context("spawn").Pipe()
    with get_context("spawn").Pool(1) as pool:
        listening = pool.apply_async(_listen, (target, MANY, theirs))
        _ready(ours)
        memory = daemon.memory - before
        ours.send(None)
        listening.get(LONGEST)
    return [(f"{MANY} subscribers: memory", f"{memory / 1e6:.0f} MB")]
