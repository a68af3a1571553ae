"""
Ganeti 3.0.2's own command-line tools, unmodified, against a sandbox.

What they should print is taken from the tools themselves and from answers recorded from Ganeti's own daemons, not
from our output.
"""

import re

from gnttwist.client.luxi import LuxiClient
from tests.interop.ganeti import NODE, Output, SandboxTestCase


def columns(output: Output) -> list[list[str]]:
    """
    A table's words, line by line.
    """
    return [line.split() for line in output.out.splitlines()]


class ToolTests(SandboxTestCase):
    """
    Tests for the tools on a one-node sandbox with the fake hypervisor.
    """

    def ran(self, name: str, *arguments: str) -> Output:
        """
        Run a tool that must succeed.
        """
        output = self.tool(name, *arguments)
        self.assertEqual((output.code, output.err), (0, ""), f"{name} {arguments}: {output.out}")
        return output

    def submitted(self, *arguments: str) -> str:
        """
        Submit a job with C{gnt-debug delay} and return its number.
        """
        output = self.tool("gnt-debug", "delay", "--submit", *arguments)
        found = re.fullmatch(r"JobID: (\d+)\n", output.err)
        assert output.code == 0 and found is not None, output
        return found.group(1)

    def test_job_list(self) -> None:
        """
        C{gnt-job list} shows the job that every cluster begins with.
        """
        lines = columns(self.ran("gnt-job", "list"))
        self.assertEqual(lines[0], ["ID", "Status", "Summary"])
        self.assertIn(["1", "success", "CLUSTER_POST_INIT"], lines)

    def test_job_list_all_fields(self) -> None:
        """
        Times and states of opcodes can be listed, in the form that Ganeti's fields have.
        """
        lines = self.ran(
            "gnt-job", "list", "--separator=|", "-o", "id,status,priority,opstatus,received_ts,end_ts", "1"
        )
        self.assertRegex(
            lines.out.splitlines()[1], r"^1\|success\|0\|\['success'\]\|\[\d+, \d+\]\|\[\d+, \d+\]$"
        )

    def test_job_list_filter(self) -> None:
        """
        A filter expression selects jobs.
        """
        self.ran("gnt-debug", "delay", "0.01")
        lines = columns(self.ran("gnt-job", "list", "--no-headers", "-F", 'status == "success" and id < 2'))
        self.assertEqual(lines, [["1", "success", "CLUSTER_POST_INIT"]])

    def test_job_info(self) -> None:
        """
        C{gnt-job info} tells a job's times, opcodes and results.
        """
        text = self.ran("gnt-job", "info", "1").out
        for expected in ("Job ID: 1", "Status: success", "Opcode: OP_CLUSTER_POST_INIT", "Result: True"):
            self.assertIn(expected, text)
        self.assertRegex(text, r"Received: +\d{4}-\d\d-\d\d")

    def test_job_watch(self) -> None:
        """
        C{gnt-job watch} follows a job to its end.
        """
        job = self.submitted("0.2")
        text = self.ran("gnt-job", "watch", job).out
        self.assertIn(f"Output from job {job} follows", text)

    def test_job_cancel_finished(self) -> None:
        """
        A finished job cannot be cancelled, and the tool says so with exit code 1.
        """
        output = self.tool("gnt-job", "cancel", "--force", "1")
        self.assertNotIn("Traceback", output.err)
        self.assertEqual(output.code, 1)

    def test_job_cancel_waiting(self) -> None:
        """
        A job that waits for another is cancelled, and shows as canceled.
        """
        delay = {"OP_ID": "OP_TEST_DELAY", "duration": 3600.0}
        assert self.directory is not None
        with LuxiClient(self.directory / "s" / NODE / "var/run/ganeti/socket/ganeti-query") as client:
            jobs = client.call("SubmitManyJobs", [[delay], [{**delay, "depends": [[-1, []]]}]])
        blocked, queued = (str(job) for _, job in jobs)
        self.ran("gnt-job", "cancel", "--force", queued)
        lines = columns(self.ran("gnt-job", "list", "--no-headers", queued))
        self.assertEqual(lines[0][:2], [queued, "canceled"])
        self.ran("gnt-job", "cancel", "--kill", "--yes-do-it", blocked)

    def test_job_cancel_running(self) -> None:
        """
        A running job is ended with C{--kill}.
        """
        job = self.submitted("3600")
        self.ran("gnt-job", "cancel", "--kill", "--yes-do-it", job)
        self.tool("gnt-job", "wait", job)
        lines = columns(self.ran("gnt-job", "list", "--no-headers", job))
        self.assertIn(lines[0][1], ("canceled", "error"))

    def test_cluster_info(self) -> None:
        """
        C{gnt-cluster info} reads every member that it needs.
        """
        text = self.ran("gnt-cluster", "info").out
        self.assertRegex(text, r"Cluster name: \S+")
        self.assertIn(f"Master node: {NODE}", text)
        self.assertIn("Default hypervisor: fake", text)
        self.assertIn("Architecture (this node): 64bits (x86_64)", text)

    def test_cluster_version(self) -> None:
        """
        C{gnt-cluster version} shows Ganeti 3.0's formats.
        """
        text = self.ran("gnt-cluster", "version").out
        self.assertIn("Internode protocol: 3000000", text)
        self.assertIn("Configuration format: 3000000", text)
        self.assertIn("OS api version: 20", text)

    def test_cluster_getmaster(self) -> None:
        """
        C{gnt-cluster getmaster} names the master.
        """
        self.assertEqual(self.ran("gnt-cluster", "getmaster").out.strip(), NODE)

    def test_cluster_verify(self) -> None:
        """
        C{gnt-cluster verify} runs its jobs and finds a new cluster in order.
        """
        output = self.tool("gnt-cluster", "verify")
        self.assertEqual(output.code, 0, output.out + output.err)
        self.assertRegex(output.out, r"Submitted jobs \d+, \d+")
        self.assertIn("* Verifying cluster config", output.out)
        self.assertNotIn("ERROR", output.out)

    def test_node_list(self) -> None:
        """
        C{gnt-node list} shows the node with its memory and disk.
        """
        lines = columns(self.ran("gnt-node", "list"))
        self.assertEqual(lines[0], ["Node", "DTotal", "DFree", "MTotal", "MNode", "MFree", "Pinst", "Sinst"])
        self.assertEqual(lines[1][0], NODE)
        self.assertEqual(lines[1][6:], ["0", "0"])
        for value in lines[1][1:6]:
            self.assertRegex(value, r"^\d+(\.\d+)?[MGT]$")

    def test_node_list_all_fields(self) -> None:
        """
        All fields of a node can be asked for at once.
        """
        lines = self.ran(
            "gnt-node", "list", "--separator=|", "-o", "name,role,group,pip,sip,master,bootid,ctotal"
        )
        self.assertRegex(
            lines.out.splitlines()[1],
            rf"^{NODE}\|M\|default\|127\.[\d.]+\|127\.[\d.]+\|Y\|[0-9a-f-]{{36}}\|\d+$",
        )

    def test_node_unknown(self) -> None:
        """
        An unknown node is an error in Ganeti's words.
        """
        output = self.tool("gnt-node", "list", "nosuch")
        self.assertEqual(output.code, 1)
        self.assertIn("Node name nosuch not found", output.err)
        self.assertIn("unknown_entity", output.err)

    def test_group_list(self) -> None:
        """
        C{gnt-group list} shows the initial group.
        """
        lines = columns(self.ran("gnt-group", "list"))
        self.assertEqual(lines[0][:4], ["Group", "Nodes", "Instances", "AllocPolicy"])
        self.assertEqual(lines[1][:4], ["default", "1", "0", "preferred"])

    def test_os_list(self) -> None:
        """
        C{gnt-os list} shows the OS definitions of every sandbox.
        """
        lines = columns(self.ran("gnt-os", "list"))
        self.assertEqual(lines[0], ["Name"])
        self.assertIn(["noop"], lines)
        self.assertTrue(any(line[0].startswith("tinylinux") for line in lines[1:]), lines)

    def test_debug_delay(self) -> None:
        """
        C{gnt-debug delay} runs a job to its end, on the master and on a node.
        """
        self.ran("gnt-debug", "delay", "0.1")
        self.ran("gnt-debug", "delay", "--no-master", "-n", NODE, "0.1")

    def test_instance_life(self) -> None:
        """
        C{gnt-instance} adds, lists, stops, starts and removes an instance.
        """
        name = "inst1.sandbox.test"
        added = self.tool(
            "gnt-instance", "add", "-t", "file", "--disk", "0:size=16m", "-o", "noop", "-n", NODE,
            "-B", "memory=128m", "--no-ip-check", "--no-name-check", name,
        )  # fmt: skip
        self.assertEqual(added.code, 0, added.out + added.err)
        lines = columns(self.ran("gnt-instance", "list"))
        self.assertEqual(lines[0], ["Instance", "Hypervisor", "OS", "Primary_node", "Status", "Memory"])
        self.assertEqual(lines[1], [name, "fake", "noop", NODE, "running", "128M"])
        self.ran("gnt-instance", "shutdown", name)
        self.assertEqual(
            columns(self.ran("gnt-instance", "list", "--no-headers", "-o", "name,status,admin_state")),
            [[name, "ADMIN_down", "down"]],
        )
        self.ran("gnt-instance", "startup", name)
        self.ran("gnt-instance", "remove", "--force", "--shutdown-timeout=1", name)
        self.assertEqual(columns(self.ran("gnt-instance", "list", "--no-headers")), [])
