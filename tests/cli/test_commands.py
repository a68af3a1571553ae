"""
Tests for C{gnt}'s commands, against a server that plays a script.
"""

import msgspec

from gnttwist.errors import ECode, OpExecError, OpPrereqError, to_wire
from gnttwist.wire import luxi
from tests.cli.fake_cluster import CommandTestCase


class ListTests(CommandTestCase):
    """
    Tests for the commands that list.
    """

    def test_job_list(self) -> None:
        """
        Jobs are listed under their fields' titles.
        """
        self.answers["Query"] = self.table(
            {"id": "number", "status": "text", "summary": "other"},
            [1, "success", ["CLUSTER_POST_INIT"]],
            [12, "running", ["TEST_DELAY(3)"]],
        )
        self.assertEqual(
            self.gnt("job", "list").out.splitlines(),
            ["Id Status  Summary", " 1 success CLUSTER_POST_INIT", "12 running TEST_DELAY(3)"],
        )

    def test_named(self) -> None:
        """
        Names become a filter that the server can look up directly.
        """
        self.answers["Query"] = self.table({"name": "text"}, ["a"])
        self.gnt("instance", "list", "-o", "name", "a", "b")
        self.assertEqual(
            self.master.calls,
            [luxi.Query("instance", ["name"], ["|", ["==", "name", "a"], ["==", "name", "b"]])],
        )

    def test_json(self) -> None:
        """
        C{--json} gives objects, with null where there is no value.
        """
        self.answers["Query"] = self.table({"name": "text", "mfree": "unit"}, ["a", None], ["b", 5])
        output = self.gnt("node", "list", "--json", "-o", "name,mfree")
        self.assertEqual(
            msgspec.json.decode(output.out), [{"name": "a", "mfree": None}, {"name": "b", "mfree": 5}]
        )

    def test_help(self) -> None:
        """
        A command that is not whole prints what there is, and its exit code says that nothing was done; of one that
        is wrong a line begins with the command.
        """
        output = self.gnt("instance")
        self.assertEqual((output.code, output.out), (1, ""))
        self.assertTrue(output.err.startswith("Usage: gnt instance "), output.err)
        line = "gnt job list: No such option '-q' (see gnt job list --help)\n"
        self.assertEqual(self.fails("job", "list", "-q"), line)

    def test_units(self) -> None:
        """
        Sizes are printed in a unit that suits them, and missing data as a question mark.
        """
        self.answers["Query"] = self.table({"mfree": "unit"}, [100], [2048], [None])
        self.assertEqual(self.gnt("node", "list", "-o", "mfree").out.split(), ["Mfree", "100M", "2.0G", "?"])

    def test_unknown_field(self) -> None:
        """
        A field that there is not is an error that names it.
        """
        self.answers["Query"] = self.table({"name": "text"})
        self.assertIn("nosuch", self.fails("node", "list", "-o", "name,nosuch"))

    def test_locks(self) -> None:
        """
        Locks are listed with holders and waiters.
        """
        self.answers["Query"] = self.table(
            {"name": "other", "mode": "other", "owner": "other", "since": "timestamp", "pending": "other"},
            ["instance/a", "exclusive", ["12"], 1795222510, [["shared", ["13"]]]],
        )
        self.assertRegex(
            self.gnt("debug", "locks").out, r"instance/a exclusive 12    2026-\S+ \S+ shared, 13"
        )

    def test_terminal_escapes(self) -> None:
        """
        Control characters in what a server says do not reach the terminal.
        """
        self.answers["Query"] = self.table({"name": "text"}, ["a\x1b[2J"])
        self.assertNotIn("\x1b", self.gnt("node", "list", "-o", "name").out)


