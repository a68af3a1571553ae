"""
Units and the node's functions understand each other: the functions' own code answers, on one node in a directory.
"""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from gnttwist.errors import FunctionFailed, OpPrereqError
from gnttwist.functions.registry import FunctionError
from gnttwist.functions.table import functions
from gnttwist.model.opcodes import parse
from gnttwist.net import certificates
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.table import UNITS
from tests.functions.context import NODE, NodeTestCase
from tests.units.world import cluster_of, uuid

DEFINITIONS = Path(__file__).parents[2] / "conf" / "os"
NAME = "web.example.com"


class RealFunctionTests(NodeTestCase):
    """
    The life of an instance of the fake hypervisor.
    """

    def setUp(self) -> None:
        super().setUp()
        shutil.copytree(DEFINITIONS / "noop", self.root / "srv/ganeti/os/noop")
        now = datetime.now(UTC)
        own = certificates.new_node_certificate(certificates.new_cluster_certificate(now), NODE, now)
        self.context.paths.client_pem.write_bytes(own.pem())
        cluster = cluster_of(1, enabled_hypervisors=["fake"], candidate_certs={uuid(1): own.digest})
        # Nodes are asked whether they reach each other, so this one has an address of this machine's.
        node = replace(cluster.nodes[uuid(1)], primary_ip="127.0.0.1", secondary_ip="127.0.0.1")
        self.config = cluster.with_objects([node])

    def carried_out(self, op_id: str, **members: Any) -> Any:
        """
        The result of an opcode, whose changes the next one sees.
        """
        self.job = MemoryJobContext(self.config, self.answer, now=self.now())
        result = self.job.run(UNITS[op_id].body, parse({"OP_ID": op_id, **members}))
        self.config = self.job.config_now
        return result

    def now(self) -> float:
        """
        This machine's time, which the functions tell too.
        """
        file = self.root / "now"
        file.write_text("")
        return os.stat(file).st_mtime

    def answer(self, node: str, function: str, arguments: list[Any]) -> Any:
        """
        Run a function here.
        """
        try:
            return functions()[function](self.context, *arguments)
        except FunctionError as reason:
            raise FunctionFailed(f"Node {node}: {reason}") from reason

    def create(self, **members: Any) -> Any:
        """
        Make the instance.
        """
        return self.carried_out(
            "OP_INSTANCE_CREATE",
            **{
                "instance_name": NAME,
                "mode": "create",
                "disks": [{"size": 8}],
                "nics": [],
                "os_type": "noop",
                "beparams": {"memory": 1, "vcpus": 1},
                "ignore_ipolicy": True,
                **members,
            },
        )

    def files(self) -> list[str]:
        """
        The files of disks.
        """
        storage = self.root / "srv/ganeti/file-storage"
        return [each.name for each in storage.rglob("*")] if storage.exists() else []

    def test_life(self) -> None:
        """
        An instance is made, verified, stopped, started and removed; nothing stays.
        """
        self.assertEqual(self.create(), ["node1.example.com"])
        [path] = [name for name in self.files() if name.endswith(".file.disk0")]
        guests = self.root / "var/run/ganeti/fake-hypervisor"
        self.assertEqual(os.listdir(guests), [NAME])
        [disk] = self.config.disks.values()
        self.assertTrue(disk.logical_id[1].endswith(path))
        self.assertTrue(self.carried_out("OP_CLUSTER_VERIFY_GROUP", group_name="default"), self.job.lines)
        self.assertTrue(self.carried_out("OP_CLUSTER_VERIFY_CONFIG"), self.job.lines)
        self.carried_out("OP_INSTANCE_SHUTDOWN", instance_name=NAME)
        self.assertEqual(os.listdir(guests), [])
        self.carried_out("OP_INSTANCE_STARTUP", instance_name=NAME)
        self.carried_out("OP_INSTANCE_STARTUP", instance_name=NAME)
        self.assertEqual(os.listdir(guests), [NAME])
        self.carried_out("OP_INSTANCE_REMOVE", instance_name=NAME)
        self.assertEqual((os.listdir(guests), self.files(), len(self.config.instances)), ([], [], 0))

    def test_changes(self) -> None:
        """
        An instance is rebooted, renamed, reinstalled and changed in every way; the files follow, and nothing stays.
        """
        self.create(beparams={"minmem": 1, "maxmem": 2, "vcpus": 1})
        guests = self.root / "var/run/ganeti/fake-hypervisor"
        for kind in ("soft", "hard", "full"):
            self.carried_out("OP_INSTANCE_REBOOT", instance_name=NAME, reboot_type=kind)
            self.assertEqual(os.listdir(guests), [NAME])
        self.carried_out("OP_INSTANCE_GROW_DISK", instance_name=NAME, disk=0, amount=4, ignore_ipolicy=True)
        told = self.carried_out(
            "OP_INSTANCE_SET_PARAMS",
            instance_name=NAME,
            runtime_mem=1,
            disks=[["add", -1, {"size": 4}]],
            nics=[["add", -1, {}]],
            ignore_ipolicy=True,
        )
        self.assertEqual([each[0] for each in told], ["runtime_memory", "disk/1", "nic.0"])
        self.assertEqual([each.size for each in self.config.disks.values() if each.iv_name == "disk/0"], [12])
        self.carried_out("OP_INSTANCE_SHUTDOWN", instance_name=NAME)
        self.carried_out("OP_INSTANCE_REINSTALL", instance_name=NAME)
        self.carried_out("OP_INSTANCE_RENAME", instance_name=NAME, new_name="mail.example.com")
        storage = self.root / "srv/ganeti/file-storage"
        self.assertEqual(os.listdir(storage), ["mail.example.com"])
        mail = {"instance_name": "mail.example.com"}
        for line in self.carried_out("OP_INSTANCE_ACTIVATE_DISKS", **mail):
            self.assertTrue((self.root / line[2].removeprefix("/")).exists(), line)
        self.carried_out("OP_INSTANCE_DEACTIVATE_DISKS", **mail)
        for each in (storage / "mail.example.com").iterdir():
            each.unlink()
        self.carried_out("OP_INSTANCE_RECREATE_DISKS", **mail)
        self.assertEqual(len(self.files()), 3)
        found = self.carried_out("OP_INSTANCE_QUERY_DATA")["mail.example.com"]
        self.assertEqual([each["pstatus"] is not None for each in found["disks"]], [True, True])
        self.assertTrue(self.carried_out("OP_CLUSTER_VERIFY_GROUP", group_name="default"), self.job.lines)
        self.carried_out("OP_INSTANCE_REMOVE", **mail)
        self.assertEqual((self.files(), os.listdir(guests)), ([], []))

    def test_converted(self) -> None:
        """
        A stopped instance's disks become files of the other template with the same data, and back; nothing else
        stays.
        """
        self.create(start=False)
        [disk] = self.config.disks.values()
        with (self.root / disk.logical_id[1].removeprefix("/")).open("r+b") as file:
            file.seek(5 << 20)
            file.write(b"the data")
        shared = self.root / "srv/ganeti/shared-file-storage"
        for template in ("sharedfile", "file"):
            self.carried_out("OP_INSTANCE_SET_PARAMS", instance_name=NAME, disk_template=template)
            [disk] = self.config.disks.values()
            self.assertEqual(disk.dev_type, template)
            data = (self.root / disk.logical_id[1].removeprefix("/")).read_bytes()
            self.assertEqual((len(data), data[5 << 20 :].rstrip(b"\0")), (8 << 20, b"the data"))
            self.assertEqual(len(self.files() + os.listdir(shared)), 2 if template == "file" else 1)
        self.assertTrue(self.carried_out("OP_CLUSTER_VERIFY_GROUP", group_name="default"), self.job.lines)

    def test_wiped(self) -> None:
        """
        Where the cluster wants it, new disks are overwritten.
        """
        self.config = cluster_of(1, enabled_hypervisors=["fake"], prealloc_wipe_disks=True)
        self.create()
        self.assertEqual(len(self.job.called("blockdev_wipe")), 8)

    def test_systems(self) -> None:
        """
        The OS definition is listed.
        """
        rows = self.carried_out("OP_OS_DIAGNOSE", output_fields=["name", "variants"])
        self.assertEqual([row[0] for row in rows], ["noop"])

    def test_undone(self) -> None:
        """
        When the OS cannot be installed, nothing stays.
        """
        (self.root / "srv/ganeti/os/noop/create").write_text("#!/bin/sh\necho no luck\nexit 1\n")
        error = self.assertRaises(FunctionFailed, self.create)
        self.assertIn("no luck", str(error))
        self.assertEqual((self.files(), len(self.job.config_now.instances)), ([], 0))

    def test_refused(self) -> None:
        """
        An unknown OS and unknown parameters are refused with the node's words.
        """
        self.assertIn("it has noop", str(self.assertRaises(OpPrereqError, self.create, os_type="beos")))
        error = self.assertRaises(OpPrereqError, self.create, osparams={"colour": "red"})
        self.assertIn("colour", str(error))
        error = self.assertRaises(OpPrereqError, self.create, disks=[{"size": "900t"}])
        self.assertEqual(error.args[1], "insufficient_resources")
