"""
Tests for the commands about jobs that exist already, about filters, the queue and the watcher.
"""

import msgspec

from gnttwist.cli.why import sentences
from gnttwist.errors import JobLost
from gnttwist.wire import luxi
from tests.cli.fake_cluster import CommandTestCase

RULE = "4af22660-3a4b-4b8f-a33b-386f276cf51d"


def lost(call: luxi.Call) -> None:
    """
    A job that cannot be waited for.
    """
    raise JobLost("Can't load job file")


class JobCommandTests(CommandTestCase):
    """
    Tests for C{gnt job}.
    """

    def test_wait(self) -> None:
        """
        Waiting for jobs tells how each ended, and is a failure when one did not end well.
        """
        self.answers["WaitForJobChange"] = lambda call: [["success" if call.job_id == 1 else "error"], []]
        output = self.gnt("job", "wait", "1", "2")
        self.assertEqual((output.code, output.out), (1, "Job 1: success\nJob 2: error\n"))
        self.assertEqual(self.gnt("job", "wait", "1").code, 0)

    def test_unknown(self) -> None:
        """
        Watching or waiting for a job that is not there says so in one line.
        """
        self.answers.update(WaitForJobChange=lost, QueryJobs=[[None]])
        for command in ("watch", "wait"):
            self.assertEqual(self.fails("job", command, "99"), "gnt: there is no job 99\n")

    def test_watch_several(self) -> None:
        """
        Lines of several jobs say whose they are, and one that fails makes the whole command fail.
        """

        def change(call: luxi.WaitForAnyJobChange) -> object:
            lines = [[1, [1, 0], "message", "at work"]]
            bar = {"disk": {"done": 1, "total": 2, "unit": "MiB"}}
            if call.revision == 0:
                self.assertEqual((call.job_ids, call.moment), ([1, 2], 0))
                return [5, [[1, ["success", None], lines], [2, ["running", bar], lines]], 1]
            self.assertEqual((call.job_ids, call.revision, call.moment), ([2], 5, 1))
            return [6, [[2, ["error", None], []]], 1]

        def end(call: luxi.QueryJobs) -> object:
            if call.fields == ["status"]:
                return [[None if each == 9 else "running"] for each in call.ids or ()]
            if call.ids == [2]:
                return [["error", ["error"], [["OpExecError", ["no disk"]]]]]
            return [["success", ["success"], [5]]]

        self.answers.update(WaitForAnyJobChange=change, QueryJobs=end)
        output = self.gnt("job", "watch", "1", "2", "1", "9")
        self.assertEqual(
            (output.code, output.out.splitlines()),
            (
                1,
                [
                    "job 9: there is no job 9",
                    "job 1: at work",
                    "job 1: success",
                    "job 2: at work",
                    "job 2: no disk",
                ],
            ),
        )
        self.assertEqual(
            msgspec.json.decode(self.gnt("job", "watch", "--json", "1", "2").out),
            [{"job": 1, "results": [5], "error": None}, {"job": 2, "results": None, "error": "no disk"}],
        )
        self.assertIn("50 jobs", self.fails("job", "watch", *(str(job) for job in range(51))))

    def test_archived(self) -> None:
        """
        An archived job has ended: waiting for it ends at once, and watching it gives its results.
        """
        self.answers.update(
            WaitForJobChange=lost,
            QueryJobs=lambda call: [["success"] if len(call.fields) == 1 else ["success", ["success"], [5]]],
        )
        self.assertEqual(self.gnt("job", "wait", "1").out, "Job 1: success\n")
        self.assertEqual(
            msgspec.json.decode(self.gnt("job", "watch", "--json", "1").out), {"job": 1, "results": [5]}
        )

    def test_archive(self) -> None:
        """
        Each job that cannot be archived is named.
        """
        self.answers["ArchiveJob"] = lambda call: call.job_id == 1
        self.assertEqual(self.gnt("job", "archive", "1").code, 0)
        output = self.gnt("job", "archive", "1", "2")
        self.assertEqual((output.code, output.err.split(",")[0]), (1, "job 2 is not there"))

    def test_autoarchive(self) -> None:
        """
        An age is a number with a unit, or C{all}; the daemon is asked again until it has seen all jobs.
        """
        answers = iter([[5, 2], [2, 0], [3, 0]])
        self.answers["AutoArchiveJobs"] = lambda call: next(answers)
        self.assertEqual(self.gnt("job", "autoarchive", "2h").out, "Archived 7 jobs\n")
        self.assertEqual(self.gnt("job", "autoarchive", "all").out, "Archived 3 jobs\n")
        ages = [call.age for call in self.master.calls if isinstance(call, luxi.AutoArchiveJobs)]
        self.assertEqual(ages, [7200, 7200, -1])
        self.assertIn("'soon'", self.fails("job", "autoarchive", "soon"))

    def test_priority(self) -> None:
        """
        Priorities have names and numbers.
        """
        self.answers["ChangeJobPriority"] = lambda call: [call.job_id == 1, f"said {call.priority}"]
        self.assertEqual(self.gnt("job", "priority", "high", "1").out, "said -10\n")
        output = self.gnt("job", "priority", "--", "-7", "1", "2")
        self.assertEqual((output.code, output.out, output.err), (1, "said -7\n", "said -7\n"))
        self.assertIn("20", self.fails("job", "priority", "20", "1"))

    def test_why(self) -> None:
        """
        What a job waits for is told by lock, holder and time, and as JSON whole.
        """
        owner = {"job": 3, "mode": "exclusive", "summary": "TEST_DELAY(5)", "since": [0, 0]}
        found = {
            "job": 7,
            "status": "waiting",
            "summary": "INSTANCE_STARTUP(a)",
            "since": [0, 0],
            "depends": [],
            "held": None,
            "places": {"run": 2, "limit": 20},
            "ahead": [],
            "locks": [
                {"name": "node/x", "mode": "shared", "owners": [], "ahead": [], "free": True},
                {"name": "instance/a", "mode": "shared", "owners": [owner], "ahead": [5], "free": False},
            ],
        }
        self.answers["QueryJobBlockers"] = found
        text = self.gnt("job", "why", "7").out
        self.assertIn("job 3 (TEST_DELAY(5)) has it since 19", text)
        self.assertIn("ahead of it: jobs 5", text)
        self.assertIn("node/x (shared), which it could have", text)
        self.assertEqual(msgspec.json.decode(self.gnt("job", "why", "--json", "7").out), found)

    def test_why_queued(self) -> None:
        """
        A queued job's sentences name dependencies, filters, and the places that are taken.
        """
        found = {
            "job": 7,
            "status": "queued",
            "summary": "X",
            "since": [0, 0],
            "depends": [{"job": 2, "status": "running", "summary": "Y"}],
            "held": "job filter u pauses it",
            "places": {"run": 20, "limit": 20},
            "ahead": list(range(100, 130)),
            "locks": [],
        }
        text = "\n".join(sentences(found))
        for expected in (
            "depends on job 2 (Y), which is running",
            "held: job filter u pauses it",
            "20 jobs run, and 20 may",
            "30 jobs: 100, 101,",
        ):
            self.assertIn(expected, text)
        free = {**found, "depends": [], "held": None, "places": {"run": 0, "limit": 20}}
        self.assertIn("about to start", "\n".join(sentences(free)))
        self.assertIn("waits for nothing", "\n".join(sentences({**found, "status": "success"})))


