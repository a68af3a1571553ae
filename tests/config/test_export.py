"""
Tests for L{gnttwist.config.export} and L{gnttwist.config.importing}, against a file that Ganeti 3.0.2 wrote.
"""

import copy
import json
from importlib.resources import files
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config import export, importing, records
from gnttwist.config.snapshot import SERIAL_KEY, TIMES_KEY, key_of
from gnttwist.errors import ConfigurationError
from gnttwist.model.objects import Instance, NodeGroup
from gnttwist.model.stored import decode, encode
from gnttwist.store.interface import Entry
from tests.config.objects import node

GOLDEN = json.loads(files("tests.golden").joinpath("config-3.0.json").read_text())
# As we write it: see test_serial.
GOLDEN["cluster"]["serial_no"] = GOLDEN["serial_no"]
SSCONF_KEYS = {
    "cluster_name",
    "cluster_tags",
    "enabled_user_shutdown",
    "file_storage_dir",
    "gluster_storage_dir",
    "hvparams_chroot",
    "hvparams_fake",
    "hvparams_kvm",
    "hvparams_lxc",
    "hvparams_xen-hvm",
    "hvparams_xen-pvm",
    "hypervisor_list",
    "instance_list",
    "maintain_node_health",
    "master_candidates",
    "master_candidates_certs",
    "master_candidates_ips",
    "master_ip",
    "master_netdev",
    "master_netmask",
    "master_node",
    "networks",
    "node_list",
    "node_primary_ips",
    "node_secondary_ips",
    "node_vm_capable",
    "nodegroups",
    "offline_nodes",
    "online_nodes",
    "primary_ip_family",
    "release_version",
    "shared_file_storage_dir",
    "ssh_ports",
    "uid_pool",
}
MASTER = "740fde53-462e-4d62-b42c-7131d10e0b84"


class GoldenCase(SynchronousTestCase):
    """
    A copy of the real file to change.
    """

    def setUp(self) -> None:
        self.maxDiff = None
        self.data: dict[str, Any] = copy.deepcopy(GOLDEN)


