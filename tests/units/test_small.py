"""
Tests for the smaller units and for what units are made of.
"""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import NotAnswering, OpPrereqError
from gnttwist.jobs.context import LockMode
from gnttwist.model.objects import Disk, Instance, Network, Nic
from gnttwist.model.opcodes import OPCODES, parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.delay import delay
from gnttwist.units.encode import disk_dict, instance_dict
from gnttwist.units.os_diagnose import FIELDS, diagnose
from gnttwist.units.policy import Specification, violations
from gnttwist.units.table import UNITS
from gnttwist.units.values import size, typed
from tests.units.world import World, cluster_of, uuid


class TableTests(SynchronousTestCase):
    """
    Tests for L{UNITS}.
    """

    def test_complete(self) -> None:
        """
        Every supported opcode has a unit for its own class.
        """
        self.assertEqual({op_id: each.parameters for op_id, each in UNITS.items()}, OPCODES)


class DelayTests(SynchronousTestCase):
    """
    Tests for L{delay}.
    """

    def delayed(self, **members: Any) -> MemoryJobContext:
        """
        The job that took a while.
        """
        job = MemoryJobContext(cluster_of(2), World())
        self.assertIsNone(job.run(delay, parse({"OP_ID": "OP_TEST_DELAY", "duration": 1.5, **members})))
        return job

    def test_master(self) -> None:
        """
        By default the master waits, once, and nothing but the cluster is locked.
        """
        job = self.delayed()
        self.assertEqual([step for step in job.steps if step[0] == "sleep"], [("sleep", 1.5)])
        self.assertEqual(job.locks.held(7), {"cluster/BGL": LockMode.SHARED})

    def test_nodes(self) -> None:
        """
        Each named node waits once, and is locked if that is asked for.
        """
        job = self.delayed(
            on_master=False, on_nodes=["node2", "node1"], on_node_uuids=[uuid(2)], no_locks=False
        )
        self.assertEqual(sorted(job.called("test_delay")), [(f"node{n}.example.com", [1.5]) for n in (1, 2)])
        self.assertEqual(job.locks.held(7)[f"node/{uuid(1)}"], LockMode.EXCLUSIVE)
        self.assertEqual([step for step in job.steps if step[0] == "sleep"], [])

    def test_repeat(self) -> None:
        """
        Repetitions are counted aloud.
        """
        job = self.delayed(repeat=2, on_nodes=["node1"])
        self.assertEqual(job.lines, ["Test iteration 1/2", "Test iteration 2/2"])
        self.assertEqual(len(job.called("test_delay")), 2)

    def test_refused(self) -> None:
        """
        Negative, endless and interruptible delays and unknown nodes are refused.
        """
        for members in (
            {"duration": -1},
            {"duration": 1e9},
            {"duration": float("nan")},
            {"interruptible": True},
            {"on_nodes": ["node9"]},
        ):
            self.assertRaises(OpPrereqError, self.delayed, **members)


