"""
What queries read in tests: Ganeti's recorded configuration, and nodes that answer as told.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from importlib.resources import files
from typing import Any

import msgspec
from attrs import define, field, frozen

from gnttwist.config.snapshot import AnyObject, Snapshot
from gnttwist.errors import NodeError, NotAnswering
from gnttwist.jobs.locks import LockRow
from gnttwist.model.job import Job, LogEntry
from gnttwist.model.objects import Cluster, Disk, Instance, JobFilter, Network, Node, NodeGroup
from gnttwist.model.stored import from_members
from gnttwist.query.sources import JobView, LiveCall, Sources

GOLDEN = files("tests") / "golden"
TABLES: dict[str, type[AnyObject]] = {
    "nodes": Node,
    "nodegroups": NodeGroup,
    "networks": Network,
    "instances": Instance,
    "disks": Disk,
    "filters": JobFilter,
}


def recorded_config() -> Snapshot:
    """
    The configuration of the cluster that the recorded queries were put to.
    """
    data = json.loads((GOLDEN / "config-3.0.json").read_text())
    objects = [from_members(kind, each) for name, kind in TABLES.items() for each in data[name].values()]
    cluster = from_members(Cluster, data["cluster"])
    return Snapshot(cluster=cluster, serial=data["serial_no"]).with_objects(objects)


def recorded_queries() -> list[dict[str, Any]]:
    """
    Requests to Ganeti 3.0.2 and its answers; the fields' descriptions were left out.
    """
    found: list[dict[str, Any]] = json.loads((GOLDEN / "queries-3.0.2.json").read_text())
    return found


@frozen
class View:
    """
    A job as queries see it.
    """

    job: Job
    log: Sequence[LogEntry] = ()

    @property
    def id(self) -> int:
        """
        Its number.
        """
        return self.job.id


@define
class FakeJobs:
    """
    The queue as queries see it.
    """

    views: dict[int, View] = field(factory=dict)

    def jobs(self) -> Iterable[JobView]:
        """
        All jobs but archived ones.
        """
        return [each for each in self.views.values() if not each.job.archived]

    async def archived(self) -> AsyncIterator[JobView]:
        """
        All archived jobs.
        """
        for each in self.views.values():
            if each.job.archived:
                yield each

    def job(self, id: int) -> JobView | None:
        """
        One job.
        """
        return self.views.get(id)

    async def load(self, id: int, log: bool) -> JobView | None:
        """
        One job, archived or not.
        """
        return self.views.get(id)


NODE_INFO: list[Any] = [
    "26a98bec-539d-4038-aab7-38fd15974e7b",
    [{"type": "file", "name": "/srv/ganeti/file-storage", "storage_size": 258019, "storage_free": 78519}],
    [
        {
            "memory_total": 24105,
            "memory_dom0": 46,
            "memory_free": 23693,
            "cpu_total": 2,
            "cpu_dom0": 2,
            "cpu_nodes": 1,
            "cpu_sockets": 1,
        }
    ],
]
"""
What the recorded cluster's node answered.
"""


@define
class FakeNodes:
    """
    Nodes that answer at once.

    @ivar answers: By function and node name; nodes without an answer are silent.
    @ivar asked: Function and node name of each call.
    """

    answers: dict[tuple[str, str], Any] = field(factory=dict)
    asked: list[tuple[str, str]] = field(factory=list)

    async def live(self, calls: Sequence[LiveCall]) -> list[Any | NodeError]:
        """
        Answer.
        """
        self.asked.extend((each.function, each.node.name) for each in calls)
        return [self._answer(each) for each in calls]

    def _answer(self, call: LiveCall) -> Any | NodeError:
        found = self.answers.get((call.function, call.node.name))
        return NotAnswering(f"Node {call.node.name} does not answer") if found is None else found


async def _no_pause() -> None:
    pass


def sources(
    config: Snapshot | None = None,
    nodes: FakeNodes | None = None,
    jobs: FakeJobs | None = None,
    locks: Sequence[LockRow] = (),
    pause: Callable[[], Awaitable[object]] | None = None,
    seconds: Callable[[], float] = lambda: 0.0,
) -> Sources:
    """
    Sources with the recorded configuration, silent nodes, and neither jobs nor locks.
    """
    return Sources(
        config=config or recorded_config(),
        live=(nodes or FakeNodes()).live,
        jobs=jobs or FakeJobs(),
        locks=lambda: locks,
        pause=pause or _no_pause,
        seconds=seconds,
    )


def with_nodes(config: Snapshot, *names: str, **members: Any) -> Snapshot:
    """
    A configuration with more nodes, in the group of the first.
    """
    master = config.master
    return config.with_objects(
        [msgspec.structs.replace(master, name=name, uuid=f"uuid-of-{name}", **members) for name in names]
    )