class FilterCommandTests(CommandTestCase):
    """
    Tests for C{gnt filter}.
    """

    def test_add(self) -> None:
        """
        A filter is sent as the protocol has it, and its UUID printed.
        """
        self.answers["ReplaceFilter"] = RULE
        predicates = [["opcode", ["==", "OP_ID", "OP_TEST_DELAY"]]]
        output = self.gnt(
            "filter", "add", "--priority", "3", "--action", "rate_limit=2", "--reason", "slow disks",
            "--predicates", msgspec.json.encode(predicates).decode(),
        )  # fmt: skip
        self.assertEqual(output.out, f"{RULE}\n")
        self.gnt("filter", "replace", RULE, "--action", "pause")
        first, second = (call for call in self.master.calls if isinstance(call, luxi.ReplaceFilter))
        self.assertEqual(
            (first.uuid, first.priority, first.predicates, first.action),
            (None, 3, predicates, ["RATE_LIMIT", 2]),
        )
        self.assertEqual(first.reason[0][:2], ["gnt:user", "slow disks"])
        self.assertEqual((second.uuid, second.action, second.reason), (RULE, "PAUSE", []))

    def test_refused(self) -> None:
        """
        What is no action or no JSON is refused before anything is sent.
        """
        self.assertIn("rate_limit=0", self.fails("filter", "add", "--action", "rate_limit=0"))
        self.assertIn("JSON", self.fails("filter", "add", "--action", "pause", "--predicates", "{}"))
        self.assertEqual(self.master.calls, [])

    def test_info(self) -> None:
        """
        A filter's predicates are printed in the form in which they are given; one that is not there is named.
        """
        row = [RULE, 25, 5, [["jobid", ["==", "id", 1]]], "PAUSE", [["gnt:user", "why not", 10**18]]]
        self.answers["QueryFilters"] = [row]
        text = self.gnt("filter", "info").out
        self.assertIn('["jobid",["==","id",1]]', text)
        self.assertIn("why not", text)
        self.assertIn("there is no filter nosuch", self.fails("filter", "info", RULE, "nosuch"))

    def test_list_and_delete(self) -> None:
        """
        Filters are listed by UUID, and removed one by one.
        """
        self.answers.update(Query=self.table({"uuid": "other"}, [RULE]), DeleteFilter=None)
        self.assertIn(RULE, self.gnt("filter", "list", "-o", "uuid").out)
        self.assertEqual(self.gnt("filter", "delete", RULE, "x").code, 0)
        self.assertEqual(self.master.calls[-2:], [luxi.DeleteFilter(RULE), luxi.DeleteFilter("x")])