class JobTests(CommandTestCase):
    """
    Tests for commands that submit jobs and follow them.
    """

    def test_delay(self) -> None:
        """
        A job's log is printed as it comes, and success is exit code 0.
        """
        self.job(None, ["one", "two"])
        output = self.gnt("debug", "delay", "0.5", "-n", "node1")
        self.assertEqual((output.code, output.out), (0, "one\ntwo\n"))
        op = self.submitted()
        self.assertEqual((op["OP_ID"], op["duration"], op["on_nodes"]), ("OP_TEST_DELAY", 0.5, ["node1"]))
        self.assertEqual(op["reason"][0][:2], ["gnt:client:gnt", "debug delay"])

    def test_submit(self) -> None:
        """
        C{--submit} prints the job's number and waits for nothing.
        """
        self.answers["SubmitJob"] = 17
        self.assertEqual(self.gnt("debug", "delay", "--submit", "5").out, "17\n")
        self.assertEqual(len(self.master.calls), 1)

    def test_failed_job(self) -> None:
        """
        A failed job's own error is the command's.
        """
        self.job(to_wire(OpExecError("the disk is on fire")), status="error")
        self.assertEqual(self.fails("debug", "delay", "1"), "gnt: the disk is on fire\n")

    def test_cancelled_job(self) -> None:
        """
        A cancelled job is not a success.
        """
        self.job(None, status="canceled")
        self.assertIn("cancelled", self.fails("job", "watch", "7"))

    def test_json_result(self) -> None:
        """
        With C{--json} only the results are printed.
        """
        self.job(["x"], ["a line"])
        output = self.gnt("debug", "delay", "--json", "1")
        self.assertEqual(msgspec.json.decode(output.out), {"job": 7, "results": [["x"]]})

    def test_refused(self) -> None:
        """
        What the server refuses is one line, in its words.
        """

        def refuse(call: luxi.Call) -> None:
            raise OpPrereqError("no such thing", ECode.NOENT)

        self.answers["SubmitJob"] = refuse
        self.assertEqual(self.fails("debug", "delay", "1"), "gnt: no such thing\n")

    def test_cancel(self) -> None:
        """
        Cancelling prints the server's sentence; not all cancelled is exit code 1.
        """
        self.answers["CancelJob"] = lambda call: [call.job_id == 1, f"about {call.job_id}"]
        self.assertEqual(self.gnt("job", "cancel", "1").code, 0)
        output = self.gnt("job", "cancel", "--kill", "1", "2")
        self.assertEqual((output.code, output.out, output.err), (1, "about 1\n", "about 2\n"))
        self.assertEqual(self.master.calls[-1], luxi.CancelJob(2, True))

    def test_no_such_job(self) -> None:
        """
        A job that is not there is an error.
        """
        self.answers["QueryJobs"] = lambda call: [[5, *[None] * (len(call.fields) - 1)]]
        self.assertEqual(self.fails("job", "info", "5"), "gnt: there is no job 5\n")

    def test_verify(self) -> None:
        """
        Verification follows the jobs that its own job has submitted, and their verdict is the exit code's.
        """
        for verdict, code in ((True, 0), (False, 1)):
            self.job({"jobs": [[True, 8]]})
            self.answers["QueryJobs"] = lambda call, verdict=verdict: [
                ["success", ["success"], [{"jobs": [[True, 8]]} if call.ids == [7] else verdict]]
            ]
            self.assertEqual(self.gnt("cluster", "verify").code, code)

    def test_os_list(self) -> None:
        """
        Usable operating systems are listed by variant.
        """
        self.job(
            [
                ["noop", [], False, False, True],
                ["tiny", ["a", "b"], False, False, True],
                ["old", [], False, True, True],
                ["broken", [], False, False, False],
            ]
        )
        self.assertEqual(self.gnt("os", "list").out.split(), ["Name", "noop", "tiny+a", "tiny+b"])
        self.assertEqual(
            [line.split(None, 1) for line in self.gnt("os", "list", "--all").out.splitlines()[3:]],
            [["tiny+b", "usable"], ["old", "blacklisted"], ["broken", "not usable on every node"]],
        )

    def test_os_info(self) -> None:
        """
        An OS is described with its parameters in small letters; a name that no node has is an error.
        """
        self.job(
            [
                [
                    "tiny",
                    True,
                    ["a"],
                    [["SIZE", "MiB"]],
                    [20],
                    True,
                    True,
                    False,
                    {"kvm": {"acpi": False}},
                    {"size": "9"},
                ]
            ]
        )
        output = self.gnt("os", "info", "tiny", "nope")
        self.assertEqual((output.code, output.err), (1, "gnt: no node has an OS nope\n"))
        self.assertIn("State: hidden", output.out)
        self.assertIn("  size: MiB", output.out)
        self.assertIn("    acpi: no", output.out)

    def test_os_diagnose(self) -> None:
        """
        What is wrong is told by node, and is an exit code.
        """
        wrong = ["/b", False, "create is missing", [], [], [], True]
        good = ["/a", True, "", ["x"], [], [15, 20], True]
        self.job([["tiny", False, [], {"n1": [wrong], "n2": [good, wrong], "n3": []}, False, False]])
        output = self.gnt("os", "diagnose")
        self.assertEqual(output.code, 1)
        self.assertEqual(
            [line.split(None, 3)[1:] for line in output.out.splitlines()[1:]],
            [
                ["n1", "/b", "invalid: create is missing"],
                ["n2", "/a", "valid (API 15, 20; x)"],
                ["n2", "/b", "hidden by the one above; invalid: create is missing"],
                ["n3", "-", "missing"],
            ],
        )

    def test_os_modify(self) -> None:
        """
        States and defaults become changes of the cluster; what is not said stays.
        """
        self.job(None)
        self.assertIn("nothing to change", self.fails("os", "modify", "tiny"))
        self.gnt("os", "modify", "tiny", "--hidden", "yes", "-H", "kvm:acpi=no", "-O", "size=9")
        [submitted] = [each for each in self.master.calls if isinstance(each, luxi.SubmitJob)]
        [op] = submitted.ops
        self.assertEqual(op["hidden_os"], [["add", "tiny"]])
        self.assertEqual(op["os_hvp"], {"tiny": {"kvm": {"acpi": False}}})
        self.assertEqual(op["osparams"], {"tiny": {"size": "9"}})
        self.assertNotIn("blacklisted_os", op)