class DiagnoseTests(SynchronousTestCase):
    """
    Tests for L{diagnose}.
    """

    def rows(self, *fields: str, names: list[str] | None = None, **cluster: Any) -> list[list[Any]]:
        """
        What is answered for these fields.
        """
        job = MemoryJobContext(cluster_of(2, **cluster), self.world)
        op = parse({"OP_ID": "OP_OS_DIAGNOSE", "output_fields": fields, "names": names})
        return job.run(diagnose, op)

    def setUp(self) -> None:
        self.world = World()

    def test_list(self) -> None:
        """
        C{gnt-os list} gets valid systems with the variants that all nodes have.
        """
        self.world.node(2).oses[1][4] = ["large", "huge"]
        self.assertEqual(self.rows("name", "variants"), [["noop", []], ["tiny", ["large"]]])

    def test_invalid_somewhere(self) -> None:
        """
        A system that one node lacks is not valid, and is shown only to those who ask whether it is.
        """
        del self.world.node(2).oses[0]
        self.assertEqual(self.rows("name"), [["tiny"]])
        self.assertEqual(
            self.rows("name", "valid", "api_versions"),
            [["broken", False, []], ["noop", False, []], ["tiny", True, [15, 20]]],
        )

    def test_hidden(self) -> None:
        """
        Hidden and blacklisted systems are shown only to those who ask for that.
        """
        cluster = {"hidden_os": ["noop"], "blacklisted_os": ["tiny"]}
        self.assertEqual(self.rows("name", **cluster), [])
        self.assertEqual(self.rows("name", "hidden", **cluster), [["noop", True]])
        self.assertEqual(
            self.rows("name", "hidden", "blacklisted", **cluster),
            [["noop", True, False], ["tiny", False, True]],
        )

    def test_everything(self) -> None:
        """
        All fields of one system, its definitions node by node in search order.
        """
        [row] = self.rows(*FIELDS, names=["tiny"])
        found = dict(zip(FIELDS, row, strict=True))
        self.assertEqual(found["parameters"], [["colour", "of the wall"]])
        self.assertEqual(found["osparams"], {"colour": "blue"})
        self.assertEqual(sorted(found["node_status"]), ["node1.example.com", "node2.example.com"])
        first, second = found["node_status"]["node1.example.com"]
        self.assertEqual(
            (first[0], first[1], second[0]), ("/srv/ganeti/os/tiny", True, "/usr/share/ganeti/os/tiny")
        )

    def test_silent(self) -> None:
        """
        Nodes that do not answer are left out and told.
        """
        self.world.failing["os_diagnose"] = lambda node: NotAnswering(f"Node {node} is silent")
        self.assertEqual(self.rows("name"), [])

    def test_unknown_field(self) -> None:
        """
        A field that does not exist is refused by name.
        """
        self.assertIn("colour", str(self.assertRaises(OpPrereqError, self.rows, "name", "colour")))


class SizeTests(SynchronousTestCase):
    """
    Tests for L{size}.
    """

    def test_texts(self) -> None:
        """
        Units are binary, fractions are rounded up, to a multiple of 4 as Ganeti does.
        """
        for text, mib in [
            ("512", 512),
            ("1g", 1024),
            ("1.5G", 1536),
            ("2 TiB", 2 << 20),
            ("0.1m", 4),
            ("513m", 516),
        ]:
            self.assertEqual(size(text, "x"), mib, text)

    def test_wrong(self) -> None:
        """
        What is no size is refused.
        """
        for wrong in ("", "g", "-1g", "1k", "1e3", "0x10", None, True, 1.5, [1], "9" * 40):
            self.assertIn("disk size", str(self.assertRaises(OpPrereqError, size, wrong, "disk size")))

    @given(st.integers(-5, 1 << 40))
    def test_numbers(self, number: int) -> None:
        """
        A whole number is itself; its text, if it is not negative, is never less and less than 4 more.
        """
        self.assertEqual(size(number, "x"), number)
        if 0 <= number < 1 << 30:
            self.assertLess(size(str(number), "x") - number, 4)
            self.assertGreaterEqual(size(str(number), "x"), number)


class TypedTests(SynchronousTestCase):
    """
    Tests for L{typed}.
    """

    known = {"acpi": True, "cores": 2, "speed": 1.0, "kernel": "", "memory": 128}

    def test_converts(self) -> None:
        """
        Text that says a number or a truth becomes one, and what is as the cluster has it is left out.
        """
        given = {"acpi": "False", "cores": "4", "speed": 2, "kernel": "/k", "memory": "1g"}
        self.assertEqual(
            typed(given, self.known, "p", sizes={"memory"}),
            {"acpi": False, "cores": 4, "speed": 2.0, "kernel": "/k", "memory": 1024},
        )
        self.assertEqual(typed({"acpi": "default", "cores": None}, self.known, "p"), {})

    def test_refuses(self) -> None:
        """
        Values of other types are refused, naming the parameter.
        """
        for name, value in [
            ("acpi", 1),
            ("acpi", "on"),
            ("cores", True),
            ("cores", "x"),
            ("speed", "1"),
            ("kernel", 3),
        ]:
            self.assertIn(
                f"p {name}", str(self.assertRaises(OpPrereqError, typed, {name: value}, self.known, "p"))
            )