class ClusterCommandTests(CommandTestCase):
    """
    Tests for C{gnt cluster queue} and C{gnt cluster watcher}.
    """

    def test_queue(self) -> None:
        """
        The queue is drained and opened, and tells what is in it.
        """
        self.answers.update(
            SetDrainFlag=True,
            QueryConfigValues=[True, 500, 300],
            SetQueueLimits=None,
            QueryClusterInfo={"max_running_jobs": 20},
            QueryJobs=[["success"], ["queued"], ["success"]],
        )
        self.gnt("cluster", "queue", "drain")
        self.gnt("cluster", "queue", "undrain")
        self.assertEqual(self.master.calls, [luxi.SetDrainFlag(True), luxi.SetDrainFlag(False)])
        self.assertEqual(
            self.gnt("cluster", "queue", "info").out,
            "The queue is drained: no new jobs are taken.\n"
            "Jobs: 1 queued, 2 success; 20 may run at once, 500 queue.\n"
            "A job waits 300 s for a node that does not answer.\n",
        )
        self.gnt("cluster", "queue", "limit", "--running", "7")
        self.assertEqual(self.master.calls[-1], luxi.SetQueueLimits(7, None))
        self.gnt("cluster", "queue", "limit", "--patience", "10m")
        self.assertEqual(self.master.calls[-1], luxi.SetQueueLimits(None, None, 600))
        self.assertIn("--running", self.fails("cluster", "queue", "limit"))

    def test_watcher(self) -> None:
        """
        The watcher is paused for a time from now on, and goes on when asked to.
        """
        self.answers.update(SetWatcherPause=lambda call: call.until, QueryConfigValues=[None])
        self.assertIn("is paused until", self.gnt("cluster", "watcher", "pause", "1h").out)
        self.gnt("cluster", "watcher", "continue")
        first, second = (call for call in self.master.calls if isinstance(call, luxi.SetWatcherPause))
        self.assertIsNotNone(first.until)
        self.assertIsNone(second.until)
        self.assertEqual(self.gnt("cluster", "watcher", "info").out, "The watcher is not paused.\n")
        self.answers["QueryConfigValues"] = [0]
        self.assertIn("paused until 19", self.gnt("cluster", "watcher", "info").out)
