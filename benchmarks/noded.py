"""
gnt-noded and its launcher, each as a process, over real TLS: calls a second, how long one takes, and memory.
"""

import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median
from time import monotonic

from attrs import frozen

from benchmarks._tls_load import Connection, Times, context, together
from gnttwist.net import certificates
from gnttwist.paths import Paths

SECONDS = 1.0
RUNS = 3
"""
How long each line is measured, and how often: the median of the runs is told.
"""

FORGET_EVERY = 25
"""
Calls after which a caller acknowledges their keys, as a master does.
"""

IDLE = 5000
"""
Connections that say nothing.
"""

BUSY = 100
"""
Calls that run while others are measured.
"""

READY = b"ready on IPv4Address(type='TCP', host='127.0.0.1', port="
START_WAIT = 30.0


@frozen
class Daemon:
    """
    A running gnt-noded.
    """

    pid: int
    launcher: int
    port: int
    paths: Paths

    def connect(self, address: str = "127.0.0.1") -> Connection:
        """
        A master candidate's connection.
        """
        return Connection(self.port, context(self.paths.client_pem, self.paths.server_pem), address)

    def memory(self) -> float:
        """
        Resident megabytes of front end and launcher together.
        """
        return sum(_resident(each) for each in (self.pid, self.launcher))


def rows() -> list[tuple[str, str]]:
    """
    Measure one daemon in a temporary directory of the working directory's file system, so that a sync is a real one.
    """
    _raise_descriptor_limit()
    with tempfile.TemporaryDirectory(dir=".") as directory, _daemon(Path(directory).absolute()) as daemon:
        return list(_rows(daemon))


def _rows(daemon: Daemon) -> Iterator[tuple[str, str]]:
    _several(lambda: together(4, 0.3, _keyed(daemon)), 1)
    yield "at rest, front end and launcher, MB resident", f"{daemon.memory():.0f}"
    for callers in (1, 8, 16):
        times = _several(lambda n=callers: together(n, SECONDS, _keyed(daemon)))  # type: ignore[misc]
        yield f"{callers} connections, changing calls with keys/s", f"{times.rate:,.0f}"
        yield f"{callers} connections, p50 / p99 ms", times.milliseconds
    times = _several(lambda: together(1, SECONDS, _version(daemon)))
    yield "version, blocking form, 1 connection, calls/s", f"{times.rate:,.0f}"
    yield "version, p50 / p99 ms", times.milliseconds
    times = _several(lambda: together(8, SECONDS, _anew(daemon)))
    yield "new TLS connection for each version, 8 callers, calls/s", f"{times.rate:,.0f}"
    yield "new TLS connection for each version, p50 / p99 ms", times.milliseconds
    idle = _open_idle(daemon)
    yield f"{len(idle)} idle connections, MB resident", f"{daemon.memory():.0f}"
    _start_busy(daemon)
    times = _several(lambda: together(1, SECONDS, _keyed(daemon)))
    yield f"1 caller beside {len(idle)} idle and {BUSY} running, p50 / p99 ms", times.milliseconds
    for each in idle:
        each.close()


def _several(measure: Callable[[], Times], runs: int = RUNS) -> Times:
    found = [measure() for _ in range(runs)]
    return Times(
        *(median(column) for column in zip(*((t.rate, t.median, t.late) for t in found), strict=True))
    )


_numbers = count()


def _keyed(daemon: Daemon) -> Callable[[int], Callable[[], None]]:
    """
    A changing function that does nothing, with a durable key, in a process of its own.
    """

    def caller(number: int) -> Callable[[], None]:
        connection = daemon.connect()
        held: list[str] = []

        def call() -> None:
            key = f"k/benchmark/{next(_numbers)}"
            answer = connection.ask("StartFunction", ["test_delay", [0], 10, {"key": key}])
            if answer[2] is None or not answer[2][0]:
                raise AssertionError(f"answered {answer}")
            held.append(key)
            if len(held) == FORGET_EVERY:
                connection.ask("ForgetFunctions", [held])
                held.clear()

        return call

    return caller


def _version(daemon: Daemon) -> Callable[[int], Callable[[], None]]:
    def caller(number: int) -> Callable[[], None]:
        connection = daemon.connect()
        return lambda: connection.ask("version", [])

    return caller


def _anew(daemon: Daemon) -> Callable[[int], Callable[[], None]]:
    def caller(number: int) -> Callable[[], None]:
        def call() -> None:
            connection = daemon.connect()
            connection.ask("version", [])
            connection.close()

        return call

    return caller


def _open_idle(daemon: Daemon) -> list[Connection]:
    """
    Connections from many addresses, after their handshakes. These are short ones, with what is left of an earlier
    connection: full ones would take half a minute.
    """
    shared = context(daemon.paths.client_pem, daemon.paths.server_pem)
    first = Connection(daemon.port, shared)
    first.ask("version", [])
    kept = first.kept()
    first.close()
    return [Connection(daemon.port, shared, f"127.0.1.{1 + number % 250}", kept) for number in range(IDLE)]


def _start_busy(daemon: Daemon) -> None:
    connection = daemon.connect()
    for number in range(BUSY):
        connection.ask("StartFunction", ["test_delay", [60], 0, {"key": f"k/busy/{number}"}])
    connection.close()


@contextmanager
def _daemon(root: Path) -> Iterator[Daemon]:
    """
    A node directory with certificates, and gnt-noded in it.
    """
    paths = Paths.from_root(str(root))
    now = datetime.now(UTC)
    cluster = certificates.new_cluster_certificate(now)
    own = certificates.new_node_certificate(cluster, "node1", now)
    for path, credentials in ((paths.server_pem, cluster), (paths.client_pem, own)):
        certificates.write(path, credentials.pem(), certificates.PEM_MODE)
    listed = paths.ssconf("master_candidates_certs")
    certificates.write(listed, f"uuid={own.digest}\n".encode(), 0o444)
    twistd = str(Path(sys.executable).with_name("twistd"))
    command = [
        twistd,
        "-n",
        "--pidfile=",
        "gnt-noded",
        "--root",
        str(root),
        "--bind",
        "127.0.0.1",
        "--port",
        "0",
    ]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, env=environment)
    try:
        port = _wait_ready(process)
        yield Daemon(process.pid, int(paths.launcher_pid.read_text()), port, paths)
    finally:
        # At once: SIGTERM would wait for the calls that run.
        process.kill()
        process.wait()
        with suppress(FileNotFoundError, ProcessLookupError):
            _end_launcher(int(paths.launcher_pid.read_text()))


def _wait_ready(process: "subprocess.Popen[bytes]") -> int:
    assert process.stdout is not None, "opened with a pipe"
    output = b""
    deadline = monotonic() + START_WAIT
    while monotonic() < deadline:
        if select.select([process.stdout], [], [], 1.0)[0]:
            data = os.read(process.stdout.fileno(), 65536)
            output += data
            _, found, rest = output.partition(READY)
            if found and b")" in rest:
                return int(rest.partition(b")")[0])
            if not data:
                break
    raise AssertionError(f"gnt-noded did not start:\n{output.decode()}")


def _end_launcher(pid: int) -> None:
    descriptor = os.pidfd_open(pid)
    # In order: it ends the calls that still run.
    signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    select.select([descriptor], [], [], START_WAIT)
    os.close(descriptor)


def _resident(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")) / 1024


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
