"""
gnt-masterd as a process, asked by other processes: requests, submissions, jobs, waiters and memory.
"""

from collections.abc import Iterator, Sequence
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import msgspec

from benchmarks._luxi_load import Report
from benchmarks._masterd import INSTANCES, Loading, Master, master, request

SECONDS = 1.0
RUNS = 3
"""
How long a rate is measured, and how often: the median of the runs is told.
"""

JOBS = 1000
"""
Jobs that are run one after the other as fast as they go.
"""

ALONE = 50
"""
Jobs that are submitted when the one before it has ended.
"""

SUBMISSIONS = 4000
BATCH = 100
"""
Jobs submitted one by one, and together.
"""

IDLE = 10_000
"""
Connections that say nothing.
"""

QUEUED = 10_000
"""
Jobs that are there while memory is measured and all of them are asked for.
"""

ENDINGS = 10
"""
Jobs whose waiters are measured.
"""

INFO = request("QueryClusterInfo")
NODES = request("Query", "node", ["name", "role", "group"], None)
EVERYTHING = request("Query", "job", ["id", "status", "priority", "summary", "received_ts"], None)
INSTANCE_LIST = request(
    "Query", "instance", ["name", "hypervisor", "os", "pnode", "admin_state", "be/maxmem", "hvparams"], None
)

Row = tuple[str, str]


def rows() -> list[Row]:
    """
    Measure one daemon.
    """
    with master() as daemon:
        return list(_rows(daemon))


def _rows(daemon: Master) -> Iterator[Row]:
    daemon.load(16, [[INFO]], seconds=0.5)
    yield f"at rest, {INSTANCES} instances, MB resident", f"{daemon.memory():.0f}"
    yield from _requests(daemon)
    yield from _jobs(daemon)
    for waiters in (1, 50, 1000):
        yield from _waking(daemon, waiters)
    yield from _idle(daemon)
    yield from _submissions(daemon)
    yield from _many_jobs(daemon)


def _requests(daemon: Master) -> Iterator[Row]:
    for name, text in (("QueryClusterInfo", INFO), ("Query of nodes", NODES)):
        for connections in (1, 16, 64):
            found = [daemon.load(connections, [[text]], seconds=SECONDS) for _ in range(RUNS)]
            yield f"{name}, {connections} connections, requests/s", _rate(found)
            yield f"{name}, {connections} connections, p50 / p99 ms", _latency(found)


