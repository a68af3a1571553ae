"""
Tests for L{gnttwist.functions.node}, L{gnttwist.functions.verify} and L{gnttwist.functions.table}.
"""

import contextlib
import hashlib
import inspect
import os

from gnttwist.functions.arguments import VIRTUAL
from gnttwist.functions.facts import node_facts
from gnttwist.functions.node import bridges_exist, master_node_name, missing_bridges, node_info
from gnttwist.functions.registry import FunctionError
from gnttwist.functions.table import functions
from gnttwist.functions.verify import CHECKS, node_verify
from gnttwist.wire.calls import FUNCTIONS
from tests.functions.context import NODE, NodeTestCase

GOLDEN_UNIT = {"type", "name", "storage_size", "storage_free"}
GOLDEN_HYPERVISOR = {
    "memory_total",
    "memory_dom0",
    "memory_free",
    "cpu_total",
    "cpu_dom0",
    "cpu_nodes",
    "cpu_sockets",
}
"""
The members that a node daemon of Ganeti 3.0.2 answered; its master refuses others.
"""


class TableTests(NodeTestCase):
    """
    Tests for the table of functions.
    """

    def test_complete(self) -> None:
        """
        Every function that can be called has code, and no other has.
        """
        self.assertEqual(set(functions()), set(FUNCTIONS))

    def test_agreed(self) -> None:
        """
        The code takes the table's arguments by their names, and returns the table's type.
        """
        for name, code in functions().items():
            told = inspect.signature(code)
            self.assertEqual(list(told.parameters)[1:], list(FUNCTIONS[name].arguments), name)
            self.assertEqual(told.return_annotation, FUNCTIONS[name].result, name)


class NodeInfoTests(NodeTestCase):
    """
    Tests for C{node_info} and other facts.
    """

    def test_shape(self) -> None:
        """
        The answer has the members that Ganeti's has, and no others.
        """
        boot, units, hypervisors = node_info(
            self.context, [["file", "/srv/ganeti/file-storage", []]], [["fake", {}]]
        )
        self.assertRegex(boot, "^[0-9a-f-]{36}$")
        self.assertEqual([set(each) for each in units], [GOLDEN_UNIT])
        self.assertEqual([set(each) for each in hypervisors], [GOLDEN_HYPERVISOR])
        self.assertTrue(0 < units[0]["storage_free"] <= units[0]["storage_size"])
        self.assertEqual(node_info(self.context, None, None), [boot, None, None])

    def test_unsupported_unit(self) -> None:
        """
        A storage unit of a kind that is not supported has no numbers, and a path elsewhere is refused.
        """
        _, units, _ = node_info(self.context, [["lvm-vg", "xenvg", [False]]], [])
        self.assertEqual(
            units, [{"type": "lvm-vg", "name": "xenvg", "storage_size": None, "storage_free": None}]
        )
        self.assertRaises(FunctionError, node_info, self.context, [["file", "/etc", []]], [])

    def test_facts(self) -> None:
        """
        Memory is what the kernel says, in MiB, and caches count as free.
        """
        meminfo, cpuinfo = self.root / "meminfo", self.root / "cpuinfo"
        meminfo.write_text(
            "MemTotal: 2048000 kB\nMemFree: 1024 kB\nBuffers: 2048 kB\nCached: 4096 kB\nActive: 8192 kB\n"
        )
        cpuinfo.write_text("processor\t: 0\nmodel name: x\n\nprocessor\t: 1\n")
        found = node_facts(meminfo, cpuinfo)
        self.assertEqual((found.memory_total, found.memory_free, found.memory_dom0), (2000, 7, 8))
        self.assertEqual(found.cpu_total, 2)
        self.assertRaises(FunctionError, node_facts, cpuinfo, cpuinfo)
        self.assertRaises(FunctionError, node_facts, self.root / "nope", cpuinfo)

    def test_master(self) -> None:
        """
        The master is whom the simple configuration names.
        """
        self.assertRaises(FunctionError, master_node_name, self.context)
        self.context.paths.ssconf("master_node").write_text("node7.example.com\n")
        self.assertEqual(master_node_name(self.context), "node7.example.com")

    def test_bridges(self) -> None:
        """
        Missing bridges are named as Ganeti names them.
        """
        (self.root / "br0/bridge").mkdir(parents=True)
        (self.root / "eth0").mkdir()
        self.assertEqual(missing_bridges(["br0", "eth0", "nobr"], self.root), ["eth0", "nobr"])
        reason = self.assertRaises(FunctionError, bridges_exist, self.context, ["nobr"])
        self.assertEqual(str(reason), "Missing bridges nobr")
        self.assertRaises(FunctionError, bridges_exist, self.context, ["../../x"])


