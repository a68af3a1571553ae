"""
Tests for L{gnttwist.jobs.filtering} and for what the queue does by it.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import ParameterError
from gnttwist.jobs.filtering import Round, applying, in_order, limiting_reasons, read_rule
from gnttwist.jobs.gate import Gate
from gnttwist.jobs.schedule import READY, Hold, Plan, QueuedJob, Refuse, plan
from gnttwist.model.job import Job, QueuedOp
from gnttwist.model.objects import JobFilter

DELAY = ["opcode", ["==", "OP_ID", "OP_TEST_DELAY"]]


def rule(
    *predicates: Any, action: Any = "PAUSE", priority: int = 0, watermark: int = 10, uuid: str = "u"
) -> JobFilter:
    """
    A job filter.
    """
    return JobFilter(
        uuid=uuid, watermark=watermark, priority=priority, predicates=list(predicates), action=action
    )


def job(id: int = 1, op_id: str = "OP_TEST_DELAY", *reasons: str, **members: Any) -> Job:
    """
    A queued job.
    """
    trail = [["gnt:user", each, 5] for each in reasons]
    op = QueuedOp(input={"OP_ID": op_id, "reason": trail, **members})
    return Job(id=id, ops=[op], seed="", received_timestamp=(0, 0))


def applies(predicate: Any, to: Job) -> bool:
    """
    Whether a filter with one predicate applies to a job.
    """
    return applying([read_rule(rule(predicate))], to) is not None


class ReadTests(SynchronousTestCase):
    """
    Tests for L{read_rule}.
    """

    def test_refused(self) -> None:
        """
        What is no action, no predicate, or looks at what there is not, is refused by name.
        """
        for wrong, text in (
            (rule(action="accept"), "accept"),
            (rule(action=["RATE_LIMIT", 0]), "RATE_LIMIT"),
            (rule(action=["RATE_LIMIT", True]), "RATE_LIMIT"),
            (rule(priority=-1), "-1"),
            (rule(["jobid", ["==", "name", 1]]), "name"),
            (rule(["reason", ["==", "OP_ID", "x"]]), "OP_ID"),
            (rule(["job", None]), "job"),
            (rule("opcode"), "opcode"),
            (rule(["opcode", ["~~", "OP_ID", 1]]), "~~"),
        ):
            error = self.assertRaises(ParameterError, read_rule, wrong)
            self.assertIn(text, str(error))


class ApplyingTests(SynchronousTestCase):
    """
    Tests for L{applying}.
    """

    def test_predicates(self) -> None:
        """
        Predicates look at the job's number, its opcodes' members by dotted paths, and its reasons.
        """
        for predicate, matching, other in (
            (["jobid", [">", "id", "watermark"]], job(11), job(10)),
            (["jobid", ["!", ["|", ["<=", "id", "watermark"]]]], job(11), job(10)),
            (["jobid", ["==", "id", 7]], job(7), job(8)),
            (DELAY, job(), job(1, "OP_CLUSTER_VERIFY")),
            (["opcode", ["==", "beparams.maxmem", 5]], job(beparams={"maxmem": 5}), job(beparams={})),
            (["opcode", ["=[]", "nodes", "a"]], job(nodes=["a", "b"]), job(nodes=None)),
            (["reason", ["=~", "reason", "^maint"]], job(1, "OP", "x", "maintenance"), job(1, "OP", "x")),
            (["reason", ["==", "source", "gnt:user"]], job(1, "OP", "x"), job()),
            (["opcode", None], job(), None),
        ):
            self.assertTrue(applies(predicate, matching), predicate)
            if other is not None:
                self.assertFalse(applies(predicate, other), predicate)

    def test_lacking(self) -> None:
        """
        A predicate on what an opcode does not have is not met, negated or not.
        """
        for wanted in (["==", "nodes", "a"], ["!", ["==", "nodes", "a"]], ["<", "OP_ID", 3]):
            self.assertFalse(applies(["opcode", wanted], job()))

    def test_all_of_one_filter(self) -> None:
        """
        All predicates of a filter must be met; a filter without any applies to all jobs.
        """
        both = read_rule(rule(DELAY, ["jobid", ["==", "id", 1]]))
        self.assertIs(applying([both], job(1)), both)
        self.assertIsNone(applying([both], job(2)))
        every = read_rule(rule())
        self.assertIs(applying([every], job(2)), every)

    def test_continue(self) -> None:
        """
        C{CONTINUE} leaves the decision to later filters, and C{ACCEPT} takes it from them.
        """
        rules = [read_rule(rule(action=each, uuid=each)) for each in ("CONTINUE", "ACCEPT", "REJECT")]
        self.assertIs(applying(rules, job()), rules[1])

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.uuids().map(str)), max_size=8))
    def test_order(self, turns: list[tuple[int, int, str]]) -> None:
        """
        Filters are tried by priority, then watermark, then UUID, however they were stored.
        """
        stored = [rule(priority=p, watermark=w, uuid=u) for p, w, u in turns]
        self.assertEqual(
            [(each.priority, each.watermark, each.uuid) for each in in_order(map(read_rule, stored))],
            sorted(turns),
        )


class RoundTests(SynchronousTestCase):
    """
    Tests for L{Round}.
    """

    def round(self, *stored: JobFilter, running: tuple[Job, ...] = ()) -> Round:
        """
        A look at the queue with these filters.
        """
        return Gate(lambda: {each.uuid: each for each in stored}).round(running)

    def test_actions(self) -> None:
        """
        A paused job is held and a rejected one refused; an accepted one and one without a filter may start.
        """
        self.assertEqual(self.round().judge(job()), READY)
        self.assertEqual(self.round(rule(action="ACCEPT")).judge(job()), READY)
        self.assertIsInstance(self.round(rule(action="PAUSE")).judge(job()), Hold)
        self.assertEqual(self.round(rule(action="REJECT", uuid="no")).judge(job()), Refuse("no"))

    def test_ad_hoc(self) -> None:
        """
        A reason can limit how many jobs with exactly that reason run.
        """
        limited = job(2, "OP", "rate-limit:1:disks")
        self.assertEqual(limiting_reasons(limited), {"rate-limit:1:disks": 1})
        self.assertEqual(limiting_reasons(job(2, "OP", "rate-limit:0:x", "rate-limit:x:y", "rate-limit")), {})
        busy = self.round(running=(job(1, "OP", "rate-limit:1:disks"),))
        self.assertIsInstance(busy.judge(limited), Hold)
        self.assertEqual(busy.judge(job(3, "OP", "rate-limit:1:nets")), READY)

    def test_unusable(self) -> None:
        """
        A filter that cannot be read is reported, and others are used.
        """
        found = self.round(rule(action="FLY", uuid="a"), rule(action="REJECT", uuid="b"))
        self.assertEqual(found.judge(job()), Refuse("b"))
        self.assertEqual(len(self.flushLoggedErrors()), 0)

    @given(
        st.lists(st.sampled_from(("OP_TEST_DELAY", "OP_OTHER")), max_size=12),
        st.integers(0, 5),
        st.integers(1, 4),
        st.integers(0, 8),
    )
    def test_limits_hold(self, kinds: list[str], running: int, limit: int, places: int) -> None:
        """
        However many jobs of a limited kind are queued and running, no more are started than may run; others fill
        the places, oldest first.
        """
        jobs = {id: job(id, kind) for id, kind in enumerate([*["OP_TEST_DELAY"] * running, *kinds], 1)}
        busy = [jobs[id] for id in range(1, running + 1)]
        look = self.round(rule(DELAY, action=["RATE_LIMIT", limit]), running=tuple(busy))
        queued = [QueuedJob(id) for id in jobs if id > running]

        class Numbers:
            refuses_any = False

            def judge(self, id: int) -> Any:
                return look.judge(jobs[id])

            def count(self, id: int) -> None:
                look.count(jobs[id])

        free = max(0, places - running)
        started = plan(queued, range(1, running + 1), places, lambda id: "queued", Numbers()).start
        delays = [id for id in started if jobs[id].ops[0].input["OP_ID"] == "OP_TEST_DELAY"]
        self.assertLessEqual(len(delays), max(0, limit - running))
        expected: list[int] = []
        allowed = max(0, limit - running)
        for id in sorted(each.id for each in queued):
            if len(expected) == free:
                break
            if jobs[id].ops[0].input["OP_ID"] == "OP_TEST_DELAY":
                if not allowed:
                    continue
                allowed -= 1
            expected.append(id)
        self.assertEqual(started, tuple(expected))

    def test_refused_without_places(self) -> None:
        """
        Jobs that a filter refuses end though no place is free, and though they depend on others.
        """
        look = self.round(rule(action="REJECT", uuid="no"))

        class Numbers:
            refuses_any = look.refuses_any

            def judge(self, id: int) -> Any:
                return look.judge(job(id))

            def count(self, id: int) -> None:
                raise AssertionError("nothing starts")

        self.assertEqual(
            plan([QueuedJob(3)], [1], 1, lambda id: "running", Numbers()), Plan((), ((3, Refuse("no")),))
        )
