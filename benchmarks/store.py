"""
The SQLite store: transactions a second and how long one takes, for one, some and many writers.
"""

import statistics
import tempfile
from pathlib import Path
from time import perf_counter

from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure

from gnttwist.store.interface import Put, Transaction
from gnttwist.store.sqlite import SQLiteStore
from gnttwist.testing.threads import ThreadPump

SECONDS = 1.5
"""
How long each line is measured: long enough for several checkpoints of the write-ahead log.
"""

VALUE = bytes(300)
"""
A journal record's size.
"""


def rows() -> list[tuple[str, str]]:
    """
    Measure in a temporary directory of the working directory's file system, so that a sync is a real one.
    """
    found = []
    for writers in (1, 16, 1000):
        with tempfile.TemporaryDirectory(dir=".") as directory:
            rate, median, late = measure(Path(directory, "store"), writers)
        found.append((f"{writers} writers, transactions/s", f"{rate:,.0f}"))
        found.append((f"{writers} writers, p50 / p99 ms", f"{median * 1000:.2f} / {late * 1000:.2f}"))
    return found


def measure(path: Path, writers: int) -> tuple[float, float, float]:
    """
    Let writers submit one transaction after another.

    @return: Transactions a second; the median and the 99th percentile of the time of one, in seconds.
    """
    pump = ThreadPump()
    store = pump.wait(SQLiteStore.open(pump, path, _fatal))
    times: list[float] = []
    begin = perf_counter()

    async def write(name: int) -> None:
        number = 0
        while (start := perf_counter()) < begin + SECONDS:
            number += 1
            await store.transact(Transaction([Put(f"/bench/{name}/{number}", VALUE)]))
            times.append(perf_counter() - start)

    pump.wait(gatherResults([Deferred.fromCoroutine(write(name)) for name in range(writers)]))
    elapsed = perf_counter() - begin
    pump.wait(store.close())
    percentiles = statistics.quantiles(times, n=100)
    return len(times) / elapsed, percentiles[49], percentiles[98]


def _fatal(failure: Failure) -> None:
    failure.raiseException()