def _jobs(daemon: Master) -> Iterator[Row]:
    rates = []
    with daemon.client() as client:
        for _ in range(RUNS):
            begin = perf_counter()
            for _ in range(JOBS // BATCH):
                answers = client.call("SubmitManyJobs", [_delay(0.001) for _ in range(BATCH)])
            # They end nearly in order: by then the others are over, or nearly.
            for _, job in answers:
                _ended(client, job)
            rates.append(JOBS / (perf_counter() - begin))
        yield f"TEST_DELAY(1 ms), {JOBS} jobs, finished/s", f"{median(rates):,.0f}"
        jobs = []
        for _ in range(ALONE):
            jobs.append(client.call("SubmitJob", _delay(0.0)))
            _ended(client, jobs[-1])
        found = client.call("QueryJobs", jobs, ["received_ts", "opexec", "end_ts"])
    running = [_seconds(executed[0]) - _seconds(received) for received, executed, _ in found]
    over = [_seconds(ended) - _seconds(received) for received, _, ended in found]
    yield "queued to running, p50 ms", f"{median(running) * 1000:.1f}"
    yield "queued to ended, nothing to do, p50 ms", f"{median(over) * 1000:.1f}"


def _waking(daemon: Master, waiters: int) -> Iterator[Row]:
    late: list[float] = []
    every: list[float] = []
    with daemon.client() as client:
        for _ in range(ENDINGS):
            job = client.call("SubmitJob", _delay(0.3 + waiters / 2000))
            waiting = request("WaitForJobChange", job, ["status"], ["running"], 0, 60)
            # What it does first is not what is measured.
            client.call("WaitForJobChange", job, ["status"], ["queued"], 0, 10)
            client.call("WaitForJobChange", job, ["status"], ["waiting"], 0, 10)
            report = daemon.load(waiters, [[waiting]])
            end = _seconds(client.call("QueryJobs", [job], ["end_ts"])[0][0])
            woken = [each - end for each in report.arrivals]
            every += woken
            late.append(max(woken))
    yield f"end of a job to {waiters} waiters, p50 / p99 ms", _milliseconds(every)
    yield f"end of a job to the last of {waiters} waiters, p50 ms", f"{median(late) * 1000:.1f}"


def _idle(daemon: Master) -> Iterator[Row]:
    before = daemon.memory()
    begin = perf_counter()
    idle = daemon.loading(IDLE, stay=True)
    elapsed = perf_counter() - begin
    found = [daemon.load(1, [[INFO]], seconds=SECONDS) for _ in range(RUNS)]
    yield f"{IDLE} idle connections, MB more", f"{daemon.memory() - before:.0f}"
    yield f"{IDLE} connections, opened/s", f"{IDLE / elapsed:,.0f}"
    yield "QueryClusterInfo beside them, 1 connection, requests/s", _rate(found)
    yield "QueryClusterInfo beside them, p50 / p99 ms", _latency(found)
    idle.begin()
    idle.report()


def _submissions(daemon: Master) -> Iterator[Row]:
    with daemon.client() as client:
        # Nothing that is submitted from now on gets a place.
        places = client.call("QueryClusterInfo")["max_running_jobs"]
        client.call("SubmitManyJobs", [_delay(600.0) for _ in range(places)])
    each = SUBMISSIONS // 16
    lists = [
        [request("SubmitJob", _delay(0.0, comment=f"{number}-{turn}")) for turn in range(each)]
        for number in range(16)
    ]
    report = daemon.load(16, lists)
    yield "SubmitJob, 16 connections, jobs/s", f"{SUBMISSIONS / report.elapsed:,.0f}"
    yield "SubmitJob, 16 connections, p50 / p99 ms", _milliseconds(report.times)
    before = daemon.memory()
    many = request("SubmitManyJobs", [_delay(0.0) for _ in range(BATCH)])
    left = QUEUED - SUBMISSIONS
    report = daemon.load(1, [[many] * (left // BATCH)])
    yield f"SubmitManyJobs of {BATCH}, 1 connection, jobs/s", f"{left / report.elapsed:,.0f}"
    yield "memory of a queued job, kB", f"{(daemon.memory() - before) * 1000 / left:.1f}"


def _many_jobs(daemon: Master) -> Iterator[Row]:
    yield f"{QUEUED} queued jobs in all, MB resident", f"{daemon.memory():.0f}"
    for name, text in ((f"{QUEUED} jobs", EVERYTHING), (f"{INSTANCES} instances", INSTANCE_LIST)):
        pinging = daemon.loading(1, [[INFO]], seconds=3.0)
        asking: Loading = daemon.loading(1, [[text] * 5])
        pinging.begin()
        asking.begin()
        asked = asking.report()
        pinged = pinging.report()
        yield f"Query of {name}, p50 ms", f"{median(asked.times) * 1000:.0f}"
        # Five queries: the five longest waits are theirs, one each.
        longest = sorted(pinged.times)[-5:]
        yield "longest wait of another client meanwhile, median, ms", f"{median(longest) * 1000:.1f}"


def _delay(seconds: float, **more: Any) -> list[dict[str, Any]]:
    return [{"OP_ID": "OP_TEST_DELAY", "duration": seconds, "on_master": True, **more}]


def _ended(client: Any, job: int) -> None:
    status = None
    while status not in ("success", "error", "canceled"):
        [status], _ = client.call("WaitForJobChange", job, ["status"], [status], None, 60)
    if status != "success":
        raise AssertionError(f"job {job}: {status}")


def _seconds(stamp: Sequence[int]) -> float:
    return stamp[0] + stamp[1] / 1e6


def _rate(found: Sequence[Report]) -> str:
    return f"{median(len(each.times) / each.elapsed for each in found):,.0f}"


def _latency(found: Sequence[Report]) -> str:
    return _milliseconds([seconds for each in found for seconds in each.times])


def _milliseconds(times: Sequence[float]) -> str:
    if len(times) < 2:
        raise AssertionError(f"measured {msgspec.json.encode(times)!r} only")
    percentiles = quantiles(times, n=100, method="inclusive")
    return f"{percentiles[49] * 1000:.2f} / {percentiles[98] * 1000:.2f}"
