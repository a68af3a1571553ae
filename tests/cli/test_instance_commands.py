"""
Tests for C{gnt instance}: the commands that change instances.
"""

from typing import Any

import msgspec

from gnttwist.cli.instance_info import FIELDS
from gnttwist.cli.parameters import item_change
from gnttwist.wire import luxi
from tests.cli.fake_cluster import CommandTestCase, Output


class InstanceCommandTestCase(CommandTestCase):
    """
    Commands that submit one opcode.
    """

    def opcode(self, *arguments: str, result: Any = None) -> dict[str, Any]:
        """
        The opcode that C{gnt instance} submits, without what all have.
        """
        self.job(result)
        self.master.calls.clear()
        self.output: Output = self.gnt("instance", *arguments)
        self.assertEqual(self.output.code, 0, self.output.err)
        op = self.submitted()
        del op["reason"]
        return op


class ModifyTests(InstanceCommandTestCase):
    """
    Tests for C{gnt instance modify} and its relatives.
    """

    def test_parameters(self) -> None:
        """
        Options become the opcode's parameters; what changed is printed.
        """
        op = self.opcode(
            "modify", "-B", "memory=1g,vcpus=default", "-H", "acpi=false", "-O", "a=b", "-m", "512m", "--offline",
            "web", result=[["be/vcpus", "default"], ["os/a", "b"]],
        )  # fmt: skip
        expected = {
            "instance_name": "web",
            "beparams": {"minmem": 1024, "maxmem": 1024, "vcpus": "default"},
            "hvparams": {"acpi": False},
            "osparams": {"a": "b"},
            "runtime_mem": 512,
            "offline": True,
        }
        self.assertEqual({name: op[name] for name in expected}, expected)
        self.assertEqual(self.output.out, "be/vcpus: default\nos/a: b\n")

    def test_devices(self) -> None:
        """
        Disks and interfaces are named as Ganeti's tools name them.
        """
        op = self.opcode(
            "modify", "--disk", "add:size=2g", "--disk", "0:mode=ro", "--net", "-1:remove", "--net", "1:add,ip=none",
            "web", "--online",
        )  # fmt: skip
        self.assertEqual(op["disks"], [["add", -1, {"size": 2048}], ["modify", 0, {"mode": "ro"}]])
        self.assertEqual(op["nics"], [["remove", -1, {}], ["add", 1, {"ip": "none"}]])
        self.assertEqual(op["offline"], False)

    def test_items(self) -> None:
        """
        Every form of naming an item and what to do with it is read; others are refused.
        """
        for text, expected in (
            ("add", ["add", -1, {}]),
            ("remove", ["remove", -1, {}]),
            ("data:remove", ["remove", "data", {}]),
            ("3:modify,name=x", ["modify", 3, {"name": "x"}]),
            ("0:name=add", ["modify", 0, {"name": "add"}]),
        ):
            self.assertEqual(item_change(text, "disk"), expected)
        for text in ("", ":add", "add:remove", "0:add,remove", "0:remove,name=x", "remove:name=x"):
            self.assertIn("--disk", self.fails("instance", "modify", "web", "--disk", text))

    def test_nothing(self) -> None:
        """
        A change of nothing is refused before it is submitted.
        """
        self.assertIn("what shall be changed", self.fails("instance", "modify", "web"))
        self.assertEqual(self.master.calls, [])

    def test_rename(self) -> None:
        """
        The new name is told.
        """
        op = self.opcode("rename", "web", "mail", result="mail.example.com")
        self.assertEqual((op["instance_name"], op["new_name"]), ("web", "mail"))
        self.assertIn("mail.example.com", self.output.out)

    def test_reinstall(self) -> None:
        """
        Data is lost only when that is meant.
        """
        self.assertIn("say -f", self.fails("instance", "reinstall", "web"))
        op = self.opcode("reinstall", "-f", "-o", "noop", "-O", "a=b", "--os-parameters-secret", "k=v", "web")
        expected = {"os_type": "noop", "osparams": {"a": "b"}, "osparams_secret": {"k": "v"}}
        self.assertEqual({name: op[name] for name in expected}, expected)
        self.assertNotIn("osparams_private", op)

    def test_failover(self) -> None:
        """
        A guest is interrupted only when that is meant.
        """
        self.assertIn("say -f", self.fails("instance", "failover", "web"))
        op = self.opcode("failover", "-f", "-n", "node2", "--ignore-consistency", "web")
        self.assertEqual((op["target_node"], op["ignore_consistency"]), ("node2", True))
        self.assertIn("one of the two", self.fails("instance", "failover", "-n", "a", "-I", "hail", "web"))

    def test_migrate(self) -> None:
        """
        A guest is moved only when that is meant; the mode has two names.
        """
        self.assertIn("say -f", self.fails("instance", "migrate", "web"))
        op = self.opcode("migrate", "-f", "-n", "node2", "--non-live", "--allow-failover", "web")
        self.assertEqual((op["target_node"], op["mode"], op["allow_failover"]), ("node2", "non-live", True))
        self.assertIn("one of the two", self.fails("instance", "migrate", "-n", "a", "-I", "hail", "web"))
        both = ("--non-live", "--migration-mode", "live")
        self.assertIn("one of the two", self.fails("instance", "migrate", *both, "web"))

    def test_dry_run(self) -> None:
        """
        A dry run is the opcode's own, and needs no confirmation.
        """
        for arguments in (["remove", "web"], ["reinstall", "web"], ["start", "web"], ["rename", "a", "b"]):
            self.assertTrue(self.opcode(*arguments, "--dry-run")["dry_run"])

    def test_submit(self) -> None:
        """
        C{--submit} prints the number only.
        """
        self.opcode("grow-disk", "web", "0", "1g", "--submit")
        self.assertEqual(self.output.out, "7\n")


