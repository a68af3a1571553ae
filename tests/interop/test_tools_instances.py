"""
Ganeti 3.0.2's own C{gnt-instance}, unmodified, against a sandbox of three nodes: an instance's whole life.

What it prints is the tool's own, from what the opcodes answer.
"""

import json

from tests.interop.ganeti import Output, SandboxTestCase

NODES = ("node1.sandbox.test", "node2.sandbox.test", "node3.sandbox.test")
UNCHECKED = ("--no-name-check", "--no-ip-check")


class InstanceToolTests(SandboxTestCase):
    """
    Tests for C{gnt-instance} with the fake hypervisor. Each has instances of its own.
    """

    nodes = 3

    def ran(self, *arguments: str) -> str:
        """
        What a command that must succeed prints.
        """
        output = self.tool("gnt-instance", *arguments)
        self.assertEqual((output.code, output.err), (0, ""), f"{arguments}: {output.out}")
        return output.out

    def refused(self, *arguments: str) -> Output:
        """
        A command that must fail without a traceback.
        """
        output = self.tool("gnt-instance", *arguments)
        self.assertNotEqual(output.code, 0, output.out)
        self.assertNotIn("Traceback", output.err)
        return output

    def added(self, name: str, *arguments: str) -> None:
        """
        Make a small instance on the second node.
        """
        self.ran(
            "add",
            "-t",
            "file",
            "--disk",
            "0:size=64M",
            "-n",
            NODES[1],
            "-o",
            "noop",
            *UNCHECKED,
            *arguments,
            name,
        )

    def told(self, name: str, *fields: str) -> list[str]:
        """
        Fields of an instance.
        """
        wanted = ",".join(fields)
        out = self.ran("list", "--no-headers", "--separator=|", "-o", wanted, name)
        return out.strip().split("|")

    def test_reboot(self) -> None:
        """
        Every type of reboot leaves the instance running; one that is down is started.
        """
        self.added("reboot1")
        for kind in ("soft", "hard", "full"):
            self.ran("reboot", "-t", kind, "reboot1")
            self.assertEqual(self.told("reboot1", "status"), ["running"])
        self.ran("shutdown", "reboot1")
        self.ran("reboot", "reboot1")
        self.assertEqual(self.told("reboot1", "status"), ["running"])

    def test_info(self) -> None:
        """
        C{info} reads every member that it needs, of one instance and of all, with what nodes say and without.
        """
        self.added("info1", "-B", "memory=256M", "--net", "0:ip=192.0.2.5")
        text = self.ran("info", "info1")
        for expected in (
            "Instance name: info1",
            "State: configured to be up, actual state is up",
            f"primary: {NODES[1]}",
            "Operating system: noop",
            "maxmem: 256",
            "IP: 192.0.2.5",
            "disk/0: file, size 64M",
            "on primary: /srv/ganeti/file-storage/info1/",
        ):
            self.assertIn(expected, text)
        self.assertRegex(text, r"Creation time: \d{4}-\d\d-\d\d")
        self.assertIn("configured to be up\n", self.ran("info", "--static", "info1"))
        self.assertIn("Instance name: info1", self.ran("info", "--all"))
        self.assertIn("info2", self.refused("info", "info2").err)

    def test_modify(self) -> None:
        """
        Parameters, disks and interfaces are changed, and the tool tells what changed.
        """
        self.added("modify1")
        out = self.ran("modify", "-B", "memory=256M,vcpus=2", "modify1")
        self.assertRegex(out, r" - be/maxmem +-> 256\n")
        self.assertEqual(self.told("modify1", "be/maxmem", "be/vcpus"), ["256", "2"])
        out = self.ran("modify", "--net", "add:ip=192.0.2.6", "--disk", "add:size=32M,mode=ro", "modify1")
        self.assertIn("add:size=32,mode=ro", out)
        self.assertEqual(self.told("modify1", "nic.count", "disk.sizes"), ["2", "64,32"])
        self.ran("modify", "--net", "1:modify,mac=generate", "--net", "0:remove", "modify1")
        self.ran("modify", "-B", "memory=default", "modify1")
        self.refused("modify", "--disk", "1:remove", "modify1")
        self.ran("shutdown", "modify1")
        self.ran("modify", "--disk", "1:remove", "modify1")
        self.assertEqual(
            self.told("modify1", "nic.ips", "disk.sizes", "be/maxmem"), ["192.0.2.6", "64", "128"]
        )
        self.ran("modify", "--offline", "modify1")
        self.assertEqual(self.told("modify1", "status"), ["ADMIN_offline"])
        self.refused("startup", "modify1")
        self.ran("modify", "--online", "modify1")
        self.ran("startup", "modify1")

    def test_memory(self) -> None:
        """
        A running instance's memory changes within its limits.
        """
        self.added("memory1", "-B", "minmem=128M,maxmem=512M")
        self.ran("modify", "-m", "200M", "memory1")
        self.assertEqual(self.told("memory1", "oper_ram"), ["200"])
        self.assertIn("between minmem", self.refused("modify", "-m", "1G", "memory1").err)

    def test_disks(self) -> None:
        """
        Disks grow, are activated, deactivated, and made anew where they are lost.
        """
        self.added("disks1")
        self.ran("grow-disk", "disks1", "0", "32M")
        self.assertEqual(self.told("disks1", "disk.sizes"), ["96"])
        self.ran("grow-disk", "--absolute", "disks1", "0", "128M")
        self.assertEqual(self.told("disks1", "disk.sizes"), ["128"])
        self.ran("shutdown", "disks1")
        [line] = self.ran("activate-disks", "disks1").splitlines()
        node, disk, path = line.split(":")
        self.assertEqual((node, disk), (NODES[1], "disk/0"))
        assert self.directory is not None
        file = self.directory / "s" / NODES[1] / path.removeprefix("/")
        self.assertEqual(file.stat().st_size, 128 << 20)
        self.ran("deactivate-disks", "disks1")
        self.refused("recreate-disks", "disks1")
        file.unlink()
        self.refused("startup", "disks1")
        self.ran("recreate-disks", "--disk", "0:size=64M", "disks1")
        self.ran("startup", "disks1")
        self.assertEqual(file.stat().st_size, 64 << 20)

    def test_rename(self) -> None:
        """
        A stopped instance gets another name, and is installed anew.
        """
        self.added("rename1")
        self.refused("rename", "rename1", "rename2")
        self.ran("shutdown", "rename1")
        self.ran("rename", "rename1", "rename2")
        self.assertEqual(self.told("rename2", "status"), ["ADMIN_down"])
        self.ran("reinstall", "-f", "rename2")
        self.refused("reinstall", "-f", "-o", "nosuch", "rename2")
        self.ran("startup", "rename2")

    def test_many(self) -> None:
        """
        Several are stopped, started and rebooted at once, chosen by name or by node.
        """
        for name in ("many1", "many2"):
            self.ran("add", "-t", "diskless", "-n", NODES[2], "-o", "noop", *UNCHECKED, name)
        self.ran("shutdown", "--force-multiple", "many1", "many2")
        self.assertEqual(self.told("many1", "status"), ["ADMIN_down"])
        self.ran("startup", "--node", "--force-multiple", NODES[2])
        self.ran("reboot", "--primary", "--force-multiple", NODES[2])
        for name in ("many1", "many2"):
            self.assertEqual(self.told(name, "status"), ["running"])

    def test_batch(self) -> None:
        """
        C{batch-create} makes the instances of a file where the allocator wants them.
        """
        assert self.directory is not None
        file = self.directory / "batch.json"
        usual = {"mode": "create", "disk_template": "diskless", "disks": [], "nics": [{}], "os_type": "noop"}
        checks = {"name_check": False, "ip_check": False}
        file.write_text(json.dumps([{**usual, **checks, "instance_name": f"batch{n}"} for n in range(3)]))
        out = self.ran("batch-create", "-I", "hail", str(file))
        self.assertIn("All instances created successfully.", out)
        self.assertEqual(self.told("batch2", "status"), ["running"])

    def test_console(self) -> None:
        """
        Guests of the fake hypervisor have no console, and the tool says so.
        """
        self.added("console1")
        output = self.tool("gnt-instance", "console", "console1")
        self.assertIn("console", output.out + output.err)
        self.assertNotIn("Traceback", output.err)

    def test_failover(self) -> None:
        """
        An instance on shared disks goes to another node, named or chosen; one on its node's own disks does not.
        """
        self.ran(
            "add",
            "-t",
            "sharedfile",
            "--disk",
            "0:size=64M",
            "-n",
            NODES[0],
            "-o",
            "noop",
            *UNCHECKED,
            "away1",
        )
        self.ran("failover", "-f", "-n", NODES[2], "away1")
        self.assertEqual(self.told("away1", "pnode", "status"), [NODES[2], "running"])
        self.ran("failover", "-f", "-I", "hail", "away1")
        pnode, status = self.told("away1", "pnode", "status")
        self.assertNotEqual(pnode, NODES[2])
        self.assertEqual(status, "running")
        self.added("away2")
        self.assertIn("alone", self.refused("failover", "-f", "-n", NODES[2], "away2").err)

    def test_migrate(self) -> None:
        """
        C{migrate} moves a running instance to a named or a chosen node; one that is down it fails over if it may.
        """
        self.added("moves1")
        self.ran("shutdown", "moves1")
        self.ran("modify", "-t", "sharedfile", "moves1")
        self.assertEqual(self.told("moves1", "disk_template"), ["sharedfile"])
        self.assertIn("marked down", self.refused("migrate", "-f", "-n", NODES[2], "moves1").err)
        self.ran("migrate", "-f", "--allow-failover", "-n", NODES[0], "moves1")
        self.ran("startup", "moves1")
        self.ran("migrate", "-f", "-n", NODES[2], "moves1")
        self.assertEqual(self.told("moves1", "pnode", "status"), [NODES[2], "running"])
        self.ran("migrate", "-f", "--non-live", "-I", "hail", "moves1")
        pnode, status = self.told("moves1", "pnode", "status")
        self.assertNotEqual(pnode, NODES[2])
        self.assertEqual(status, "running")
        self.ran("migrate", "-f", "--cleanup", "moves1")

    def test_tags(self) -> None:
        """
        Tags are added, listed and removed.
        """
        self.added("tags1", "--tags", "one")
        self.ran("add-tags", "tags1", "two", "three")
        self.assertEqual(self.ran("list-tags", "tags1").split(), ["one", "three", "two"])
        self.ran("remove-tags", "tags1", "two")
        self.assertEqual(self.ran("list-tags", "tags1").split(), ["one", "three"])

    def test_unsupported(self) -> None:
        """
        What is not supported is one error that names it.
        """
        self.added("other1")
        for opcode, arguments in (
            ("OP_INSTANCE_MOVE", ["move", "-f", "-n", NODES[2], "other1"]),
            ("OP_INSTANCE_REPLACE_DISKS", ["replace-disks", "-p", "other1"]),
        ):
            self.assertIn(f"{opcode} is not supported", self.refused(*arguments).err)
