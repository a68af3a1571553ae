"""
Tests for L{gnttwist.masterd.why}.
"""

from collections.abc import Iterable
from typing import Any

from attrs import define, evolve, field

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import JobLost
from gnttwist.jobs.context import LockMode
from gnttwist.jobs.locks import LockTable
from gnttwist.masterd.why import explain
from gnttwist.model.job import Job, QueuedOp, Status, Timestamp
from gnttwist.query.sources import JobView
from tests.query.sources import FakeJobs, View


@define
class FakeQueue(FakeJobs):
    """
    A queue whose filters hold what they are told to.
    """

    kept: dict[int, str] = field(factory=dict)

    def recent(self) -> Iterable[JobView]:
        """
        All jobs.
        """
        return self.jobs()

    def held(self, id: int) -> str | None:
        """
        What was told.
        """
        return self.kept.get(id)


class WhyTests(SynchronousTestCase):
    """
    Tests for L{explain}.
    """

    def setUp(self) -> None:
        self.queue = FakeQueue()
        self.locks = LockTable()

    def job(
        self,
        id: int,
        status: Status = "queued",
        start: Timestamp | None = None,
        priority: int = 0,
        **members: Any,
    ) -> None:
        """
        Let there be a job, accepted at the second of its number.
        """
        op = QueuedOp(
            input={"OP_ID": "OP_CLUSTER_VERIFY", **members},
            status=status,
            priority=priority,
            start_timestamp=start,
        )
        job = Job(id=id, ops=[op], seed="", received_timestamp=(id, 0), start_timestamp=start)
        self.queue.views[id] = View(job)

    def why(self, id: int) -> dict[str, Any]:
        """
        What a job waits for.
        """
        rows = [evolve(each, since=((60, 1),) * len(each.owners)) for each in self.locks.view()]
        return explain(id, self.queue, rows, 20)

    def test_locks(self) -> None:
        """
        A job that waits for locks is told who has them since when, and who is before it.
        """
        for id in (1, 2, 3):
            self.job(id, "running" if id == 1 else "waiting", (50 + id, 7))
        self.locks.request(1, {"node/a": LockMode.EXCLUSIVE})
        self.locks.request(2, {"node/a": LockMode.SHARED})
        self.locks.request(3, {"instance/x": LockMode.SHARED, "node/a": LockMode.EXCLUSIVE})
        found = self.why(3)
        self.assertEqual((found["status"], found["since"], found["places"]["run"]), ("waiting", [53, 7], 3))
        free, blocked = found["locks"]
        self.assertEqual((free["name"], free["free"], free["owners"]), ("instance/x", True, []))
        self.assertEqual(
            blocked,
            {
                "name": "node/a",
                "mode": "exclusive",
                "owners": [{"job": 1, "mode": "exclusive", "summary": "CLUSTER_VERIFY", "since": [60, 1]}],
                "ahead": [2],
                "free": False,
            },
        )
        self.assertEqual(self.why(2)["locks"][0]["ahead"], [])

    def test_shared(self) -> None:
        """
        A lock that is shared keeps nobody who wants to share it.
        """
        self.job(1, "running", (1, 0))
        self.job(2, "waiting", (2, 0))
        self.locks.request(1, {"node/a": LockMode.SHARED, "node/b": LockMode.EXCLUSIVE})
        self.locks.request(2, {"node/a": LockMode.SHARED, "node/b": LockMode.SHARED})
        self.assertEqual([each["free"] for each in self.why(2)["locks"]], [True, False])

    def test_queued(self) -> None:
        """
        A queued job is told which jobs it depends on that have not ended, what filters say, and who is before it.
        """
        self.job(1, "running", (1, 0))
        self.job(2, "success", (1, 0))
        self.job(3)
        self.job(4, priority=5)
        self.job(5, depends=[[1, []], [2, ["success"]]])
        self.job(6, priority=-5)
        self.queue.kept[5] = "a filter pauses it"
        found = self.why(5)
        self.assertEqual(found["depends"], [{"job": 1, "status": "running", "summary": "CLUSTER_VERIFY"}])
        self.assertEqual(
            (found["held"], found["ahead"], found["places"]),
            ("a filter pauses it", [6, 3], {"run": 1, "limit": 20}),
        )

    def test_nothing(self) -> None:
        """
        A job that runs or has ended waits for nothing; one that is not there is lost.
        """
        self.job(1, "running", (1, 0), depends=[[5, []]])
        found = self.why(1)
        self.assertEqual(
            (found["depends"], found["held"], found["ahead"], found["locks"]), ([], None, [], [])
        )
        self.assertRaises(JobLost, self.why, 9)
