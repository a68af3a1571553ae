"""
Figures for monitoring, in OpenMetrics: what gnt-masterd has counted, what nodes and instances are like, and this
process itself.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define
from prometheus_client import PROCESS_COLLECTOR
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from gnttwist.rapi.call import WRITTEN, Call

METRICS_AT = "/metrics"
METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

NODE_FIELDS = ("name", "role", "mfree", "mtotal", "dfree", "dtotal", "pinst_cnt")

MEBIBYTE = 1024 * 1024

SECONDS_A_DAY = 86400.0


@define(eq=False)
class Scrape(Collector):
    """
    Everything as of one request.

    @ivar _master: What QueryMetrics answered.
    @ivar _nodes: Rows of L{NODE_FIELDS}.
    @ivar _instances: Each one's state.
    @ivar _certificates: When each file's certificate ends, in seconds since the epoch.
    @ivar _waiting: Requests that wait for jobs.
    """

    _master: Mapping[str, Any]
    _nodes: Sequence[Sequence[Any]]
    _instances: Iterable[str]
    _certificates: Mapping[str, float]
    _now: float
    _waiting: int

    def collect(self) -> Iterator[Metric]:
        """
        All families.
        """
        yield from self._jobs()
        yield from self._calls()
        yield from self._cluster()
        yield from self._confd()
        days = GaugeMetricFamily("gnt_certificate_expiry_days", "Until a certificate ends.", labels=["file"])
        for name, ends in {**self._master["certificates"], **self._certificates}.items():
            days.add_metric([name], (ends - self._now) / SECONDS_A_DAY)
        yield days
        yield GaugeMetricFamily("gnt_rapi_waiting", "Requests that wait for jobs.", self._waiting)
        yield from PROCESS_COLLECTOR.collect()

    def _jobs(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("gnt_jobs", "Jobs that have not ended.", labels=["status"])
        for status in ("queued", "waiting", "canceling", "running"):
            jobs.add_metric([status], self._master["jobs"].get(status, 0))
        yield jobs
        oldest = self._master["oldest_queued"]
        yield GaugeMetricFamily("gnt_oldest_queued_seconds", "How long the oldest job is queued.", oldest)
        count, _, seconds = self._master["queued"]
        yield SummaryMetricFamily(
            "gnt_job_queued_seconds", "How long ended jobs were queued.", count_value=count, sum_value=seconds
        )
        locks = GaugeMetricFamily("gnt_locks", "Locks held, and requests that wait.", labels=["state"])
        for state, number in self._master["locks"].items():
            locks.add_metric([state], number)
        yield locks
        waits = [([], *self._master["lock_waits"])]
        yield from _summaries("gnt_lock_wait", "Waits for locks; given up is failed", [], waits)
        opcodes = [([name], *each) for name, each in self._master["opcodes"].items()]
        yield from _summaries("gnt_opcode", "Opcodes that ended", ["opcode"], opcodes)

    def _calls(self) -> Iterator[Metric]:
        calls = [([node, function], *each) for node, function, *each in self._master["calls"]]
        yield from _summaries("gnt_rpc", "Calls to nodes", ["node", "function"], calls)
        running = GaugeMetricFamily(
            "gnt_rpc_running", "Calls to nodes under way, each one process there.", labels=["node"]
        )
        for row in self._nodes:
            running.add_metric([row[0]], self._master["running"].get(row[0], 0))
        yield running
        requests = [([name], *each) for name, each in self._master["requests"].items()]
        yield from _summaries("gnt_luxi_request", "LUXI calls", ["method"], requests)

    def _cluster(self) -> Iterator[Metric]:
        nodes = GaugeMetricFamily("gnt_nodes", "Nodes by role: M, C, R, D, O.", labels=["role"])
        for role, number in sorted(Counter(str(each[1]) for each in self._nodes).items()):
            nodes.add_metric([role], number)
        yield nodes
        instances = GaugeMetricFamily("gnt_instances", "Instances by state.", labels=["status"])
        for status, number in sorted(Counter(self._instances).items()):
            instances.add_metric([status], number)
        yield instances
        for index, name, text in (
            (2, "memory_free", "Free memory"),
            (3, "memory", "Memory"),
            (4, "disk_free", "Free disk space"),
            (5, "disk", "Disk space"),
        ):
            family = GaugeMetricFamily(f"gnt_node_{name}_bytes", f"{text} of a node.", labels=["node"])
            for row in self._nodes:
                # A node that does not answer has none to tell.
                if row[index] is not None:
                    family.add_metric([row[0]], row[index] * MEBIBYTE)
            yield family
        guests = GaugeMetricFamily("gnt_node_instances", "Primary instances of a node.", labels=["node"])
        for row in self._nodes:
            guests.add_metric([row[0]], row[6] or 0)
        yield guests

    def _confd(self) -> Iterator[Metric]:
        for name, text in (
            ("answered", "Questions that gnt-confd answered"),
            ("unsigned", "Datagrams to gnt-confd that were not signed"),
            ("silent", "Signed datagrams that met gnt-confd's silence"),
            ("limited", "Datagrams to gnt-confd beyond what their source may send"),
            ("unusable", "Configurations that gnt-confd could not take into service"),
        ):
            family = CounterMetricFamily(f"gnt_confd_{name}", f"{text}, of nodes that tell.", labels=["node"])
            for node, counted in self._master["confd"].items():
                family.add_metric([node], counted[name])
            yield family


def _summaries(
    name: str, text: str, labels: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> Iterator[Metric]:
    """
    @param rows: Labels' values, how many, how many of them failed, how long they took.
    """
    taken = SummaryMetricFamily(f"{name}_seconds", f"{text}: how long they took.", labels=labels)
    failed = CounterMetricFamily(f"{name}_failures", f"{text}: how many failed.", labels=labels)
    for values, count, failures, seconds in rows:
        taken.add_metric(values, count, seconds)
        failed.add_metric(values, failures)
    yield taken
    yield failed


async def metrics(call: Call) -> object:
    """
    The answer to a monitoring system's question.
    """
    luxi = call.services.luxi
    master = await luxi.call("QueryMetrics")
    nodes = await luxi.call("QueryNodes", [], list(NODE_FIELDS), False)
    instances = await luxi.call("QueryInstances", [], ["status"], False)
    scrape = Scrape(
        master,
        nodes,
        [str(status) for (status,) in instances],
        call.services.expiries(),
        time.time(),
        call.services.waits.count,
    )
    registry = CollectorRegistry(auto_describe=False)
    registry.register(scrape)
    call.write(generate_latest(registry), METRICS_TYPE.encode())
    return WRITTEN
