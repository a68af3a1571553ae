"""
Ganeti 3.0.2's own C{gnt-node}, unmodified, against a sandbox of three nodes.

What it prints is the tool's own, from what queries and opcodes answer.
"""

from gnttwist.sandbox.processes import wait_until
from tests.interop.ganeti import Output, SandboxTestCase

ONE, TWO, THREE = NODES = tuple(f"node{number}.sandbox.test" for number in (1, 2, 3))


class NodeToolTests(SandboxTestCase):
    """
    Tests for C{gnt-node}. Each leaves the nodes as they were, but for the last.
    """

    nodes = 3

    def ran(self, *arguments: str) -> str:
        """
        What a command that must succeed prints.
        """
        output = self.tool("gnt-node", *arguments)
        self.assertEqual((output.code, output.err), (0, ""), f"{arguments}: {output.out}")
        return output.out

    def refused(self, *arguments: str) -> Output:
        """
        A command that must fail without a traceback.
        """
        output = self.tool("gnt-node", *arguments)
        self.assertNotEqual(output.code, 0, output.out)
        self.assertNotIn("Traceback", output.err)
        return output

    def told(self, *fields: str) -> list[list[str]]:
        """
        Fields of all nodes.
        """
        wanted = ",".join(fields)
        out = self.ran("list", "--no-headers", "--separator=|", "-o", wanted)
        return [line.split("|") for line in out.splitlines()]

    def test_list(self) -> None:
        """
        Nodes and their roles.
        """
        self.assertEqual(self.told("name", "role"), [[ONE, "M"], [TWO, "C"], [THREE, "C"]])

    def test_info(self) -> None:
        """
        C{info} tells a node's addresses, flags and parameters.
        """
        lines = [line.strip() for line in self.ran("info", TWO).splitlines()]
        self.assertEqual(lines[0], f"- Node name: {TWO}")
        for line in ("drained: False", "master candidate: True", "spindle_count: default (1)"):
            self.assertIn(line, lines)

    def test_modify(self) -> None:
        """
        C{modify} changes roles, capabilities and parameters, and prints what it has changed.
        """
        self.assertEqual(
            self.ran("modify", "--drained=yes", TWO).splitlines(),
            [f"Modified node {TWO}", " - master_candidate -> False", " - drained -> True"],
        )
        self.assertEqual(self.told("name", "role")[1], [TWO, "D"])
        self.ran("modify", "--drained=no", TWO)
        self.assertEqual(self.told("name", "role")[1], [TWO, "C"])
        self.ran("modify", "--offline=yes", TWO)
        self.assertEqual(self.told("name", "role")[1], [TWO, "O"])
        self.ran("modify", "--offline=no", "--force", TWO)
        self.ran("modify", "--node-parameters", "spindle_count=3", TWO)
        self.assertEqual(self.told("name", "ndp/spindle_count")[1], [TWO, "3"])
        self.ran("modify", "--node-parameters", "spindle_count=default", TWO)
        self.assertEqual(self.told("name", "ndp/spindle_count")[1], [TWO, "1"])

    def test_modify_refused(self) -> None:
        """
        The master's role, unknown nodes and parameters are refused with Ganeti's codes.
        """
        self.assertIn("wrong_input", self.refused("modify", "--offline=yes", ONE).err)
        self.assertIn("unknown_entity", self.refused("modify", "--drained=yes", "nosuch").err)
        self.assertIn("error", self.refused("modify", "--node-parameters", "colour=red", TWO).err)
        self.assertIn("at least one", self.refused("modify", TWO).err)

    def test_tags(self) -> None:
        """
        Tags are added, listed and removed.
        """
        self.ran("add-tags", TWO, "rack:1", "fast")
        self.assertEqual(self.ran("list-tags", TWO).split(), ["fast", "rack:1"])
        self.ran("remove-tags", TWO, "rack:1", "fast")
        self.assertNotIn("fast", self.ran("list-tags", TWO))

    def test_storage(self) -> None:
        """
        C{list-storage} shows each node's directory.
        """
        out = self.ran("list-storage", "--no-headers", "--separator=|", "-o", "node,type,name,allocatable")
        rows = [line.split("|") for line in out.splitlines()]
        self.assertEqual(rows, [[each, "file", "/srv/ganeti/file-storage", "Y"] for each in NODES])
        self.refused("list-storage", "--storage-type=lvm-vg")

    def test_restricted_command(self) -> None:
        """
        A restricted command that does not exist is told, in the tool's way.
        """
        assert self.directory is not None
        commands = self.directory / "s" / TWO / "etc/ganeti/restricted-commands"
        commands.mkdir(mode=0o755)
        (commands / "hello").write_text("#!/bin/sh\necho hello\n")
        (commands / "hello").chmod(0o755)
        self.assertIn("hello", self.ran("restricted-command", "hello", TWO))

    def test_redistribution(self) -> None:
        """
        C{gnt-cluster redist-conf} mends a file that a node has lost.
        """
        assert self.directory is not None
        file = self.directory / "s" / TWO / "var/lib/ganeti/ssconf_node_list"
        file.unlink()
        output = self.tool("gnt-cluster", "redist-conf")
        self.assertEqual((output.code, output.err), (0, ""), output.out)
        self.assertTrue(wait_until(file.exists, 20))

    def test_evacuate(self) -> None:
        """
        C{evacuate}, C{failover} and C{migrate} move an instance whose disks other nodes see.
        """
        made = self.tool(
            "gnt-instance",
            *("add", "-t", "sharedfile", "--disk", "0:size=64M", "-n", TWO, "-o", "noop"),
            *("--no-name-check", "--no-ip-check", "moving"),
        )
        self.assertEqual((made.code, made.err), (0, ""), made.out)
        self.ran("evacuate", "-f", "-p", "-I", "hail", TWO)
        [now] = [name for name, there in self.told("name", "pinst_list") if there == "moving"]
        self.assertNotEqual(now, TWO)
        self.ran("failover", "-f", now)
        self.assertNotIn([now, "moving"], self.told("name", "pinst_list"))
        [now] = [name for name, there in self.told("name", "pinst_list") if there == "moving"]
        self.ran("migrate", "-f", "-I", "hail", now)
        self.assertNotIn([now, "moving"], self.told("name", "pinst_list"))
        removed = self.tool("gnt-instance", "remove", "-f", "moving")
        self.assertEqual((removed.code, removed.err), (0, ""), removed.out)

    def test_refused(self) -> None:
        """
        What this version cannot do is refused in one line.
        """
        self.assertIn("virtual cluster", self.refused("powercycle", "--yes", TWO).err)
        self.assertIn("oob_program", self.refused("power", "status", TWO).err)
        self.assertIn("not supported", self.refused("volumes").err)

    def test_zz_remove(self) -> None:
        """
        A node is removed; the master is not.
        """
        self.assertIn("wrong_input", self.refused("remove", ONE).err)
        self.ran("remove", THREE)
        self.assertEqual(self.told("name"), [[ONE], [TWO]])
