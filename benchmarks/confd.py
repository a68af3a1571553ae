"""
gnt-confd beside Ganeti's own daemon, where C{make interop} has fetched it: questions a second and their latency, with
one worker and two; what garbage costs; memory.

The load comes from several processes, each with a socket and an address of its own and questions that are prepared
beforehand; a number in flight is the sum over them.
"""

import os
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import msgspec

from gnttwist.wire.confd import PROTOCOL, Request, decode_reply, encode_request
from tests.confd.rich import configuration

KEY = b"0123456789abcdef\n"
NODE = "node1.example.com"
PORT = 1814
SECONDS = 1.0
"""
How long each line is measured.
"""

SENDERS = 4
QUERIES = 2000
"""
Questions that each sender has prepared, and asks again and again.
"""

GARBAGE = 50_000
"""
Datagrams of garbage a second: several times what one client asks.
"""

LARGE = 5000
"""
Instances of a large cluster's configuration.
"""

RESEND = 0.05
"""
Seconds after which questions are asked again: some get lost beside garbage.
"""

GANETI = Path(".cache/interop/root/usr/lib/ganeti/3.0/usr/sbin/ganeti-confd")
LIBRARIES = Path(".cache/interop/root/lib/x86_64-linux-gnu")


def rows() -> list[tuple[str, str]]:
    """
    Measure all daemons in turn.
    """
    found: list[tuple[str, str]] = []
    twistd = [str(Path(sys.executable).parent / "twistd"), "-n", "--pidfile=", "gnt-confd"]
    daemons = [
        ("one worker", "127.15.0.1", [*twistd, "--bind", "127.15.0.1"]),
        ("two workers", "127.15.0.2", [*twistd, "--bind", "127.15.0.2", "--workers", "2"]),
    ]
    if GANETI.exists():
        command = [str(GANETI.absolute()), "-f", "-b", "127.15.0.3", "--no-user-checks"]
        daemons.append(("ganeti-confd", "127.15.0.3", command))
    for name, address, command in daemons:
        with daemon(address, command) as (pid, file):
            for flight in (1, 16, 64):
                rate, median, late, _ = load(address, flight)
                found.append((f"{name}, {flight} in flight, questions/s", f"{rate:,.0f}"))
                found.append(
                    (f"{name}, {flight} in flight, p50 / p99 ms", f"{median * 1e3:.2f} / {late * 1e3:.2f}")
                )
            memory = resident(pid)
            rate, _, late, garbage = load(address, 16, garbage=True)
            found.append((f"{name}, 16 in flight beside garbage, questions/s", f"{rate:,.0f}"))
            found.append(
                (f"{name}, garbage a second beside them, p99 ms", f"{garbage:,.0f}, {late * 1e3:.2f}")
            )
            found.append(
                (f"{name}, memory before / after garbage, MB", f"{memory:.0f} / {resident(pid):.0f}")
            )
            longest, taken = grow(address, file)
            found.append((f"{name}, {LARGE:,} instances loaded, s after the file", f"{taken:.2f}"))
            found.append((f"{name}, slowest answer meanwhile, ms", f"{longest * 1e3:.1f}"))
            found.append((f"{name}, memory with them, MB", f"{resident(pid):.0f}"))
    return found


@contextmanager
def daemon(address: str, command: Sequence[str]) -> Iterator[tuple[int, Path]]:
    """
    Run a daemon until the block ends.

    @return: Its process id, and the configuration's file.
    """
    directory = Path(tempfile.mkdtemp(prefix="gnt-"))
    root = directory / NODE
    for each in ("var/lib/ganeti", "var/run/ganeti", "var/log/ganeti"):
        (root / each).mkdir(parents=True)
    (root / "var/lib/ganeti/config.data").write_bytes(msgspec.json.encode(configuration()))
    (root / "var/lib/ganeti/hmac.key").write_bytes(KEY)
    environment = {
        **os.environ,
        "GANETI_ROOTDIR": str(root),
        "GANETI_HOSTNAME": NODE,
        "LD_LIBRARY_PATH": str(LIBRARIES.absolute()),
    }
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "-p", str(PORT)], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.connect((address, PORT))
            end = perf_counter() + 15
            while True:
                try:
                    asking.settimeout(0.2)
                    asking.send(prepared(1)[0])
                    asking.recv(65536)
                    break
                except (TimeoutError, ConnectionRefusedError):
                    if process.poll() is not None or perf_counter() > end:
                        raise RuntimeError((directory / "log").read_text()[-2000:]) from None
        yield process.pid, root / "var/lib/ganeti/config.data"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)
        shutil.rmtree(directory)