class DiskTests(InstanceCommandTestCase):
    """
    Tests for the commands about disks.
    """

    def test_grow(self) -> None:
        """
        The amount has a unit, and may be the new size.
        """
        op = self.opcode("grow-disk", "web", "1", "1.5g", "--absolute")
        expected = {"instance_name": "web", "disk": 1, "amount": 1536, "absolute": True}
        self.assertEqual({name: op[name] for name in expected}, expected)
        self.assertIn("big", self.fails("instance", "grow-disk", "web", "1", "big"))

    def test_activate(self) -> None:
        """
        Where the disks are is printed as Ganeti's tool does.
        """
        self.opcode("activate-disks", "web", result=[["node1", "disk/0", "/srv/x"]])
        self.assertEqual(self.output.out, "node1:disk/0:/srv/x\n")
        self.assertTrue(self.opcode("deactivate-disks", "-f", "web")["force"])

    def test_recreate(self) -> None:
        """
        Disks are named by number, with what shall be different.
        """
        op = self.opcode("recreate-disks", "web", "--disk", "0", "--disk", "2:size=1g", "-n", "node2")
        self.assertEqual(op["disks"], [[0, {}], [2, {"size": 1024}]])
        self.assertEqual(op["nodes"], ["node2"])
        self.assertIn("number", self.fails("instance", "recreate-disks", "web", "--disk", "x"))


class SelectionTests(InstanceCommandTestCase):
    """
    Tests for choosing many instances.
    """

    def chosen(self, *arguments: str) -> tuple[Any, list[str]]:
        """
        The filter that is asked for, and the instances that are stopped.
        """
        self.job(None)
        self.master.calls.clear()
        self.answers["Query"] = self.table({"name": "text"}, ["a"], ["b"])
        output = self.gnt("instance", "stop", *arguments)
        self.assertEqual(output.code, 0, output.err)
        [query] = [each for each in self.master.calls if isinstance(each, luxi.Query)]
        ops = [each.ops[0] for each in self.master.calls if isinstance(each, luxi.SubmitJob)]
        return query.filter, [each["instance_name"] for each in ops]

    def test_modes(self) -> None:
        """
        All, those on nodes, and those with tags.
        """
        sure = "--force-multiple"
        self.assertEqual(self.chosen("--all", sure), (None, ["a", "b"]))
        self.assertEqual(self.chosen("--primary", "n1", sure)[0], ["|", ["==", "pnode", "n1"]])
        self.assertEqual(
            self.chosen("--tags", "x", "y", sure)[0], ["|", ["=[]", "tags", "x"], ["=[]", "tags", "y"]]
        )
        self.assertIn(["=[]", "snodes", "n1"], self.chosen("--node", "n1", sure)[0])

    def test_asks(self) -> None:
        """
        Many are not stopped unless that is meant; and somebody has to be meant.
        """
        self.answers["Query"] = self.table({"name": "text"}, ["a"])
        self.assertIn("--force-multiple", self.fails("instance", "stop", "--all"))
        self.assertIn("which instances", self.fails("instance", "stop"))
        self.assertIn("takes no names", self.fails("instance", "stop", "--all", "a"))
        self.assertIn("of what", self.fails("instance", "stop", "--node"))
        self.answers["Query"] = self.table({"name": "text"})
        self.assertIn("no such instances", self.fails("instance", "stop", "--all"))

    def test_reboot(self) -> None:
        """
        The type of reboot is hard unless told.
        """
        self.assertEqual(self.opcode("reboot", "web")["reboot_type"], "hard")
        op = self.opcode("reboot", "-t", "soft", "--shutdown-timeout", "5", "web")
        self.assertEqual((op["reboot_type"], op["shutdown_timeout"]), ("soft", 5))


