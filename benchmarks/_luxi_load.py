"""
LUXI clients for benchmarks: one process with any number of connections, all requests made before the clock starts,
because it shares the cores with what is measured.

Run as C{python -m benchmarks._luxi_load}, it reads one L{Load} from its input, says C{ready} when its connections are
open, begins when it is told to by another line, and prints one L{Report}.
"""

import select
import socket
import sys
from time import perf_counter, time

import msgspec

OPEN_AT_ONCE = 500
"""
Connections made before the server is given time to accept them: less than its backlog.
"""

PATIENCE = 60.0
"""
Seconds of silence after which a measurement has failed.
"""

END = b"\x03"


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """
    What to do.

    @ivar requests: For each connection in turn, what it sends, each when the one before it is answered; the last one
        again and again. Connections beyond the list begin it anew.
    @ivar seconds: When to stop; 0 for as soon as each connection has sent all that it has.
    @ivar stay: Only to be there until told to end.
    @ivar kept: Whether to report the last answer of each connection.
    """

    path: str
    connections: int
    requests: list[list[str]] = []
    seconds: float = 0.0
    stay: bool = False
    kept: bool = False


class Report(msgspec.Struct, frozen=True):
    """
    What was measured.

    @ivar elapsed: Seconds from the first request to the last answer.
    @ivar times: Seconds from each request to its answer, in order of the answers.
    @ivar arrivals: When each connection's last answer arrived, in seconds since the epoch.
    @ivar answers: The last answers.
    """

    elapsed: float
    times: list[float]
    arrivals: list[float]
    answers: list[str]


class _Client:
    """
    One connection: at most one request is under way, so an answer ends where what was read ends.
    """

    def __init__(self, path: str, requests: list[bytes]) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.requests = requests
        self.number = 0
        self.sent = 0.0
        self.arrived = 0.0
        self.parts: list[bytes] = []

    def send(self) -> None:
        request = self.requests[min(self.number, len(self.requests) - 1)]
        self.number += 1
        self.parts = []
        self.sent = perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """
        Read what is there, and tell whether the answer is complete.
        """
        data = self.socket.recv(1 << 20)
        if not data:
            raise AssertionError("the server closed a connection")
        self.parts.append(data)
        return data.endswith(END)


def connect(load: Load) -> list[_Client]:
    """
    Open the connections.
    """
    prepared = [[each.encode() + END for each in one] for one in load.requests] or [[]]
    clients: list[_Client] = []
    for number in range(load.connections):
        clients.append(_Client(load.path, prepared[number % len(prepared)]))
        if len(clients) % OPEN_AT_ONCE == 0:
            _ask(clients[-1])
    return clients


def _ask(client: _Client) -> None:
    client.socket.sendall(b'{"method":"QueryConfigValues","args":[[]]}' + END)
    while not client.receive():
        pass


def run(load: Load, clients: list[_Client]) -> Report:
    """
    Send and receive.
    """
    poll = select.epoll()
    by_descriptor = {}
    for each in clients:
        poll.register(each.socket.fileno(), select.EPOLLIN)
        by_descriptor[each.socket.fileno()] = each
    times: list[float] = []
    begin = perf_counter()
    end = begin + load.seconds
    for each in clients:
        each.send()
    busy = len(clients)
    while busy:
        ready = poll.poll(PATIENCE)
        if not ready:
            raise AssertionError(f"no answer for {PATIENCE} s")
        for descriptor, _ in ready:
            client = by_descriptor[descriptor]
            if not client.receive():
                continue
            now = perf_counter()
            times.append(now - client.sent)
            if now < end if load.seconds else client.number < len(client.requests):
                client.send()
            else:
                client.arrived = time()
                busy -= 1
    elapsed = perf_counter() - begin
    for each in clients:
        if b'"success":true' not in each.parts[0][:40]:
            raise AssertionError(f"answered {b''.join(each.parts)[:300]!r}")
    answers = [b"".join(each.parts)[:-1].decode() for each in clients] if load.kept else []
    return Report(elapsed, times, [each.arrived for each in clients], answers)


def main() -> None:
    """
    Be the process.
    """
    load = msgspec.json.decode(sys.stdin.buffer.readline(), type=Load)
    clients = connect(load)
    print("ready", flush=True)
    sys.stdin.buffer.readline()
    report = Report(0.0, [], [], []) if load.stay else run(load, clients)
    sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")


if __name__ == "__main__":
    main()