class RoundTripTests(GoldenCase):
    """
    Tests for reading and writing the same.
    """

    def test_equal(self) -> None:
        """
        A configuration that was read is written member by member as it was, in every object.
        """
        again = export.config_data(importing.import_data(self.data).snapshot)
        for part, content in self.data.items():
            self.assertEqual(again[part], content, part)
        self.assertEqual(set(again), set(self.data))

    def test_serial(self) -> None:
        """
        The cluster's serial number is the configuration's, so that confd's answers show every change.
        """
        self.data["cluster"]["serial_no"] = 12
        again = export.config_data(importing.import_data(self.data).snapshot)
        self.assertEqual((again["cluster"]["serial_no"], again["serial_no"]), (21, 21))

    def test_text(self) -> None:
        """
        The file is one line of JSON, and can be read again.
        """
        config = importing.import_data(self.data).snapshot
        text = export.config_text(config)
        self.assertNotIn(b"\n", text)
        self.assertEqual(json.loads(text), export.config_data(config))
        self.assertEqual(importing.read(text).snapshot, config)

    def test_through_the_store(self) -> None:
        """
        A configuration that was stored and loaded is the same.
        """
        config = importing.import_data(self.data).snapshot
        writes = [*records.of_objects(importing.import_data(self.data).objects), *records.bookkeeping(config)]
        assembly = records.Assembly()
        assembly.add([Entry(each.key, each.value, 1, 0) for each in writes])  # type: ignore[union-attr]  # all puts
        self.assertEqual(assembly.snapshot(), config)
        self.assertTrue({SERIAL_KEY, TIMES_KEY, key_of(config.cluster)} < {each.key for each in writes})

    def test_unknown_members(self) -> None:
        """
        Members that a newer version added are kept with the objects and left out of the export.
        """
        uuid = next(iter(self.data["instances"]))
        self.data["instances"][uuid]["mood"] = "good"
        self.data["instances"][uuid]["nics"][0]["colour"] = "red"
        imported = importing.import_data(self.data)
        (instance,) = (each for each in imported.objects if isinstance(each, Instance) and each.uuid == uuid)
        stored = decode(Instance, encode(instance))
        self.assertEqual((stored.extra, stored.nics[0].extra), ({"mood": "good"}, {"colour": "red"}))
        self.assertEqual(export.config_data(imported.snapshot)["instances"][uuid], GOLDEN["instances"][uuid])

    def test_null_is_missing(self) -> None:
        """
        An optional member that is null counts as absent.
        """
        self.data["cluster"]["volume_group_name"] = None
        self.data["nodes"][MASTER]["hv_state_static"] = None
        again = export.config_data(importing.import_data(self.data).snapshot)
        self.assertEqual(again, GOLDEN)

    def test_group_members(self) -> None:
        """
        A group's list of members is not kept: nodes say which group they are in.
        """
        group = next(iter(self.data["nodegroups"]))
        self.data["nodegroups"][group]["members"] = [MASTER]
        found = importing.import_data(self.data)
        self.assertEqual([each.extra for each in found.objects if isinstance(each, NodeGroup)], [{}, {}])

    def test_newer(self) -> None:
        """
        A file of 3.1 is read; what 3.0's programs expect is filled in.
        """
        self.data["version"] = 3010000
        del self.data["cluster"]["hvparams"]["xen-pvm"]["xen_cmd"]
        del self.data["cluster"]["hvparams"]["xen-hvm"]["xen_cmd"]
        self.data["cluster"]["hvparams"]["kvm"]["disk_discard"] = "ignore"
        again = export.config_data(importing.import_data(self.data).snapshot)
        self.assertEqual(again["version"], 3000000)
        self.assertEqual(again["cluster"]["hvparams"]["xen-pvm"]["xen_cmd"], "xm")
        self.assertEqual(again["cluster"]["hvparams"]["kvm"]["disk_discard"], "ignore")

    def test_goes_on(self) -> None:
        """
        The serial number and the times are the file's.
        """
        found = importing.import_data(self.data)
        self.assertEqual((found.serial, found.ctime, found.mtime), (21, 1795222506.740307, 1795222841.419883))


class RefusalTests(GoldenCase):
    """
    What cannot be imported is refused in words.
    """

    def refused(self) -> str:
        """
        Why the data is refused.
        """
        return str(self.assertRaises(ConfigurationError, importing.import_data, self.data))

    def test_version(self) -> None:
        """
        Other versions are refused and named.
        """
        self.data["version"] = 2160000
        self.assertIn("2160000", self.refused())

    def test_parts(self) -> None:
        """
        A missing part and an unknown one are named.
        """
        self.data["volumes"] = {}
        self.assertIn("volumes", self.refused())
        del self.data["volumes"], self.data["nodegroups"]
        self.assertIn("nodegroups", self.refused())

    def test_damaged(self) -> None:
        """
        A member of the wrong type is told with the object and the member.
        """
        self.data["nodes"][MASTER]["offline"] = "maybe"
        self.assertIn(MASTER, self.refused())
        self.assertIn("offline", self.refused())
        self.data["nodes"] = []
        self.assertIn("damaged", self.refused())

    def test_uuid(self) -> None:
        """
        An object under another's UUID is refused.
        """
        self.data["nodes"]["other"] = self.data["nodes"][MASTER]
        self.assertIn("other", self.refused())

    def test_references(self) -> None:
        """
        References that lead nowhere are all listed.
        """
        self.data["disks"] = {}
        self.data["networks"] = {}
        del self.data["nodegroups"][self.data["nodes"][MASTER]["group"]]
        self.data["cluster"]["master_node"] = "nobody"
        told = self.refused()
        for word in ("disk 806e12fd", "network 23267f58", "group bc8070ea", "master node nobody"):
            self.assertIn(word, told)

    def test_not_json(self) -> None:
        """
        Text that is not a JSON object is refused.
        """
        for data in (b"", b"[]", b"{", b"\xff"):
            self.assertRaises(ConfigurationError, importing.read, data)