class PolicyTests(SynchronousTestCase):
    """
    Tests for L{violations}.
    """

    good = Specification(memory=128, vcpus=1, spindle_use=1, disks=[1024], nics=1, template="file")

    def test_ranges(self) -> None:
        """
        It is enough to fit in one range; otherwise the nearest is told.
        """
        small = {"min": {"memory-size": 1}, "max": {"memory-size": 64}}
        large = {"min": {"memory-size": 100}, "max": {"memory-size": 200, "cpu-count": 1}}
        self.assertEqual(violations({"minmax": [small, large]}, self.good), [])
        self.assertEqual(
            violations({"minmax": [small]}, self.good), ["memory-size value 128 is not in range [1, 64]"]
        )

    def test_templates(self) -> None:
        """
        Only listed templates are allowed; without a list, all.
        """
        self.assertEqual(len(violations({"disk-templates": ["plain"]}, self.good)), 1)
        self.assertEqual(violations({}, self.good), [])

    def test_diskless(self) -> None:
        """
        How many disks there are does not matter without disks.
        """
        policy = {"minmax": [{"min": {"disk-count": 1}, "max": {"disk-count": 2}}]}
        diskless = Specification(128, 1, 1, [], 1, "diskless")
        self.assertEqual(violations(policy, diskless), [])
        self.assertEqual(len(violations(policy, Specification(128, 1, 1, [1] * 3, 1, "file"))), 1)


class EncodeTests(SynchronousTestCase):
    """
    Tests for L{instance_dict}.
    """

    def test_network(self) -> None:
        """
        An interface in a network has the network with it; members without a value are left out everywhere.
        """
        network = Network(uuid=uuid(0xE), name="net1", network="192.0.2.0/24")
        config = cluster_of(2).with_object(network)
        nic = Nic(mac="aa", uuid=uuid(0x20), network=network.uuid, nicparams={"link": "br7"})
        disk = Disk(
            uuid=uuid(0xD), dev_type="file", logical_id=["loop", "/d"], size=1, nodes=[uuid(1), uuid(2)]
        )
        instance = Instance(
            uuid=uuid(3), name="i", primary_node=uuid(1), os="tiny", hypervisor="fake", nics=[nic]
        )
        members = instance_dict(
            config, instance, [disk], hvparams={"migration_mode": "x"}, beparams={"vcpus": 9}
        )
        self.assertEqual(members["nics"][0]["netinfo"]["name"], "net1")
        self.assertEqual(members["nics"][0]["nicparams"], {"mode": "bridged", "link": "br7", "vlan": ""})
        self.assertEqual((members["hvparams"], members["beparams"]["vcpus"]), ({"migration_mode": "x"}, 9))
        self.assertEqual(members["secondary_nodes"], [uuid(2)])
        self.assertNotIn("null", msgspec.json.encode(members).decode())
        self.assertEqual(instance.beparams, {})

    def test_disk_parameters(self) -> None:
        """
        A disk has the cluster's parameters, under its group's, under its own.
        """
        config = cluster_of(1, diskparams={"file": {"a": 1, "b": 1, "c": 1}})
        group = msgspec.structs.replace(next(iter(config.groups)), diskparams={"file": {"b": 2, "c": 2}})
        disk = Disk(uuid=uuid(0xD), dev_type="file", logical_id=["loop", "/d"], size=1, params={"c": 3})
        self.assertEqual(disk_dict(config, disk, group)["params"], {"a": 1, "b": 2, "c": 3})
