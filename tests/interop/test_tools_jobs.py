"""
Ganeti 3.0.2's tools for jobs, filters, the queue, the watcher and lists with all fields, unmodified; and its own LUXI
client, in several threads.
"""

import json
import re
from pathlib import Path

from tests.interop.ganeti import NODE, Output, SandboxTestCase

INSTANCE = "inst1.sandbox.test"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
THREADS = 8
JOBS = 10


class JobToolTests(SandboxTestCase):
    """
    Tests on a one-node sandbox with the fake hypervisor.
    """

    def ran(self, name: str, *arguments: str) -> str:
        """
        What a tool prints that must succeed.
        """
        output = self.tool(name, *arguments)
        self.assertEqual((output.code, output.err), (0, ""), f"{name} {arguments}: {output.out}")
        return output.out

    def failed(self, name: str, *arguments: str) -> Output:
        """
        The output of a tool that must fail, in Ganeti's way.
        """
        output = self.tool(name, *arguments)
        self.assertNotIn("Traceback", output.err)
        self.assertEqual(output.code, 1, output.out + output.err)
        return output

    def job(self, seconds: str, *arguments: str) -> str:
        """
        Submit a delay; gives its number.
        """
        output = self.tool("gnt-debug", "delay", "--submit", *arguments, seconds)
        found = re.fullmatch(r"JobID: (\d+)\n", output.err)
        assert output.code == 0 and found is not None, output
        return found.group(1)

    def fields(self, name: str) -> list[str]:
        """
        All fields of a tool's objects, from the tool itself.
        """
        lines = self.ran(name, "list-fields", "--no-headers", "--separator=|").splitlines()
        return [line.split("|")[0] for line in lines]

    def test_archive(self) -> None:
        """
        C{gnt-job archive} puts a job away once; C{autoarchive} all that have ended, and says how many.
        """
        first, second = self.job("0.01"), self.job("0.01")
        for each in (first, second):
            self.tool("gnt-job", "wait", each)
        self.ran("gnt-job", "archive", first)
        self.assertIn("Failed to archive", self.tool("gnt-job", "archive", first).err)
        self.assertNotIn(first, [line.split()[0] for line in self.ran("gnt-job", "list").splitlines()])
        self.assertIn("Archived 0 jobs", self.ran("gnt-job", "autoarchive", "1h"))
        self.assertRegex(self.ran("gnt-job", "autoarchive", "all"), r"Archived [1-9]\d* jobs, 0 unchecked")
        listed = self.ran("gnt-job", "list", "--no-headers", "--archived", "-o", "id,status,archived")
        self.assertIn([first, "success", "Y"], [line.split() for line in listed.splitlines()])

    def test_priority(self) -> None:
        """
        C{gnt-job change-priority} changes a job's priority, also of one that waits for another.
        """
        running = self.job("60")
        answer = self.ran("gnt-job", "change-priority", "--priority=high", running)
        self.assertIn(f"Priorities of pending opcodes for job {running} have been changed to -10", answer)
        self.assertEqual(
            self.ran("gnt-job", "list", "--no-headers", "-o", "id,priority", running).split(),
            [running, "-10"],
        )
        self.ran("gnt-job", "cancel", "--kill", "--yes-do-it", running)
        self.tool("gnt-job", "wait", running)
        self.failed("gnt-job", "change-priority", "--priority=low", running)

    def test_filters(self) -> None:
        """
        C{gnt-filter} adds, lists, describes, replaces and deletes filters, and they hold jobs back.
        """
        predicates = '[["opcode", ["==", "OP_ID", "OP_TEST_DELAY"]], ["jobid", [">", "id", "watermark"]]]'
        uuid = self.ran(
            "gnt-filter", "add", "--priority=3", "--action=PAUSE", f"--predicates={predicates}"
        ).strip()
        self.assertRegex(uuid, f"^{UUID}$")
        listed = self.ran("gnt-filter", "list", "--no-headers", "--separator=|", "-o", "uuid,priority,action")
        self.assertEqual(listed, f"{uuid}|3|PAUSE\n")
        text = self.ran("gnt-filter", "info", uuid)
        self.assertIn(f"UUID: {uuid}\n  Watermark: ", text)
        self.assertIn("'OP_TEST_DELAY'", text)
        held = self.job("0.01")
        self.assertEqual(self.ran("gnt-job", "list", "--no-headers", held).split()[:2], [held, "queued"])
        replaced = self.ran("gnt-filter", "replace", "--action=RATE_LIMIT 1", uuid)
        self.assertEqual(replaced.strip(), uuid)
        self.tool("gnt-job", "wait", held)
        self.assertEqual(self.ran("gnt-job", "list", "--no-headers", held).split()[:2], [held, "success"])
        self.ran("gnt-filter", "delete", uuid)
        self.assertIn("unknown_entity", self.failed("gnt-filter", "delete", uuid).err)

    def test_rejecting_filter(self) -> None:
        """
        A job that a filter rejects is cancelled as soon as it is submitted.
        """
        reasoned = '--predicates=[["reason", ["=~", "reason", "^maintenance"]]]'
        uuid = self.ran("gnt-filter", "add", "--action=REJECT", reasoned).strip()
        rejected = self.job("60", "--reason=maintenance of switch 5")
        self.tool("gnt-job", "wait", rejected)
        self.assertEqual(
            self.ran("gnt-job", "list", "--no-headers", rejected).split()[:2], [rejected, "canceled"]
        )
        self.ran("gnt-filter", "delete", uuid)

    def test_queue(self) -> None:
        """
        C{gnt-cluster queue} drains and opens the queue; a drained one takes no jobs.
        """
        self.assertEqual(self.ran("gnt-cluster", "queue", "info"), "The drain flag is unset\n")
        self.ran("gnt-cluster", "queue", "drain")
        self.assertEqual(self.ran("gnt-cluster", "queue", "info"), "The drain flag is set\n")
        self.assertIn("Queue drained", self.failed("gnt-debug", "delay", "0.01").err)
        for _ in range(2):
            self.ran("gnt-cluster", "queue", "undrain")
        self.assertEqual(self.ran("gnt-cluster", "queue", "info"), "The drain flag is unset\n")

    def test_watcher(self) -> None:
        """
        C{gnt-cluster watcher} pauses the watcher for a time, and ends the pause.
        """
        self.assertIn("paused until", self.ran("gnt-cluster", "watcher", "pause", "10m"))
        self.assertIn("paused until", self.ran("gnt-cluster", "watcher", "info"))
        self.ran("gnt-cluster", "watcher", "continue")
        self.assertEqual(self.ran("gnt-cluster", "watcher", "info"), "The watcher is not paused.\n")

    def test_locks(self) -> None:
        """
        C{gnt-debug locks} shows who holds a lock and who waits for it.
        """
        holder, waiter = self.job("60", "-n", NODE), self.job("60", "-n", NODE)
        text = self.ran("gnt-debug", "locks", "-o", "name,mode,owner,pending")
        self.assertIn("cluster/BGL", text)
        self.assertIn(holder, text)
        for each in (waiter, holder):
            self.tool("gnt-job", "cancel", "--kill", "--yes-do-it", each)
            self.tool("gnt-job", "wait", each)

    def test_all_fields(self) -> None:
        """
        Instances, nodes, groups, jobs, networks and filters can be listed with every field there is.
        """
        added = self.tool(
            "gnt-instance", "add", "-t", "file", "--disk", "0:size=16m", "-o", "noop", "-n", NODE,
            "-B", "memory=128m", "--no-ip-check", "--no-name-check", INSTANCE,
        )  # fmt: skip
        self.assertEqual(added.code, 0, added.out + added.err)
        self.addCleanup(self.tool, "gnt-instance", "remove", "--force", "--shutdown-timeout=1", INSTANCE)
        for tool, named, least in (
            ("gnt-instance", INSTANCE, 120),
            ("gnt-node", NODE, 40),
            ("gnt-group", "default", 20),
            ("gnt-job", "1", 13),
        ):
            # The tool itself ends with a TypeError when it prints these, also for Ganeti's own daemon.
            names = [each for each in self.fields(tool) if each not in ("opstart", "opexec", "opend")]
            self.assertGreaterEqual(len(names), least, tool)
            lines = self.ran(tool, "list", "--separator=|", "-o", ",".join(names), named).splitlines()
            self.assertEqual(len(lines), 2, tool)
            row = dict(zip(names, lines[1].split("|"), strict=True))
            self.assertNotIn("??", row.values(), tool)
            self.assertEqual(row["id" if tool == "gnt-job" else "name"], named)
        for tool in ("gnt-network", "gnt-filter"):
            lines = self.ran(tool, "list", "-o", ",".join(self.fields(tool))).splitlines()
            self.assertEqual(len(lines), 1, tool)

    def test_all_fields_added(self) -> None:
        """
        C{-o +FIELDS} adds columns to the usual ones.
        """
        names = [each for each in self.fields("gnt-node") if each not in ("name", "dtotal")]
        [line] = self.ran(
            "gnt-node", "list", "--no-headers", "--separator=|", "-o", f"+{','.join(names)}"
        ).splitlines()
        self.assertEqual(len(line.split("|")), 8 + len(names))

    def test_exports(self) -> None:
        """
        C{gnt-backup list} has a line for the node.
        """
        lines = self.ran("gnt-backup", "list").splitlines()
        self.assertEqual(lines[0].split(), ["Node", "Export"])

    def test_luxi_client(self) -> None:
        """
        Ganeti's own client submits, waits and asks in several threads at once, and every job ends well.
        """
        share = self.ganeti / "root/usr/share/ganeti/3.0"
        script = Path(__file__).with_name("luxi_threads.py")
        python = str(self.ganeti / "python/bin/python")
        output = self.execute(
            [
                python,
                str(script),
                str(THREADS),
                str(JOBS),
            ],  # Its own directory has a module that is called as Ganeti's package is.
            {"PYTHONPATH": str(share), "PYTHONSAFEPATH": "1"},
        )
        self.assertEqual((output.code, output.err), (0, ""))
        found = json.loads(output.out)
        self.assertEqual(found, {str(index): ["success"] * JOBS for index in range(THREADS)})
