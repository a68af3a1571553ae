"""
gnt-rapi on a sandbox: requests a second on kept and on new connections, with their latency, and thousands of clients
that wait for a job. Clients are processes of their own on the same machine.
"""

import asyncio
import json
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Sequence
from http.client import HTTPSConnection
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from gnttwist.client.luxi import LuxiClient
from gnttwist.paths import Paths
from gnttwist.sandbox.layout import read_state
from gnttwist.sandbox.lifecycle import down
from gnttwist.sandbox.processes import Process, start_time

SECONDS = 2.0
"""
How long each line is measured.
"""

CLIENTS = 4
INSTANCES = 1000
WAITERS = 5000

CONNECTING = 60.0
"""
Seconds for them to connect, and for their answers.
"""

PORT = 5080
Row = tuple[str, str]


def rows() -> list[Row]:
    """
    Measure on a sandbox of one node.
    """
    place = Path(tempfile.mkdtemp(prefix="gnt-"))
    directory = place / "s"
    command = [
        str(Path(sys.executable).parent / "gnt"),
        "sandbox",
        "up",
        "--dir",
        str(directory),
        "--nodes",
        "1",
    ]
    subprocess.run(command, check=True, capture_output=True)
    try:
        sandbox = read_state(directory)
        paths = sandbox.paths(sandbox.master)
        name, password, _ = paths.rapi_users.read_text().split()
        credentials = b64encode(f"{name}:{password}".encode()).decode()
        target = (sandbox.master.address, str(paths.rapi_pem), credentials)
        found = [*_requests(target, ("/version", "/2/info"))]
        found += _waiters(paths, target)
        _fill(paths)
        found += _requests(target, ("/2/instances?bulk=1",))
        return found
    finally:
        down(directory)
        shutil.rmtree(place, ignore_errors=True)


Target = tuple[str, str, str]


def _requests(target: Target, paths: Sequence[str]) -> list[Row]:
    found = []
    for path in paths:
        for kept in (True, False):
            rate, median, late = load(target, path, kept=kept)
            how = "kept connections" if kept else "a new connection each"
            found.append((f"GET {path}, {how}", f"{rate:6.0f}/s, median {median:.1f} ms, 99% {late:.1f} ms"))
    return found


def load(target: Target, path: str, *, kept: bool) -> tuple[float, float, float]:
    """
    Ask from several processes.

    @return: Requests a second, and the median and the 99th percentile of their times in milliseconds.
    """
    with get_context("spawn").Pool(CLIENTS) as pool:
        times = [each for part in pool.starmap(_ask, [(target, path, kept)] * CLIENTS) for each in part]
    times.sort()
    return len(times) / SECONDS, 1000 * statistics.median(times), 1000 * times[int(len(times) * 0.99)]


def _context(pem: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=pem)
    # The certificate names the cluster.
    context.check_hostname = False
    return context


def _request(path: str, credentials: str, body: str = "") -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _ask(target: Target, path: str, kept: bool) -> list[float]:
    address, pem, credentials = target
    context = _context(pem)
    request = _request(path, credentials)
    times: list[float] = []
    wire: ssl.SSLSocket | None = None
    end = perf_counter() + SECONDS
    while (began := perf_counter()) < end:
        if wire is None:
            wire = context.wrap_socket(socket.create_connection((address, PORT)))
        wire.sendall(request)
        _read(wire)
        times.append(perf_counter() - began)
        if not kept:
            wire.close()
            wire = None
    return times


def _read(wire: ssl.SSLSocket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += wire.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), data[:200]
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    missing = length - len(body)
    while missing > 0:
        missing -= len(wire.recv(65536))


