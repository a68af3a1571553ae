"""
Ganeti 3.0.2's own C{gnt-cluster}, C{gnt-group} and C{gnt-network}, unmodified, against a sandbox of three nodes.

What they print is the tools' own, from what queries and opcodes answer.
"""

from tests.interop.ganeti import NODE, Output, SandboxTestCase

THREE = "node3.sandbox.test"
BOUNDS = (
    "min:cpu-count=1,disk-count=0,disk-size=4,memory-size=16,nic-count=0,spindle-use=1"
    "/max:cpu-count=9,disk-count=16,disk-size=1048576,memory-size=32768,nic-count=8,spindle-use=12"
)
SMALL = (
    "min:cpu-count=1,disk-count=0,disk-size=4,memory-size=16,nic-count=0,spindle-use=1"
    "/max:cpu-count=1,disk-count=1,disk-size=512,memory-size=64,nic-count=1,spindle-use=1"
)


class ClusterToolTests(SandboxTestCase):
    """
    Tests for tools about the cluster as a whole. Each leaves it as it was.
    """

    nodes = 3

    def ran(self, name: str, *arguments: str) -> str:
        """
        What a command that must succeed prints.
        """
        output = self.tool(name, *arguments)
        self.assertEqual((output.code, output.err), (0, ""), f"{name} {arguments}: {output.out}")
        return output.out

    def refused(self, name: str, *arguments: str) -> Output:
        """
        A command that must fail without a traceback.
        """
        output = self.tool(name, *arguments)
        self.assertNotEqual(output.code, 0, output.out)
        self.assertNotIn("Traceback", output.err)
        return output

    def lines(self, name: str, *arguments: str) -> list[str]:
        """
        The lines that a command prints, without their indentation.
        """
        return [line.strip() for line in self.ran(name, *arguments).splitlines()]

    def rows(self, name: str, fields: str, *names: str) -> list[list[str]]:
        """
        What C{list} tells of some fields.
        """
        out = self.ran(name, "list", "--no-headers", "--separator=|", "-o", fields, *names)
        return [line.split("|") for line in out.splitlines()]

    def test_describe(self) -> None:
        """
        The cluster tells its name, its master and its version.
        """
        self.assertEqual(self.ran("gnt-cluster", "getmaster"), f"{NODE}\n")
        self.assertIn("Software version: 3.0.2", self.lines("gnt-cluster", "version"))
        told = self.lines("gnt-cluster", "info")
        for line in (
            "Cluster name: cluster.sandbox.test",
            f"Master node: {NODE}",
            "Default hypervisor: fake",
        ):
            self.assertIn(line, told)
        self.assertIn("cpu-count=1", self.ran("gnt-cluster", "show-ispecs-cmd"))

    def test_modify(self) -> None:
        """
        Parameters are changed, and C{info} tells them.
        """
        self.ran("gnt-cluster", "modify", "--candidate-pool-size=9", "-B", "memory=256,vcpus=2")
        told = self.lines("gnt-cluster", "info")
        for line in ("candidate pool size: 9", "maxmem: 256", "minmem: 256", "vcpus: 2"):
            self.assertIn(line, told)
        self.ran("gnt-cluster", "modify", "--ipolicy-bounds-specs", BOUNDS, "--ipolicy-vcpu-ratio=3")
        self.assertIn("cpu-count: 9", self.lines("gnt-cluster", "info"))
        self.ran("gnt-cluster", "modify", "--candidate-pool-size=10", "-B", "memory=128,vcpus=1")

    def test_modify_refused(self) -> None:
        """
        What cannot be is refused in words, with Ganeti's code.
        """
        for wrong in (
            ("--enabled-disk-templates", "file,nosuch"),
            ("--mac-prefix", "zz:zz"),
            ("-H", "fake:migration_mode=sideways"),
        ):
            self.assertIn("wrong_input", self.refused("gnt-cluster", "modify", *wrong).err)

    def test_verify(self) -> None:
        """
        All is well, also in one group alone and among the disks.
        """
        self.assertNotIn("ERROR", self.ran("gnt-cluster", "verify"))
        self.assertNotIn(
            "ERROR", self.ran("gnt-cluster", "verify", "--error-codes", "--node-group", "default")
        )
        self.assertIn("No disks need to be activated.", self.lines("gnt-cluster", "verify-disks"))

    def test_disks(self) -> None:
        """
        The size that a disk has is written down, and the cluster is not given up while there is an instance or a
        node.
        """
        self.ran(
            *("gnt-instance", "add", "-t", "file", "--disk=0:size=64M", "-n", NODE, "-o", "noop"),
            *("--no-nics", "--no-name-check", "--no-ip-check", "swollen"),
        )
        assert self.directory is not None
        storage = self.directory / "s" / NODE / "srv/ganeti/file-storage/swollen"
        [disk] = [each for each in storage.rglob("*") if each.is_file()]
        with disk.open("r+b") as file:
            file.truncate(80 << 20)
        self.ran("gnt-cluster", "repair-disk-sizes", "swollen")
        self.assertEqual(self.rows("gnt-instance", "disk.sizes"), [["80"]])
        self.assertIn("wrong_input", self.refused("gnt-cluster", "destroy", "--yes-do-it").err)
        disk.unlink()
        self.assertIn("swollen", self.refused("gnt-cluster", "verify-disks").out)
        self.ran("gnt-instance", "remove", "-f", "swollen")

    def test_name_and_address(self) -> None:
        """
        The cluster is renamed and named back. Its address is the master's own, so that there is nothing to bring up
        and it cannot be taken down.
        """
        self.ran("gnt-cluster", "rename", "-f", "other.sandbox.test")
        self.assertIn("Cluster name: other.sandbox.test", self.lines("gnt-cluster", "info"))
        self.ran("gnt-cluster", "rename", "-f", "cluster.sandbox.test")
        self.assertIn("wrong_input", self.refused("gnt-cluster", "rename", "-f", "cluster.sandbox.test").err)
        self.ran("gnt-cluster", "activate-master-ip")
        self.assertIn("wrong_state", self.refused("gnt-cluster", "deactivate-master-ip", "--yes").err)

    def test_simulated(self) -> None:
        """
        Errors can be simulated and, by their codes, be made warnings.
        """
        output = self.refused("gnt-cluster", "verify", "--debug-simulate-errors", "--error-codes")
        self.assertIn("ERROR:ENODEVERSION:node:", output.out)
        output = self.refused(
            *("gnt-cluster", "verify", "--debug-simulate-errors", "--error-codes"),
            *("--ignore-errors", "ENODEVERSION"),
        )
        self.assertIn("WARNING:ENODEVERSION:node:", output.out)
        self.assertNotIn("ERROR:ENODEVERSION", output.out)

    def test_tags(self) -> None:
        """
        Tags of the cluster, of groups and of networks are added, found and removed.
        """
        self.ran("gnt-network", "add", "--network=203.0.113.0/28", "tagged")
        for tool, path, name in (
            ("gnt-cluster", "/cluster", ()),
            ("gnt-group", "/nodegroup/default", ("default",)),
            ("gnt-network", "/network/tagged", ("tagged",)),
        ):
            self.ran(tool, "add-tags", *name, "site:a", "b")
            self.assertEqual(self.ran(tool, "list-tags", *name).split(), ["b", "site:a"])
            self.assertIn(f"{path} site:a", self.lines("gnt-cluster", "search-tags", "^site"))
            self.ran(tool, "remove-tags", *name, "site:a", "b")
            self.assertNotIn("site:a", self.ran(tool, "list-tags", *name))
        self.refused("gnt-cluster", "remove-tags", "nosuch")
        self.refused("gnt-cluster", "search-tags", "(")
        self.ran("gnt-network", "remove", "tagged")

    def test_queue(self) -> None:
        """
        A drained queue takes no jobs.
        """
        self.ran("gnt-cluster", "queue", "drain")
        self.assertIn("is set", self.ran("gnt-cluster", "queue", "info"))
        self.assertIn("drained", self.refused("gnt-cluster", "add-tags", "late").err)
        self.ran("gnt-cluster", "queue", "undrain")
        self.assertIn("is unset", self.ran("gnt-cluster", "queue", "info"))

    def test_groups(self) -> None:
        """
        A group is added, changed, renamed, given a node, evacuated, and removed when it has no nodes.
        """
        self.ran(
            "gnt-group", "add", "--alloc-policy=last_resort", "--node-parameters", "spindle_count=2", "blue"
        )
        fields = "name,node_cnt,alloc_policy,ndp/spindle_count"
        self.assertEqual(
            self.rows("gnt-group", fields),
            [["blue", "0", "last_resort", "2"], ["default", "3", "preferred", "1"]],
        )
        self.ran("gnt-group", "modify", "--alloc-policy=unallocable", "--ipolicy-vcpu-ratio=2", "blue")
        # Ranges without the cluster's standard instance, which is the cluster's alone.
        self.ran("gnt-group", "modify", "--ipolicy-bounds-specs", SMALL, "blue")
        self.ran("gnt-group", "rename", "blue", "green")
        self.assertEqual(self.rows("gnt-group", fields, "green"), [["green", "0", "unallocable", "2"]])
        told = self.lines("gnt-group", "info", "green")
        self.assertEqual(told[0], "- Node group: green")
        self.assertIn("spindle_count: 2", told)
        self.ran("gnt-group", "assign-nodes", "green", THREE)
        self.assertEqual(self.rows("gnt-group", "node_list", "green"), [[THREE]])
        self.assertIn("wrong_state", self.refused("gnt-group", "remove", "green").err)
        self.assertNotIn("ERROR", self.ran("gnt-cluster", "verify"))
        add = ("add", "-t", "diskless", "-n", THREE, "-o", "noop", "-B", "memory=64M")
        self.ran("gnt-instance", *add, "--no-name-check", "--no-ip-check", "leaving")
        evacuated = self.ran("gnt-group", "evacuate", "--to", "default", "green")
        self.assertIn("All instances evacuated successfully.", evacuated)
        self.assertNotEqual(self.rows("gnt-instance", "pnode", "leaving"), [[THREE]])
        self.ran("gnt-instance", "remove", "-f", "leaving")
        self.ran("gnt-group", "assign-nodes", "default", THREE)
        self.ran("gnt-group", "remove", "green")
        self.assertEqual(self.rows("gnt-group", "name"), [["default"]])

    def test_groups_refused(self) -> None:
        """
        Unknown groups and names that are taken are refused with Ganeti's codes.
        """
        self.assertIn("already_exists", self.refused("gnt-group", "add", "default").err)
        for command in (
            ("remove", "nosuch"),
            ("rename", "nosuch", "other"),
            ("assign-nodes", "nosuch", THREE),
            ("evacuate", "nosuch"),
        ):
            self.assertIn("unknown_entity", self.refused("gnt-group", *command).err)

    def test_networks(self) -> None:
        """
        A network is added, connected, changed, disconnected and removed, and its addresses are counted.
        """
        self.ran(
            *("gnt-network", "add", "--network=198.51.100.0/28", "--gateway=198.51.100.1"),
            *("--add-reserved-ips=198.51.100.5", "--mac-prefix=aa:01:02", "lan"),
        )
        fields = "name,network,gateway,mac_prefix,free_count,reserved_count,map"
        self.assertEqual(
            self.rows("gnt-network", fields),
            [["lan", "198.51.100.0/28", "198.51.100.1", "aa:01:02", "12", "4", "XX...X.........X"]],
        )
        self.ran("gnt-network", "connect", "--nic-parameters=mode=routed,link=100", "lan", "default")
        told = self.lines("gnt-network", "info", "lan")
        for line in ("Network name: lan", "Gateway: 198.51.100.1", "Free: 12 (75.00%)"):
            self.assertIn(line, told)
        self.assertIn("default (mode:routed link:100 vlan:)", told)
        self.ran("gnt-network", "modify", "--remove-reserved-ips=198.51.100.5", "lan")
        self.ran("gnt-network", "modify", "--gateway=198.51.100.2", "lan")
        self.assertEqual(self.rows("gnt-network", "gateway,map"), [["198.51.100.2", "X.X............X"]])
        self.assertIn("wrong_state", self.refused("gnt-network", "remove", "lan").err)
        self.ran("gnt-network", "disconnect", "lan", "default")
        self.ran("gnt-network", "remove", "lan")
        self.assertEqual(self.rows("gnt-network", "name"), [])

    def test_networks_refused(self) -> None:
        """
        Ranges that are none and unknown networks are refused with Ganeti's codes.
        """
        self.assertIn(
            "wrong_input", self.refused("gnt-network", "add", "--network=198.51.100.0/40", "bad").err
        )
        self.assertIn(
            "wrong_input",
            self.refused("gnt-network", "add", "--network=198.51.100.0/28", "--gateway=192.0.2.1", "bad").err,
        )
        self.assertIn("unknown_entity", self.refused("gnt-network", "remove", "nosuch").err)
