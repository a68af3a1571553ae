"""
A gnt-masterd to measure, and processes that ask it.
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any

import msgspec
from attrs import frozen

from twisted.internet.defer import Deferred

from benchmarks._luxi_load import Load, Report
from gnttwist.client.luxi import LuxiClient, NotReachable
from gnttwist.config.draft import Draft
from gnttwist.config.service import Configuration
from gnttwist.model.objects import Instance, Nic
from gnttwist.paths import Paths
from gnttwist.sandbox import processes
from gnttwist.sandbox.founding import Founding, NewNode, found
from gnttwist.store.sqlite import SQLiteStore
from gnttwist.testing.threads import ThreadPump
from gnttwist.wire.luxi_messages import encode_request

INSTANCES = 2000
"""
How many instances the cluster has: the issue's size of a Query that nobody else may feel.
"""

EDIT = 40
"""
Instances per configuration change: a transaction holds 128 writes.
"""

START_WAIT = 30.0


class Loading:
    """
    A process with connections, which begins when it is told to.
    """

    def __init__(self, load: Load) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._luxi_load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())},
        )
        assert self._process.stdin is not None and self._process.stdout is not None, "opened with pipes"
        self._input, self._output = self._process.stdin, self._process.stdout
        self._say(msgspec.json.encode(load))
        if self._output.readline() != b"ready\n":
            raise AssertionError("the load generator did not start")

    def begin(self) -> None:
        """
        Send the first requests.
        """
        self._say(b"")

    def report(self) -> Report:
        """
        Wait for the end.
        """
        output = self._output.read()
        self._input.close()
        self._output.close()
        self._process.wait()
        return msgspec.json.decode(output, type=Report)

    def _say(self, line: bytes) -> None:
        self._input.write(line + b"\n")
        self._input.flush()


@frozen
class Master:
    """
    A running gnt-masterd.
    """

    pid: int
    path: Path

    def client(self) -> LuxiClient:
        """
        A connection from this process.
        """
        return LuxiClient(self.path)

    def loading(
        self,
        connections: int,
        requests: Sequence[Sequence[str]] = (),
        *,
        seconds: float = 0.0,
        stay: bool = False,
        kept: bool = False,
    ) -> Loading:
        """
        A process that is connected; see L{Load}.
        """
        lists = [list(each) for each in requests]
        return Loading(
            Load(
                path=str(self.path),
                connections=connections,
                requests=lists,
                seconds=seconds,
                stay=stay,
                kept=kept,
            )
        )

    def load(self, connections: int, requests: Sequence[Sequence[str]], **options: Any) -> Report:
        """
        What a process measures that begins at once.
        """
        loading = self.loading(connections, requests, **options)
        loading.begin()
        return loading.report()

    def memory(self) -> float:
        """
        Resident megabytes.
        """
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def request(method: str, *arguments: Any) -> str:
    """
    A request's text.
    """
    return encode_request(method, list(arguments)).decode()


@contextmanager
def master() -> Iterator[Master]:
    """
    A cluster of one node in a temporary directory of this machine's disk, so that a sync is a real one.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Not below the working directory: a unix socket's path has room for 107 bytes.
    with tempfile.TemporaryDirectory(prefix="gnt-bench-", dir="/var/tmp") as directory:
        paths = Paths.from_root(str(Path(directory, "node1")))
        founding = Founding(name="bench.test", nodes=[NewNode(paths, "127.0.0.1")], hypervisors=["fake"])
        pump = ThreadPump()
        pump.wait(Deferred.fromCoroutine(found(pump, founding)))
        pump.wait(Deferred.fromCoroutine(_add_instances(pump, paths)))
        _, process = processes.start("gnt-masterd", paths)
        try:
            _wait_ready(paths.luxi_socket, process)
            yield Master(process.pid, paths.luxi_socket)
        finally:
            process.kill()
            process.wait()


def _wait_ready(path: Path, process: "subprocess.Popen[bytes]") -> None:
    def settled() -> bool:
        return process.poll() is not None or _answers(path)

    if not processes.wait_until(settled, START_WAIT) or process.poll() is not None:
        raise AssertionError("gnt-masterd did not start")


def _answers(path: Path) -> bool:
    try:
        with LuxiClient(path) as client:
            client.call("QueryClusterInfo")
    except NotReachable:
        return False
    return True


async def _add_instances(reactor: Any, paths: Paths) -> None:
    store = await SQLiteStore.open(reactor, paths.store, lambda failure: failure.raiseException())
    configuration = Configuration(store, lambda failure: failure.raiseException())
    await configuration.load()
    for first in range(0, INSTANCES, EDIT):
        await configuration.edit("add", _adding(first), now=time(), source=random.Random(first))
    await store.close()


def _adding(first: int) -> Callable[[Draft], None]:
    def add(draft: Draft) -> None:
        for number in range(first, first + EDIT):
            nic = Nic(mac=f"aa:00:00:00:{number // 256:02x}:{number % 256:02x}", uuid=draft.new_uuid())
            draft.put(
                Instance(
                    uuid=draft.new_uuid(),
                    name=f"instance{number}.bench.test",
                    primary_node=draft.config.master.uuid,
                    os="noop",
                    hypervisor="fake",
                    nics=[nic],
                )
            )

    return add
