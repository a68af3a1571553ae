"""
Tests for L{gnttwist.masterd.methods}.
"""

from collections.abc import AsyncIterator, Callable, Collection, Hashable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from attrs import define, field

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config import records
from gnttwist.config.service import Configuration
from gnttwist.errors import JobLost, OperationError, OpPrereqError
from gnttwist.jobs.granting import LockWaits
from gnttwist.jobs.limits import max_queued, node_patience
from gnttwist.jobs.live import JobView
from gnttwist.jobs.locks import LockRow
from gnttwist.masterd.config_changes import ConfigChanges
from gnttwist.masterd.figures import Counters, Figures
from gnttwist.masterd.filter_rules import FilterRules
from gnttwist.masterd.luxi import Answer
from gnttwist.masterd.methods import Methods
from gnttwist.masterd.peer import Peer
from gnttwist.masterd.queue_limits import QueueLimits
from gnttwist.masterd.watcher import WatcherPause
from gnttwist.model.job import Job, LogEntry, QueuedOp
from gnttwist.query.sources import LiveCall, Sources
from gnttwist.store.interface import Transaction
from gnttwist.testing.store import MemoryStore
from gnttwist.wire import luxi, luxi_messages
from tests.query.sources import View, recorded_config

PEER = Peer(pid=1, uid=1000, gid=1000)


JOB_1 = Job(
    id=1,
    ops=[QueuedOp(input={"OP_ID": "OP_CLUSTER_POST_INIT"}, status="success", result=True)],
    seed="",
    received_timestamp=(1795222510, 666258),
    end_timestamp=(1795222511, 0),
)
WAITED_FOR = JobView(JOB_1, [LogEntry(serial=1, time=(1, 2), type="message", payload="a line")], 1)

T = TypeVar("T")


@define
class FakeQueue:
    """
    Keeps what it is asked for.
    """

    drained: bool = False
    asked: list[Any] = field(factory=list)

    async def submit(
        self,
        ops: Sequence[Mapping[str, Any]],
        *,
        uid: int | None,
        raw: bytes | None = None,
        even_if_drained: bool = False,
    ) -> int:
        self.asked.append((ops, uid, raw, even_if_drained))
        return 17

    async def submit_many(
        self, jobs: Sequence[Sequence[Mapping[str, Any]]], *, uid: int | None, raw: bytes | None = None
    ) -> list[list[Any]]:
        self.asked.append((jobs, uid, raw))
        return [[True, n] for n, _ in enumerate(jobs, 1)]

    def answered(self, id: int) -> None:
        self.asked.append(("answered", id))

    async def wait_for_change(
        self,
        id: int,
        compute: Callable[[Any], T],
        previous: T | None,
        timeout: float,
        *,
        shared: Hashable = None,
    ) -> T | None:
        self.asked.append((id, previous, timeout))
        value = compute(WAITED_FOR)
        return None if value == previous else value

    async def wait_for_any_change(
        self, jobs: Collection[int] | None, since: int, timeout: float, *, moment: int | None = None
    ) -> tuple[int, list[JobView], int]:
        self.asked.append((jobs, since, timeout, moment))
        return 8, [WAITED_FOR], 3

    async def cancel(self, id: int, kill: bool = False) -> tuple[bool, str]:
        if id == 404:
            raise JobLost("Job 404 not found")
        self.asked.append((id, kill))
        return True, "done"

    async def archive(self, id: int) -> bool:
        self.asked.append(("archive", id))
        return id == 1

    async def change_priority(self, id: int, priority: int) -> tuple[bool, str]:
        if id == 404:
            raise JobLost("Job 404 not found")
        self.asked.append((id, priority))
        return True, "changed"

    def held(self, id: int) -> str | None:
        return "a filter pauses it"

    async def set_drained(self, drained: bool) -> None:
        self.drained = drained

    def jobs(self) -> list[View]:
        """
        Only job 1 is there.
        """
        return [View(JOB_1)]

    def recent(self) -> list[View]:
        """
        The same.
        """
        return self.jobs()

    lock_waits = LockWaits()

    def locks(self) -> list[LockRow]:
        """
        None.
        """
        return []

    def over(self, before: float | None) -> list[int]:
        """
        Job 1 ended when the clock was 9 seconds behind.
        """
        return [1] if before is None or before >= 1795222511 else []

    async def archived(self) -> AsyncIterator[JobView]:
        """
        None.
        """
        none: list[JobView] = []
        for each in none:
            yield each

    async def load(self, id: int, log: bool) -> View | None:
        """
        One job.
        """
        return self.job(id)

    def job(self, id: int) -> View | None:
        """
        One job.
        """
        return View(JOB_1) if id == 1 else None