class InstanceTests(CommandTestCase):
    """
    Tests for C{gnt instance}.
    """

    def added(self, *arguments: str) -> dict[str, object]:
        """
        The opcode of C{gnt instance add} with these arguments.
        """
        self.job(["node1"])
        output = self.gnt("instance", "add", *arguments)
        self.assertEqual(output.code, 0, output.err)
        return self.submitted()

    def test_add(self) -> None:
        """
        Options become the opcode's parameters, sizes in MiB.
        """
        op = self.added(
            "-t", "file", "--disk", "1:size=1g", "--disk", "0:size=64m,mode=ro", "-o", "tinylinux+x", "-n", "node1",
            "-H", "kvm:acpi=false,boot_order=disk", "-B", "memory=1g,vcpus=2", "-O", "a=b", "--no-nics", "--no-start",
            "inst1",
        )  # fmt: skip
        expected = {
            "OP_ID": "OP_INSTANCE_CREATE",
            "instance_name": "inst1",
            "mode": "create",
            "disk_template": "file",
            "disks": [{"size": 64, "mode": "ro"}, {"size": 1024}],
            "nics": [],
            "os_type": "tinylinux+x",
            "pnode": "node1",
            "hypervisor": "kvm",
            "hvparams": {"acpi": False, "boot_order": "disk"},
            "beparams": {"minmem": 1024, "maxmem": 1024, "vcpus": 2},
            "osparams": {"a": "b"},
            "start": False,
            "no_install": False,
        }
        self.assertEqual({name: op[name] for name in expected}, expected)

    def test_add_short(self) -> None:
        """
        C{-s} is short for one disk, and one network interface is the default.
        """
        op = self.added("-t", "sharedfile", "-s", "1.5g", "-o", "noop", "inst1")
        self.assertEqual((op["disks"], op["nics"]), ([{"size": 1536}], [{}]))

    def test_contradictions(self) -> None:
        """
        Options that contradict each other, or cannot be read, are refused before anything is submitted.
        """
        for arguments in (
            ["-t", "diskless", "-s", "1g"],
            ["-t", "file", "-s", "1g", "--disk", "0:size=1g"],
            ["-t", "file", "--disk", "1:size=1g"],
            ["-t", "file", "--disk", "0:size=big"],
            ["-t", "diskless", "--no-nics", "--net", "0:mac=auto"],
            ["-o", "noop"],
        ):
            self.fails("instance", "add", *arguments, "inst1")
        self.assertEqual(self.master.calls, [])

    def test_several(self) -> None:
        """
        Each instance has a job of its own, and all are queued before the first is followed.
        """
        self.job(None)
        self.gnt("instance", "start", "a", "b")
        names = [type(call).__name__ for call in self.master.calls]
        self.assertEqual(names[:3], ["SubmitJob", "SubmitJob", "WaitForJobChange"])

    def test_several_failures(self) -> None:
        """
        One failure does not hide another.
        """
        self.job(to_wire(OpExecError("no")), status="error")
        self.assertEqual(self.fails("instance", "stop", "a", "b"), "gnt: a: no; b: no\n")

    def test_remove_asks(self) -> None:
        """
        Nothing is destroyed unless it is meant.
        """
        output = self.gnt("instance", "remove", "a")
        self.assertNotEqual(output.code, 0)
        self.assertEqual(self.master.calls, [])
        self.job(None)
        self.assertEqual(self.gnt("instance", "remove", "-f", "a").code, 0)
        self.assertEqual(self.submitted()["instance_name"], "a")

    def test_console_of_stopped(self) -> None:
        """
        A guest that does not run has no console.
        """
        self.answers["Query"] = self.table(
            dict.fromkeys(["name", "pnode", "hypervisor", "console"], "text") | {"oper_state": "bool"},
            ["inst1", "node1", "kvm", False, None],
        )
        self.assertIn("inst1 is not running", self.fails("instance", "console", "inst1"))


class EntryTests(CommandTestCase):
    """
    Tests for what all commands share.
    """

    def test_usage(self) -> None:
        """
        A wrong command line is one line that says where to look.
        """
        self.assertIn("gnt job --help", self.fails("job", "nosuch"))
        self.assertIn("gnt debug delay --help", self.fails("debug", "delay", "soon"))

    def test_internal_error(self) -> None:
        """
        Even a bug of ours is one line.
        """
        self.answers["QueryClusterInfo"] = 5
        self.assertIn("internal error", self.fails("cluster", "info"))

    def test_bad_root(self) -> None:
        """
        A node that does not run a master is named.
        """
        self.root = self.root / "nosuch"
        self.assertIn("nosuch", self.fails("cluster", "info"))

    def test_cluster_info(self) -> None:
        """
        The cluster's description is printed member by member, long ones on request.
        """
        self.answers["QueryClusterInfo"] = {
            "name": "c",
            "tags": [],
            "ctime": 1.5,
            "hvparams": {"kvm": {"acpi": True}},
        }
        self.assertNotIn("acpi", self.gnt("cluster", "info").out)
        out = self.gnt("cluster", "info", "--all").out
        self.assertIn("name: c\ntags: -\n", out)
        self.assertIn("hvparams:\n  kvm:\n    acpi: yes\n", out)