def _waiters(paths: Paths, target: Target) -> list[Row]:
    pid = int(paths.pid("gnt-rapi").read_text())
    daemon = Process(pid, start_time(pid) or 0)
    (rate, _, _), alone = _loaded(target, pid)
    before = daemon.memory
    with LuxiClient(paths.luxi_socket) as luxi:
        op = {"OP_ID": "OP_TEST_DELAY", "duration": 3600.0, "on_master": True, "on_nodes": []}
        job = luxi.call("SubmitJob", [op])
        while luxi.call("QueryJobs", [job], ["status"]) != [["running"]]:
            pass
        with get_context("spawn").Pool(1) as pool:
            together = pool.apply_async(_wait_together, (target, job))
            end = time.monotonic() + CONNECTING
            while _waiting(target) < WAITERS and time.monotonic() < end:
                together.wait(0.5)
            count, memory = _waiting(target), daemon.memory - before
            began = _cpu(pid)
            together.wait(SECONDS)
            idle = _cpu(pid) - began
            (beside, median, late), cost = _loaded(target, pid)
            luxi.call("CancelJob", job, True)
            answered, took = together.get(CONNECTING)
    return [
        (f"{count:.0f} clients wait for a job: memory", f"{memory / 1e6:.0f} MB"),
        ("processor time that they take", f"{100 * idle / SECONDS:.1f} % of a core"),
        ("GET /2/info meanwhile", f"{beside:6.0f}/s, median {median:.1f} ms, 99% {late:.1f} ms"),
        ("the same, before they came", f"{rate:6.0f}/s"),
        ("gnt-rapi's processor time for each, before and meanwhile", f"{alone:.2f} / {cost:.2f} ms"),
        (f"from the first of {answered} answers to the last, once it changes", f"{took:.2f} s"),
    ]


def _loaded(target: Target, pid: int) -> tuple[tuple[float, float, float], float]:
    """
    What L{load} gives, and milliseconds of the daemon's processor time for each request: whatever else runs on the
    machine changes the former, and hardly the latter.
    """
    began = _cpu(pid)
    measured = load(target, "/2/info", kept=True)
    return measured, 1000 * (_cpu(pid) - began) / (measured[0] * SECONDS)


def _cpu(pid: int) -> float:
    """
    Seconds of processor time that a process has taken.
    """
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _waiting(target: Target) -> float:
    """
    How many requests wait, as the daemon itself tells.
    """
    address, pem, credentials = target
    connection = HTTPSConnection(address, PORT, context=_context(pem))
    connection.request("GET", "/metrics", headers={"Authorization": f"Basic {credentials}"})
    text = connection.getresponse().read().decode()
    connection.close()
    return float(text.partition("\ngnt_rapi_waiting ")[2].split()[0])


def _wait_together(target: Target, job: int) -> tuple[int, float]:
    return asyncio.run(_wait_all(target, job))


async def _wait_all(target: Target, job: int) -> tuple[int, float]:
    """
    @return: How many have their answer, and seconds from the first one to the last.
    """
    address, pem, credentials = target
    context = _context(pem)
    body = json.dumps({"fields": ["status"], "previous_job_info": ["running"]})
    request = _request(f"/2/jobs/{job}/wait?timeout=300", credentials, body)
    slots = asyncio.Semaphore(50)

    async def wait() -> float:
        async with slots:
            reader, writer = await asyncio.open_connection(address, PORT, ssl=context)
        answer = b"null\n"
        while answer == b"null\n":
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            answer = await reader.readexactly(length)
        writer.transport.abort()
        assert b"job_info" in answer, answer
        return perf_counter()

    times = await asyncio.gather(*(wait() for _ in range(WAITERS)))
    return len(times), max(times) - min(times)


def _fill(paths: Paths) -> None:
    """
    Make instances.
    """
    create = {
        "OP_ID": "OP_INSTANCE_CREATE",
        "mode": "create",
        "disk_template": "diskless",
        "disks": [],
        "nics": [],
        "os_type": "noop",
        "pnode": paths.hostname,
        "hypervisor": "fake",
        "start": False,
        "ip_check": False,
        "name_check": False,
        "beparams": {"maxmem": 16, "minmem": 16},
    }
    jobs = [[{**create, "instance_name": f"instance{number}.example.com"}] for number in range(INSTANCES)]
    with LuxiClient(paths.luxi_socket) as luxi:
        accepted = [job for _, job in luxi.call("SubmitManyJobs", jobs)]
        last = max(accepted)
        for _ in luxi.wait_for_job(last):
            pass
        while len(luxi.call("QueryInstances", [], ["name"], False)) < INSTANCES:
            luxi.call("WaitForAnyJobChange", accepted, ["status"], 0, 1.0)