class VerifyTests(NodeTestCase):
    """
    Tests for C{node_verify}.
    """

    def test_well(self) -> None:
        """
        Each key that is asked for is answered in Ganeti's form.
        """
        ssconf = self.context.paths.ssconf("cluster_name")
        ssconf.write_text("cluster.example.com\n")
        answer = node_verify(
            self.context,
            {
                "version": None,
                "time": None,
                "hypervisor": ["fake"],
                "oslist": None,
                "filelist": ["/var/lib/ganeti/ssconf_cluster_name", "/var/lib/ganeti/hmac.key"],
                "instancelist": ["fake"],
                "hvparms": [["cluster", "fake", {}], ["instance x", "fake", {"nope": 1}]],
                "nodelist": [[], {}, []],
                "node-net-test": [[], []],
                "file-storage-path": "/srv/ganeti/file-storage",
                "bridges": ["nobr"],
                "drbd-helper": None,
                "client-cert": None,
                "nonvmnodes": [],
            },
            "cluster.example.com",
            {"fake": {}},
        )
        seconds, micro = answer.pop("time")
        self.assertGreater(seconds, 1_600_000_000)
        self.assertTrue(0 <= micro < 1_000_000)
        self.assertIn("client.pem", answer.pop("client-cert")[0])
        self.assertEqual(
            answer,
            {
                "version": [3000000, "3.0.2"],
                "hypervisor": {"fake": None},
                "oslist": [],
                "filelist": {
                    "/var/lib/ganeti/ssconf_cluster_name": hashlib.sha1(b"cluster.example.com\n").hexdigest()
                },
                "instancelist": [],
                "hvparms": [["instance x", "fake", "Unknown parameters of the fake hypervisor: nope"]],
                "nodelist": {},
                "node-net-test": {},
                "bridges": ["nobr"],
                "drbd-helper": [False, "DRBD is not supported by this node"],
            },
        )

    def test_certificate(self) -> None:
        """
        The digest of the node's certificate is told as lists of candidates have it.
        """
        (self.root / "var/lib/ganeti/client.pem").write_text(
            "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n"
        )
        answer = node_verify(self.context, {"client-cert": None}, "c", {})
        digest = hashlib.sha1(b"abc").hexdigest().upper()
        self.assertEqual(answer["client-cert"][1].replace(":", ""), digest)

    def test_wrong_storage(self) -> None:
        """
        A file storage path outside of the allowed trees is told, and so is an allowed tree that cannot be meant.
        """
        (self.root / "etc/ganeti/file-storage-paths").write_text("/usr\n/data\nrelative\n")
        answer = node_verify(
            self.context, {"shared-file-storage-path": "/etc", "allowed-file-storage-paths": NODE}, "c", {}
        )
        self.assertIn("/etc", answer["shared-file-storage-path"])
        self.assertEqual(answer["allowed-file-storage-paths"], ["/usr", "relative"])

    def test_fifo(self) -> None:
        """
        A file that would make its reader wait is taken for missing.
        """
        os.mkfifo(self.root / "var/lib/ganeti/hmac.key")
        answer = node_verify(self.context, {"filelist": ["/var/lib/ganeti/hmac.key"]}, "c", {})
        self.assertEqual(answer, {"filelist": {}})

    def test_other_files(self) -> None:
        """
        Only the files that masters compare have digests, and not what a link in their place leads to.
        """
        (self.root / "var/lib/ganeti/hmac.key").symlink_to("/etc/hostname")
        answer = node_verify(self.context, {"filelist": ["/var/lib/ganeti/hmac.key"]}, "c", {})
        self.assertEqual(answer, {"filelist": {}})
        for path in (
            "/etc/shadow",
            "/var/lib/ganeti/../../../etc/shadow",
            "/var/lib/ganeti/ssconf_x/../y",
            "x",
        ):
            for key in ("filelist", "user-scripts"):
                reason = self.assertRaises(FunctionError, node_verify, self.context, {key: [path]}, "c", {})
                self.assertIn(path, str(reason))

    def test_virtual_path(self) -> None:
        """
        Paths that a master of a virtual cluster has marked are answered as they were asked for.
        """
        marked = f"{VIRTUAL}/var/lib/ganeti/hmac.key"
        (self.root / "var/lib/ganeti/hmac.key").write_bytes(b"key")
        answer = node_verify(self.context, {"filelist": [marked]}, "c", {})
        self.assertEqual(answer, {"filelist": {marked: hashlib.sha1(b"key").hexdigest()}})

    def test_any_value(self) -> None:
        """
        Whatever a check is asked with, it answers or refuses in words.
        """
        odd: tuple[object, ...] = (
            None,
            True,
            -1,
            2**70,
            1.5,
            "",
            "../..",
            "a\0b",
            [],
            [[[]]],
            [None],
            {},
            {"": None},
        )
        for key in CHECKS:
            for value in odd:
                with contextlib.suppress(FunctionError):
                    node_verify(self.context, {key: value}, "c", {"fake": {}})

    def test_scripts(self) -> None:
        """
        The administrator's script is named when it is not there or cannot be executed.
        """
        path = "/etc/ganeti/scripts/master-ip-setup"
        self.assertEqual(
            node_verify(self.context, {"user-scripts": [path]}, "c", {}), {"user-scripts": [path]}
        )
        script = self.context.paths.real(path)
        script.parent.mkdir()
        script.touch(0o755)
        self.assertEqual(node_verify(self.context, {"user-scripts": [path]}, "c", {}), {"user-scripts": []})

    def test_unknown_key(self) -> None:
        """
        A check that nothing here can make is left out, and told.
        """
        self.assertEqual(node_verify(self.context, {"colour": 1}, "c", {}), {})
        self.assertIn("colour", self.context.told[0][1])

    def test_wrong_shapes(self) -> None:
        """
        Values of the wrong type are refused in words.
        """
        wrong: object
        for wrong in (
            {"filelist": 7},
            {"hypervisor": {}},
            {"node-net-test": [1]},
            {"filelist": ["../x"]},
            [],
        ):
            self.assertRaises(FunctionError, node_verify, self.context, wrong, "c", {})