class InfoTests(CommandTestCase):
    """
    Tests for C{gnt instance info}.
    """

    def test_shown(self) -> None:
        """
        Times are dates, sizes have units, and disks and interfaces come one by one.
        """
        values: dict[str, Any] = dict.fromkeys(FIELDS)
        values |= {"name": "web.example.com", "ctime": 0.5, "disk.sizes": [1536], "disk.names": [None]}
        values |= {"nic.macs": ["aa:00:00:00:00:01"], "nic.ips": ["192.0.2.7"], "hvparams": {"acpi": True}}
        kinds = dict.fromkeys(FIELDS, "text") | {"ctime": "timestamp"}
        others = ("hvparams", "disk.sizes", "disk.names", "nic.macs", "nic.ips")
        self.answers["Query"] = self.table(kinds | dict.fromkeys(others, "other"), [*values.values()])
        output = self.gnt("instance", "info", "web")
        self.assertEqual(output.code, 0, output.err)
        self.assertRegex(output.out, r"ctime: (1970-01-01|1969-12-31) \d\d:\d\d:00\.500\n")
        self.assertIn("disks:\n  disk/0:\n    size: 1.5G\n", output.out)
        self.assertIn("  nic/0:\n    MAC: aa:00:00:00:00:01\n    IP: 192.0.2.7\n", output.out)
        self.assertIn("hvparams:\n  acpi: yes\n", output.out)
        found = msgspec.json.decode(self.gnt("instance", "info", "--json", "web").out)
        self.assertEqual(found[0]["disk.sizes"], [1536])

    def test_missing(self) -> None:
        """
        An instance that is not there is named, and nobody is meant by nothing.
        """
        self.answers["Query"] = self.table(dict.fromkeys(FIELDS, "text"))
        self.assertIn("there is no instance web", self.fails("instance", "info", "web"))
        self.assertIn("which instances", self.fails("instance", "info"))


class BatchTests(CommandTestCase):
    """
    Tests for C{gnt instance batch-create}.
    """

    def created(self, content: str, *options: str) -> Output:
        """
        Run it on a file of this content.
        """
        file = self.root / "instances.json"
        file.write_text(content)
        return self.gnt("instance", "batch-create", "-I", "hail", *options, str(file))

    def test_follows(self) -> None:
        """
        The file's objects become opcodes, and the jobs that they lead to are followed.
        """
        self.job({"jobs": [[True, 8], [False, "no"]], "allocatable": ["a", "b"], "failed": ["c"]})
        output = self.created('[{"instance_name": "a", "disk_template": "diskless"}]')
        op = self.submitted()
        self.assertEqual((op["OP_ID"], op["iallocator"]), ("OP_INSTANCE_MULTI_ALLOC", "hail"))
        [instance] = op["instances"]
        self.assertEqual((instance["OP_ID"], instance["mode"]), ("OP_INSTANCE_CREATE", "create"))
        self.assertEqual(output.err, "gnt: c: it fits nowhere; b: no\n")
        waited = [call.job_id for call in self.master.calls if isinstance(call, luxi.WaitForJobChange)]
        self.assertIn(8, waited)

    def test_forms(self) -> None:
        """
        JSON is all that is printed where it is asked for; a dry run tells what there is room for.
        """
        content = '[{"instance_name": "a", "disk_template": "diskless"}]'
        self.job({"jobs": [[True, 8]], "allocatable": ["a"], "failed": []}, ["a line"])
        found = msgspec.json.decode(self.created(content, "--json").out)
        self.assertEqual(found, {"allocatable": ["a"], "jobs": [8], "failed": []})
        self.job({"jobs": [], "allocatable": ["a"], "failed": []})
        self.assertEqual(self.created(content, "--dry-run").out, "a: there is room for it\n")
        self.assertEqual(self.created(content, "--submit").out, "7\n")

    def test_bad_files(self) -> None:
        """
        A file that is none, or has something else in it, is one line.
        """
        for content in ("", "{}", "[1]", '[{"os_type": "noop"}]'):
            output = self.created(content)
            self.assertEqual((output.code, output.err.count("\n")), (1, 1), output.err)
        self.assertEqual(self.master.calls, [])
        self.fails("instance", "batch-create", "/nonexistent")