def prepared(count: int) -> list[bytes]:
    """
    Signed questions, of the types that are asked most.
    """
    kinds: list[tuple[int, str | None]] = [
        (1, "node2.example.com"),
        (3, None),
        (4, None),
        (7, "node1.example.com"),
    ]
    now = time.time()
    return [
        encode_request(KEY, Request(PROTOCOL, type, str(uuid.uuid4()), query), now)
        for type, query in (kinds[each % len(kinds)] for each in range(count))
    ]


def load(address: str, flight: int, *, garbage: bool = False) -> tuple[float, float, float, float]:
    """
    Let several senders ask at once.

    @return: Answers a second; the median and 99th percentile of their latency in seconds; garbage sent a second.
    """
    context = get_context("fork")
    results = context.SimpleQueue()
    senders = min(SENDERS, flight)
    begin = perf_counter() + 0.3
    processes = [
        context.Process(
            target=ask, args=(results.put, address, f"127.16.0.{1 + each}", flight // senders, begin)
        )
        for each in range(senders)
    ]
    if garbage:
        processes.append(context.Process(target=litter, args=(results.put, address, "127.16.1.1", begin)))
    for each in processes:
        each.start()
    times: list[float] = []
    sent = 0
    for _ in processes:
        match results.get():
            case int(count):
                sent = count
            case found:
                times.extend(found)
    for each in processes:
        each.join()
    cuts = statistics.quantiles(times, n=100)
    return len(times) / SECONDS, cuts[49], cuts[98], sent / SECONDS


def ask(put: object, address: str, source: str, flight: int, begin: float) -> None:
    """
    Keep so many questions in flight, each from a socket of its own, and tell how long each took.
    """
    sockets = []
    poller = select.epoll()
    for _ in range(flight):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        made.bind((source, 0))
        made.connect((address, PORT))
        sockets.append(made)
        poller.register(made, select.EPOLLIN)
    by_number = {each.fileno(): each for each in sockets}
    questions = prepared(QUERIES)
    time.sleep(max(begin - perf_counter(), 0))  # noqa: TID251  # all begin at once
    times: list[float] = []
    end = begin + SECONDS
    number = 0
    sent: dict[int, float] = {}
    for descriptor, each in by_number.items():
        each.send(questions[number := (number + 1) % QUERIES])
        sent[descriptor] = perf_counter()
    while (now := perf_counter()) < end:
        ready = poller.poll(RESEND)
        if not ready:
            # Garbage has taken their room.
            for each in sockets:
                each.send(questions[number])
        for descriptor, _ in ready:
            each = by_number[descriptor]
            each.recv(65536)
            now = perf_counter()
            times.append(now - sent[descriptor])
            number = (number + 1) % QUERIES
            sent[descriptor] = now
            each.send(questions[number])
    put(times)  # type: ignore[operator]  # SimpleQueue.put


def litter(put: object, address: str, source: str, begin: float) -> None:
    """
    Send what is not signed, L{GARBAGE} a second in bursts, as far as the machine lets us.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((source, 0))
    made.connect((address, PORT))
    (good,) = prepared(1)
    kinds = [os.urandom(300), good[:-20], b"plj0" + b"[" * 3000, good.replace(b'"hmac":"', b'"hmac":"0')]
    time.sleep(max(begin - perf_counter(), 0))  # noqa: TID251  # all begin at once
    count = 0
    while perf_counter() < begin + SECONDS:
        if count > (perf_counter() - begin) * GARBAGE:
            time.sleep(0.001)  # noqa: TID251  # the pace
            continue
        made.send(kinds[count % len(kinds)])
        count += 1
    put(count)  # type: ignore[operator]  # SimpleQueue.put


def grow(address: str, file: Path) -> tuple[float, float]:
    """
    Replace the configuration by a large one, and go on asking.

    @return: How long the slowest answer took, and how long it took until the new one was answered from; seconds.
    """
    config = configuration()
    (like, *_) = config["instances"].values()
    for number in range(LARGE):
        made = f"{number:08x}-0000-4000-8000-ffffffffffff"
        config["instances"][made] = {**like, "uuid": made, "name": f"many{number}.example.com"}
    config["cluster"]["serial_no"] += 1
    fresh = file.with_name("fresh")
    fresh.write_bytes(msgspec.json.encode(config))
    longest = 0.0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect((address, PORT))
        asking.settimeout(10)
        begin = perf_counter()
        fresh.rename(file)
        found = 0
        while found != config["cluster"]["serial_no"] and perf_counter() < begin + 10:
            (question,) = prepared(1)
            sent = perf_counter()
            asking.send(question)
            found = decode_reply(KEY, asking.recv(65536))[1].serial
            longest = max(longest, perf_counter() - sent)
        return longest, perf_counter() - begin


def resident(pid: int) -> float:
    """
    Resident memory of a process and its children, MB: the most of any.
    """
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    texts = [Path(f"/proc/{each}/status").read_text() for each in pids]
    return max(int(text.split("VmRSS:")[1].split()[0]) for text in texts) / 1024