class SsconfTests(GoldenCase):
    """
    Tests for L{export.ssconf}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.config = importing.import_data(self.data).snapshot
        self.values = export.ssconf(self.config)

    def test_keys(self) -> None:
        """
        There is a value for every key that Ganeti has.
        """
        self.assertEqual(set(self.values), SSCONF_KEYS)

    def test_values(self) -> None:
        """
        The values are the real cluster's.
        """
        expected = {
            "cluster_name": ["cluster.example.com"],
            "cluster_tags": ["red"],
            "enabled_user_shutdown": ["False"],
            "hvparams_fake": ["migration_mode=live"],
            "hypervisor_list": ["fake"],
            "instance_list": ["inst1.example.com", "inst2.example.com"],
            "master_candidates": ["node1.example.com"],
            "master_candidates_certs": [
                f"{MASTER}=DB:98:59:5C:81:74:74:58:FB:2B:7F:3F:72:53:F0:83:B4:F5:DC:0B"
            ],
            "master_candidates_ips": ["10.99.0.1"],
            "master_netmask": ["32"],
            "master_node": ["node1.example.com"],
            "networks": ["23267f58-e234-4ab6-97f6-931a74beb2c3 net1"],
            "node_primary_ips": ["node1.example.com 10.99.0.1"],
            "node_vm_capable": ["node1.example.com=True"],
            "nodegroups": [
                "bc8070ea-8709-40a3-b6d4-1403c504603c default",
                "dc1ad834-6dca-4e15-aa18-a5704134fe15 group2",
            ],
            "offline_nodes": [],
            "primary_ip_family": ["2"],
            "ssh_ports": ["node1.example.com=22"],
            "uid_pool": [],
        }
        self.assertEqual({key: self.values[key] for key in expected}, expected)
        self.assertIn("acpi=True", self.values["hvparams_kvm"])

    def test_nodes(self) -> None:
        """
        Nodes are in the order that people expect, and each list has those that it is named after.
        """
        group = self.config.nodes[MASTER].group
        tenth = node("n10", "node10.example.com")
        second = node("n2", "node2.example.com")
        config = self.config.with_objects(
            [
                msgspec.structs.replace(tenth, group=group, offline=True, ndparams={"ssh_port": 2222}),
                msgspec.structs.replace(second, group=group, master_candidate=False, vm_capable=False),
            ]
        )
        values = export.ssconf(config)
        self.assertEqual(
            values["node_list"], ["node1.example.com", "node2.example.com", "node10.example.com"]
        )
        self.assertEqual(values["online_nodes"], ["node1.example.com", "node2.example.com"])
        self.assertEqual(values["offline_nodes"], ["node10.example.com"])
        self.assertEqual(values["master_candidates"], ["node1.example.com", "node10.example.com"])
        self.assertEqual(values["ssh_ports"][-1], "node10.example.com=2222")
        self.assertEqual(values["node_vm_capable"][1], "node2.example.com=False")

    def test_no_candidate(self) -> None:
        """
        Without master candidates the master stands in; a master that is unknown is told so.
        """
        config = self.config.with_object(
            msgspec.structs.replace(self.config.nodes[MASTER], master_candidate=False)
        )
        self.assertEqual(export.ssconf(config)["master_candidates"], ["node1.example.com"])
        config = config.with_object(msgspec.structs.replace(config.cluster, master_node="gone"))
        self.assertEqual(export.ssconf(config)["master_node"], ["NO MASTER"])

    def test_uid_pool(self) -> None:
        """
        Ranges of one are single numbers.
        """
        config = self.config.with_object(
            msgspec.structs.replace(self.config.cluster, uid_pool=[[4000, 4010], [5000, 5000]])
        )
        self.assertEqual(export.ssconf(config)["uid_pool"], ["4000-4010", "5000"])

    def test_text(self) -> None:
        """
        A file ends with a newline unless it is empty.
        """
        self.assertEqual(export.ssconf_text(["a", "b"]), "a\nb\n")
        self.assertEqual(export.ssconf_text([]), "")
        self.assertEqual(export.ssconf_text([""]), "")
