"""
A change of the configuration, durable and told to those who follow it, beside few and beside many instances.
"""

import random
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from gnttwist.config import records
from gnttwist.config.draft import Draft
from gnttwist.config.service import Configuration
from gnttwist.config.snapshot import AnyObject, Snapshot
from gnttwist.masterd.config_changes import INTERVAL, ConfigChanges
from gnttwist.model.objects import Cluster, Instance, Node
from gnttwist.store.interface import Transaction
from gnttwist.store.sqlite import SQLiteStore
from gnttwist.testing.threads import ThreadPump

SIZES = (5, 5000)
CHANGES = 300
PORTION = 100
"""
Objects that are stored in one transaction.
"""


def rows() -> list[tuple[str, str]]:
    """
    Measure in a temporary directory of the working directory's file system, so that a sync is a real one.
    """
    found = []
    for size in SIZES:
        with tempfile.TemporaryDirectory(dir=".") as directory:
            durable, told = measure(Path(directory, "store"), size)
        found.append((f"a change beside {size:,} instances, durable, p50 ms", f"{durable * 1000:.2f}"))
        found.append(("the same, the reactor's own work, p50 ms", f"{told * 1000:.2f}"))
    return found


def measure(path: Path, size: int) -> tuple[float, float]:
    """
    Change one instance after another.

    @return: Medians, in seconds: until it is durable; of that and of telling it, what was not waiting.
    """
    pump = ThreadPump()
    store = pump.wait(SQLiteStore.open(pump, path, _fatal))
    pump.wait(Deferred.fromCoroutine(_fill(store, size)))
    configuration = Configuration(store, _fatal)
    pump.wait(Deferred.fromCoroutine(configuration.load()))
    clock = Clock()
    ConfigChanges(clock, configuration).start()
    durable, working = [], []
    for number in range(CHANGES):
        begin = perf_counter()
        done = configuration.edit(
            "change", _changing(f"u{number % size}", number), now=1.0, source=random.Random(1)
        )
        submitted = perf_counter()
        pump.wait(done)
        end = perf_counter()
        clock.advance(INTERVAL)
        durable.append(end - begin)
        working.append(submitted - begin + perf_counter() - end)
    pump.wait(store.close())
    return statistics.median(durable), statistics.median(working)


async def _fill(store: SQLiteStore, size: int) -> None:
    cluster = Cluster(
        uuid="c", cluster_name="bench.test", master_node="n", master_ip="192.0.2.1", master_netdev="lo"
    )
    node = Node(uuid="n", name="node.bench.test", primary_ip="192.0.2.1", secondary_ip="192.0.2.1", group="g")
    objects: list[AnyObject] = [cluster, node, *map(_instance, range(size))]
    writes: list[Any] = [
        *records.of_objects(objects),
        *records.bookkeeping(Snapshot(cluster=cluster, serial=1)),
    ]
    for first in range(0, len(writes), PORTION):
        await store.transact(Transaction(writes[first : first + PORTION]))


def _instance(number: int) -> Instance:
    return Instance(
        uuid=f"u{number}", name=f"i{number}.bench.test", primary_node="n", os="", hypervisor="fake"
    )


def _changing(uuid: str, number: int) -> Callable[[Draft], None]:
    def edit(draft: Draft) -> None:
        draft.put(msgspec.structs.replace(draft.config.instances[uuid], os=f"os{number}"))

    return edit


def _fatal(failure: Failure) -> None:
    failure.raiseException()