async def nobody(calls: Sequence[LiveCall]) -> Sequence[Any]:
    """
    Nodes that are not asked.
    """
    raise AssertionError("no node is asked")


async def nothing_counted() -> dict[str, Any]:
    """
    No gnt-confd answers.
    """
    return {}


class MethodsTests(SynchronousTestCase):
    """
    Tests for L{Methods}.
    """

    def setUp(self) -> None:
        self.config = recorded_config()
        self.queue = FakeQueue()
        self.clock = Clock()
        self.now = 1795222520.0
        sources = Sources(
            self.config, nobody, self.queue, lambda: (), lambda: succeed(None), self.clock.seconds
        )
        self.store = MemoryStore()
        self.file = Path(self.mktemp())
        self.watcher = WatcherPause(self.store, self.file, execute, lambda: self.now)
        self.configuration = Configuration(self.store, Failure.raiseException)
        rules = FilterRules(self.configuration, lambda: 25, lambda: self.now, Random(1))
        self.methods = Methods(
            self.queue,
            self.clock,
            lambda: self.now,
            lambda: self.config,
            lambda: sources,
            rules,
            self.watcher,
            QueueLimits(self.configuration, lambda: self.now, Random(1)),
            ConfigChanges(self.clock, self.configuration),
            Figures(Counters(), lambda: self.now, self.queue, dict, nothing_counted),
        )

    def answering(self, call: luxi.Call) -> Deferred[Answer]:
        """
        What a call leads to.
        """
        return self.methods.answer(call, PEER, b"the request")

    def result(self, call: luxi.Call) -> Any:
        """
        The result of a call that succeeds, as its client gets it.
        """
        return luxi_messages.decode_response(
            luxi_messages.encode_success(self.successResultOf(self.answering(call)).result)
        )

    def refusal(self, call: luxi.Call, kind: type[OperationError] = OperationError) -> str:
        """
        The error of a call that fails.
        """
        return str(self.failureResultOf(self.answering(call), kind).value)

    def test_submit(self) -> None:
        """
        A job is submitted in its client's name, with the request's bytes; the queue learns when the answer has left.
        """
        answer = self.successResultOf(self.answering(luxi.SubmitJob([{"OP_ID": "X"}])))
        self.assertEqual(answer.result, 17)
        self.assertEqual(self.queue.asked, [([{"OP_ID": "X"}], 1000, b"the request", False)])
        left: Callable[[], None] | None = answer.left
        assert left is not None
        left()
        self.assertEqual(self.queue.asked[1:], [("answered", 17)])

    def test_submit_to_drained(self) -> None:
        """
        So is one that is submitted though the queue is drained: its client can ask again, too.
        """
        answer = self.successResultOf(self.answering(luxi.SubmitJobToDrainedQueue([])))
        self.assertEqual(self.queue.asked, [([], 1000, b"the request", True)])
        assert answer.left is not None
        answer.left()
        self.assertEqual(self.queue.asked[1:], [("answered", 17)])

    def test_submit_many(self) -> None:
        """
        Each of many jobs has an answer of its own; the queue learns when all have left.
        """
        answer = self.successResultOf(self.answering(luxi.SubmitManyJobs([[], []])))
        self.assertEqual(answer.result, [[True, 1], [True, 2]])
        assert answer.left is not None
        answer.left()
        self.assertEqual(self.queue.asked, [([[], []], 1000, b"the request"), ("answered", 1)])

    def test_wait(self) -> None:
        """
        Waiting ends with the fields and the lines that the client has not seen; nobody waits beyond his patience.
        """
        self.assertEqual(
            self.result(luxi.WaitForJobChange("1", ["status"], None, None, 1e9)),
            [["success"], [[1, [1, 2], "message", "a line"]]],
        )
        self.assertEqual(self.queue.asked, [(1, None, luxi.WAIT_LIMIT)])

    def test_wait_in_vain(self) -> None:
        """
        When nothing has changed in time the answer is what the client has, without lines.
        """
        self.assertEqual(
            self.result(luxi.WaitForJobChange(1, ["status"], ["success"], 1, 5)), [["success"], []]
        )

    def test_wait_for_any(self) -> None:
        """
        Waiting for several jobs ends with a revision and each changed job's fields; no numbers mean all jobs.
        """
        self.assertEqual(
            self.result(luxi.WaitForAnyJobChange(["1", 2], ["status", "id"], 5, 1e9)),
            [8, [[1, ["success", 1]]]],
        )
        self.result(luxi.WaitForAnyJobChange(None, ["status"], 8, 1))
        self.assertEqual(self.queue.asked, [({1, 2}, 5, luxi.WAIT_LIMIT, None), (None, 8, 1, None)])

    def test_wait_for_any_with_logs(self) -> None:
        """
        With a moment, each job's new lines and the moment to go on from come along.
        """
        self.assertEqual(
            self.result(luxi.WaitForAnyJobChange([1], ["status"], 0, 10, 2)),
            [8, [[1, ["success"], [[1, [1, 2], "message", "a line"]]]], 3],
        )

    def test_wait_for_unknown_field(self) -> None:
        """
        Waiting for a field that there is not is refused.
        """
        self.assertIn(
            "nosuch", self.refusal(luxi.WaitForJobChange(7, ["nosuch"], None, None, 1), OpPrereqError)
        )

    def test_queue(self) -> None:
        """
        What concerns the queue reaches it, and its answers the client.
        """
        self.assertEqual(self.result(luxi.CancelJob("7", True)), [True, "done"])
        self.assertEqual(self.result(luxi.ChangeJobPriority(7, -10)), [True, "changed"])
        self.assertEqual(self.queue.asked, [(7, True), (7, -10)])
        self.assertEqual(self.result(luxi.CancelJob(404)), [False, "Job 404 not found in queue"])
        self.assertIs(self.result(luxi.ArchiveJob(1)), True)

    def test_auto_archive(self) -> None:
        """
        Jobs that ended longer ago than the age are put away; a negative age means all that have ended.
        """
        self.assertEqual(self.result(luxi.AutoArchiveJobs(3600, 10)), [0, 0])
        self.assertEqual(self.queue.asked, [])
        for age in (5, -1):
            self.assertEqual(self.result(luxi.AutoArchiveJobs(age, 10)), [1, 0])
        self.assertEqual(self.result(luxi.AutoArchiveJobs(-1, 0)), [0, 1])

    def test_drain(self) -> None:
        """
        Draining the queue shows in the configuration's values.
        """
        self.assertIs(self.result(luxi.SetDrainFlag(True)), True)
        self.assertEqual(self.result(luxi.QueryConfigValues(["drain_flag", "nosuch"])), [True, None])

    def test_query_jobs(self) -> None:
        """
        A missing job has a row with its id, as recorded.
        """
        self.assertEqual(
            self.result(luxi.QueryJobs([1, "99999"], ["id", "status", "summary", "opresult", "received_ts"])),
            [[1, "success", ["CLUSTER_POST_INIT"], [True], [1795222510, 666258]], [99999, *[None] * 4]],
        )

    def test_query(self) -> None:
        """
        Queries are answered with definitions and cells; an unknown name is the recorded error.
        """
        answer = self.result(luxi.Query("node", ["name"], None))
        self.assertEqual(answer["data"], [[[0, "node1.example.com"]]])
        self.assertEqual(
            self.refusal(luxi.Query("node", ["name"], ["=", "name", "nope"]), OpPrereqError),
            "Node name nope not found",
        )
        self.assertEqual(self.result(luxi.QueryFields("job", ["id"]))["fields"][0]["title"], "ID")

    def test_classic(self) -> None:
        """
        The older queries give plain values, and never lock.
        """
        self.assertEqual(
            self.result(luxi.QueryGroups([], ["name", "alloc_policy"], False)),
            [["default", "preferred"], ["group2", "preferred"]],
        )
        self.assertEqual(
            self.refusal(luxi.QueryGroups([], ["name"], True), OpPrereqError),
            "Sync queries are not allowed",
        )

    def test_tags(self) -> None:
        """
        Tags are as recorded, for the cluster and for objects.
        """
        self.assertEqual(self.result(luxi.QueryTags("cluster", "")), ["red"])
        self.assertEqual(self.result(luxi.QueryTags("instance", "inst1.example.com")), ["blue"])
        self.assertIn("nosuch", self.refusal(luxi.QueryTags("instance", "nosuch"), OpPrereqError))

    def test_networks(self) -> None:
        """
        The older queries for networks and exports answer, and never lock.
        """
        self.assertEqual(
            self.result(luxi.QueryNetworks([], ["name", "network"], False)), [["net1", "192.0.2.0/24"]]
        )
        for call in (luxi.QueryNetworks([], ["name"], True), luxi.QueryExports([], True)):
            self.assertEqual(self.refusal(call, OpPrereqError), "Sync queries are not allowed")

    def test_watcher(self) -> None:
        """
        A pause of the watcher is told until it is over, outlives the daemon, and is in Ganeti's file.
        """
        self.assertEqual(self.result(luxi.SetWatcherPause(self.now + 60.5)), self.now + 60.5)
        self.assertEqual(self.result(luxi.QueryConfigValues(["watcher_pause"])), [int(self.now + 60)])
        self.assertEqual(self.file.read_text(), f"{int(self.now + 60)}\n")
        again = WatcherPause(self.store, self.file, execute, lambda: self.now)
        self.successResultOf(Deferred.fromCoroutine(again.load()))
        self.assertEqual(again.until, int(self.now + 60))
        self.now += 61
        self.assertIsNone(again.until)
        self.assertIsNone(self.result(luxi.SetWatcherPause(None)))
        self.assertEqual(self.result(luxi.QueryConfigValues(["watcher_pause"])), [None])
        self.assertFalse(self.file.exists())

    def test_filters(self) -> None:
        """
        A job filter is set with a watermark and our signature, replaced under its UUID, and removed.
        """
        self.load()
        uuid = self.result(
            luxi.ReplaceFilter(None, 5, [["jobid", ["==", "id", 1]]], "PAUSE", [["a", "b", 1]])
        )
        [stored] = self.configuration.snapshot.filters.values()
        self.assertEqual(
            (stored.uuid, stored.watermark, stored.reason_trail),
            (uuid, 25, [["a", "b", 1], ["luxid", "", int(self.now * 1e9)]]),
        )
        self.assertEqual(self.result(luxi.ReplaceFilter(uuid, 6, [], ["RATE_LIMIT", 2], [])), uuid)
        self.assertEqual(self.configuration.snapshot.filters[uuid].priority, 6)
        self.assertIsNone(self.result(luxi.DeleteFilter(uuid)))
        self.assertEqual(len(self.configuration.snapshot.filters), 0)

    def test_filters_refused(self) -> None:
        """
        What is no filter is refused and changes nothing, and so is the removal of one that is not there.
        """
        self.load()
        for call, kind in (
            (luxi.ReplaceFilter("me", 0, [], "PAUSE", []), OpPrereqError),
            (luxi.ReplaceFilter(None, 0, [], "pause", []), OpPrereqError),
            (luxi.ReplaceFilter(None, -1, [], "PAUSE", []), OpPrereqError),
            (luxi.ReplaceFilter(None, 0, [["jobid", ["~", 1]]], "PAUSE", []), OpPrereqError),
            (luxi.DeleteFilter("4af22660-3a4b-4b8f-a33b-386f276cf51d"), OpPrereqError),
        ):
            self.refusal(call, kind)
        self.assertEqual(len(self.configuration.snapshot.filters), 0)

    def load(self) -> None:
        """
        Let the configuration be in the store.
        """
        config = records.of_objects([self.config.cluster, *self.config.nodes, *self.config.groups])
        self.store.transact(Transaction([*config, *records.bookkeeping(self.config)]))
        self.successResultOf(Deferred.fromCoroutine(self.configuration.load()))

    def test_limits(self) -> None:
        """
        How many jobs may run and queue, and how long they wait for a node, is changed one by one; what is too much or
        too little is refused.
        """
        self.load()
        before = self.configuration.snapshot.cluster.max_running_jobs
        self.result(luxi.SetQueueLimits(None, 5))
        cluster = self.configuration.snapshot.cluster
        self.assertEqual((cluster.max_running_jobs, max_queued(cluster)), (before, 5))
        self.result(luxi.SetQueueLimits(7, None))
        cluster = self.configuration.snapshot.cluster
        self.assertEqual((cluster.max_running_jobs, max_queued(cluster)), (7, 5))
        self.assertEqual(node_patience(cluster), 300)
        self.result(luxi.SetQueueLimits(None, None, 20))
        cluster = self.configuration.snapshot.cluster
        self.assertEqual((max_queued(cluster), node_patience(cluster)), (5, 20))
        for wrong in (
            luxi.SetQueueLimits(0, None),
            luxi.SetQueueLimits(None, 10**9),
            luxi.SetQueueLimits(None, None, 1),
            luxi.SetQueueLimits(None, None, 10**9),
        ):
            self.refusal(wrong, OpPrereqError)
        values = luxi.QueryConfigValues(["max_queued_jobs", "node_patience"])
        self.assertEqual(self.result(values), [20_000, 300])

    def test_lost_jobs(self) -> None:
        """
        What is asked of a job that is not there says so.
        """
        self.assertEqual(self.result(luxi.ChangeJobPriority(404, 1)), [False, "Job 404 not found in queue"])
        self.assertEqual(
            self.refusal(luxi.QueryJobBlockers(404), JobLost), "there is no job 404, or it is archived"
        )

    def test_every_method(self) -> None:
        """
        Every method of the protocol is carried out, but the one that is Ganeti's daemons' own.
        """
        self.assertEqual(set(self.methods.known), set(luxi.Call.known.values()))
        self.assertIn("internal use", self.refusal(luxi.PickupJob(1)))
