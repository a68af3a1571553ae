"""
Tests for L{gnttwist.masterd.job_changes}.
"""

from collections.abc import Mapping, Sequence

from attrs import frozen

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import OpPrereqError
from gnttwist.jobs.live import Progress
from gnttwist.masterd.job_changes import change_of, check_fields
from gnttwist.model.job import Job, LogEntry, QueuedOp

JOB = Job(
    id=7,
    ops=[QueuedOp(input={"OP_ID": "OP_TEST_DELAY", "duration": 1.5}, status="running")],
    seed="",
    received_timestamp=(1, 2),
)


@frozen
class View:
    """
    A job with two lines.
    """

    progress: Mapping[str, Progress] = {}
    job: Job = JOB
    log: Sequence[LogEntry] = (
        LogEntry(serial=1, time=(3, 4), type="message", payload="one"),
        LogEntry(serial=2, time=(5, 6), type="message", payload="two"),
    )

    @property
    def id(self) -> int:
        """
        Its number.
        """
        return self.job.id

    def log_since(self, revision: int) -> Sequence[LogEntry]:
        """
        The lines that were stored after a revision: the first with revision 1, and so on.
        """
        return self.log[revision:]

    def log_after(self, serial: int) -> Sequence[LogEntry]:
        """
        The lines that came after one.
        """
        return self.log[serial:]


class ChangeTests(SynchronousTestCase):
    """
    Tests for L{change_of} and L{check_fields}.
    """

    def test_values(self) -> None:
        """
        Fields have their plain values, equal to what a client sends back, and null where they have none.
        """
        self.assertEqual(
            change_of(View(), ["status", "received_ts", "end_ts", "summary"], 2),
            (["running", [1, 2], None, ["TEST_DELAY(1.5)"]], []),
        )

    def test_log(self) -> None:
        """
        All lines come, or those after the last one seen.
        """
        one, two = [1, [3, 4], "message", "one"], [2, [5, 6], "message", "two"]
        self.assertEqual(change_of(View(), [], None), ([], [one, two]))
        self.assertEqual(change_of(View(), [], 1), ([], [two]))

    def test_progress(self) -> None:
        """
        Our own field tells how far each thing is that the job is doing, and null when there is none.
        """
        view = View(progress={"copying": Progress(5, 10, "MiB")})
        self.assertEqual(
            change_of(view, ["progress"], 2)[0], [{"copying": {"done": 5, "total": 10, "unit": "MiB"}}]
        )
        self.assertEqual(change_of(View(), ["progress"], 2)[0], [None])

    def test_unknown_field(self) -> None:
        """
        Fields that jobs do not have are named.
        """
        check_fields(["status", "progress", "oplog"])
        self.assertIn("nosuch", str(self.assertRaises(OpPrereqError, check_fields, ["status", "nosuch"])))
