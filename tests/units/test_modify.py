"""
Tests for L{gnttwist.units.modify} and what it decides by.
"""

from typing import Any

import msgspec

from gnttwist.errors import FunctionFailed
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.modify import modify
from tests.units.one_instance import NAME, InstanceTestCase

MODIFY = "OP_INSTANCE_SET_PARAMS"


class ModifyTestCase(InstanceTestCase):
    """
    An instance of the fake hypervisor with two disks and an interface.
    """

    created = {"hypervisor": "fake", "nics": [{"ip": "192.0.2.77"}], "os_type": "tiny+small"}

    def modified(self, **members: Any) -> list[list[Any]]:
        """
        What an opcode says that it changed.
        """
        result, self.last = self.ran(MODIFY, **members)
        found: list[list[Any]] = result
        return found

    def refused_as(self, words: str, code: str = "wrong_input", **members: Any) -> None:
        """
        An opcode is refused with these words.
        """
        self.assertIn(words, self.refused(MODIFY, code, **members))


class ParameterTests(ModifyTestCase):
    """
    Tests for parameters.
    """

    def test_backend(self) -> None:
        """
        Backend parameters are merged into the own ones; C{default} is as inherited.
        """
        self.assertEqual(self.modified(beparams={"memory": "256m"}), [["be/minmem", 256], ["be/maxmem", 256]])
        self.modified(beparams={"vcpus": "2", "minmem": "default"})
        self.assertEqual(self.instance(self.job()).beparams, {"maxmem": 256, "vcpus": 2})

    def test_together(self) -> None:
        """
        Limits are checked against the own other one.
        """
        self.modified(beparams={"memory": 512})
        self.refused_as("minmem (1024 MiB) is more than maxmem (512 MiB)", beparams={"minmem": "1g"})

    def test_os(self) -> None:
        """
        The OS and its parameters are checked by the node; private values are not told.
        """
        told = self.modified(os_name="noop", osparams={"a": "b"}, osparams_private={"key": "hunter2"})
        self.assertEqual(told, [["os/a", "b"], ["os_private/key", "<redacted>"], ["os", "noop"]])
        instance = self.instance(self.last)
        self.assertEqual((instance.os, instance.osparams_private), ("noop", {"key": "hunter2"}))
        self.assertEqual(len(self.last.called("os_validate")), 1)
        self.refused_as("beos", os_name="beos")
        self.modified(os_name="beos", force=True)

    def test_nothing_asked(self) -> None:
        """
        An opcode that asks for nothing is refused.
        """
        self.refused_as("No changes")

    def test_unsupported(self) -> None:
        """
        What this version does not do is refused by its name.
        """
        for members in (
            {"disk_template": "drbd"},
            {"pnode": "node1"},
            {"remote_node": "node1"},
            {"instance_communication": True},
            {"hotplug": True, "nics": [["add", -1, {}]]},
            {"disks": [["attach", -1, {"name": "x"}]]},
        ):
            self.assertIn("not", self.refused(MODIFY, **members))
        self.modified(nics=[["add", -1, {}]], hotplug=True, hotplug_if_possible=True)
        self.assertIn("next start", self.last.lines[0])

    def test_offline(self) -> None:
        """
        An instance that is down can be marked offline and online again; one that is up cannot.
        """
        self.refused_as("marked up", "wrong_state", offline=True)
        self.refused_as("not offline", "wrong_state", offline=False)
        self.ran("OP_INSTANCE_SHUTDOWN")
        self.assertEqual(self.modified(offline=True), [["admin_state", "offline"]])
        self.assertEqual(self.instance(self.last).admin_state, "offline")
        self.assertEqual(self.modified(offline=False), [["admin_state", "down"]])

    def test_memory(self) -> None:
        """
        Memory that the node has not for the next start is refused, unless by force.
        """
        self.refused_as(
            "needed 4032 MiB more than it has, free 3968 MiB",
            "insufficient_resources",
            beparams={"maxmem": 4160},
        )
        self.modified(beparams={"maxmem": 4160}, force=True)

    def test_offline_node(self) -> None:
        """
        On a node that is offline, parameters change unchecked; what has to be done there is refused.
        """
        self.offline()
        self.modified(osparams={"a": "b"}, beparams={"maxmem": 8192})
        self.assertIn("not asked", self.last.lines[-1])
        self.refused_as("is offline", "wrong_state", disks=[["add", -1, {"size": 1024}]])

    def test_policy(self) -> None:
        """
        What the policy of the group does not allow is refused; what violated it before may stay.
        """
        self.refused_as("cpu-count value 9", beparams={"vcpus": 9})
        self.modified(beparams={"vcpus": 9}, ignore_ipolicy=True)
        self.modified(osparams={"a": "b"})

    def test_interrupted(self) -> None:
        """
        Wherever it is cancelled and whatever fails, nothing has changed.
        """

        def unchanged(job: MemoryJobContext) -> None:
            instance = self.instance(job)
            self.assertEqual((instance.beparams, instance.osparams), ({}, {}))

        members = {"beparams": {"vcpus": 2}, "osparams": {"a": "b"}}
        self.interrupted(MODIFY, unchanged, **members)
        self.failing_anywhere(MODIFY, unchanged, **members)


class RuntimeMemoryTests(ModifyTestCase):
    """
    Tests for the memory of the running guest.
    """

    created = {"hypervisor": "fake", "beparams": {"minmem": 128, "maxmem": 1024}}

    def setUp(self) -> None:
        super().setUp()
        self.world.node().guests[NAME] = 512

    def test_changes(self) -> None:
        """
        The guest gets it.
        """
        self.assertEqual(self.modified(runtime_mem=768), [["runtime_memory", 768]])
        self.assertEqual(self.world.node().guests, {NAME: 768})

    def test_undone(self) -> None:
        """
        If the opcode is cancelled, the guest has what it had.
        """

        def as_before(job: MemoryJobContext) -> None:
            self.assertEqual(self.world.node().guests, {NAME: 512})

        self.interrupted(MODIFY, as_before, runtime_mem=768, beparams={"vcpus": 2})

    def test_refusals(self) -> None:
        """
        Outside of its limits, beyond what is free, and for an instance that does not run, it is refused.
        """
        self.refused_as("between minmem (128 MiB) and maxmem (1024 MiB)", runtime_mem=64)
        self.refused_as("free 3584 MiB", "insufficient_resources", runtime_mem=5000, force=True)
        self.world.node().guests.clear()
        self.refused_as("does not run", "wrong_state", runtime_mem=512)
        self.ran("OP_INSTANCE_SHUTDOWN")
        self.refused_as("does not run", "wrong_state", runtime_mem=512, offline=True)


class NicTests(ModifyTestCase):
    """
    Tests for network interfaces.
    """

    def test_add(self) -> None:
        """
        An interface is added anywhere, with an address drawn for it.
        """
        told = self.modified(nics=[["add", 0, {"ip": "192.0.2.78", "name": "first"}]])
        self.assertEqual(told, [["nic.0", "add:mac=auto,ip=192.0.2.78,mode=bridged,link=br0,network=None"]])
        nics = self.instance(self.last).nics
        self.assertEqual([each.ip for each in nics], ["192.0.2.78", "192.0.2.77"])
        self.assertRegex(nics[0].mac, r"^aa:00:00(:[0-9a-f]{2}){3}$")
        self.assertEqual(len({each.uuid for each in nics}), 2)

    def test_modify(self) -> None:
        """
        An interface is found by index, name or UUID, keeps what is not mentioned, and can lose an address.
        """
        [before] = self.instance(self.job()).nics
        self.modified(nics=[["modify", before.uuid, {"link": "br1", "name": "lan"}]])
        [after] = self.instance(self.last).nics
        self.assertEqual(after, msgspec.structs.replace(before, nicparams={"link": "br1"}, name="lan"))
        self.modified(nics=[["modify", "lan", {"ip": "none", "mac": "generate", "bridge": "br2"}]])
        [last] = self.instance(self.last).nics
        self.assertEqual((last.ip, last.nicparams, last.uuid), (None, {"link": "br2"}, before.uuid))
        self.assertNotEqual(last.mac, before.mac)

    def test_remove(self) -> None:
        """
        The last one, or any one, is removed; also by Ganeti's older form.
        """
        self.modified(nics=[["add", {"name": "second"}]])
        self.assertEqual(self.modified(nics=[["remove", 0, {}]]), [["nic/0", "remove"]])
        self.modified(nics=[["remove", {}]], ignore_ipolicy=True)
        self.assertEqual(self.instance(self.last).nics, [])

    def test_refusals(self) -> None:
        """
        Interfaces that are not there, and values that cannot be, are refused.
        """
        self.refused_as("no place 3", "unknown_entity", nics=[["remove", 3, {}]])
        self.refused_as("none of the name", "unknown_entity", nics=[["modify", "x", {"ip": "none"}]])
        self.refused_as("cannot be changed as well", nics=[["remove", 0, {"ip": "192.0.2.1"}]])
        self.refused_as("is not [action", nics=[["add"]])
        self.refused_as("'paint'", nics=[["paint", 0, {}]])
        self.refused_as("nics[0] mac", nics=[["modify", 0, {"mac": "auto"}]])
        self.refused_as("there is no colour", nics=[["modify", 0, {"colour": "red"}]])
        self.refused_as("needs one", nics=[["modify", 0, {"mode": "routed", "ip": "none"}]])
        self.refused_as("an index", nics=[["modify", 0, {"name": "1"}]])
        self.refused_as("8 at most", "wrong_state", nics=[["add", -1, {}]] * 8, ignore_ipolicy=True)


class BridgeTests(InstanceTestCase):
    """
    Tests for the bridges of guests of kvm.
    """

    def test_missing(self) -> None:
        """
        An interface on a bridge that is not there is refused.
        """
        text = self.refused(MODIFY, "environment_error", nics=[["add", -1, {"link": "missing0"}]])
        self.assertIn("Missing bridges missing0", text)
        self.ran(MODIFY, nics=[["add", -1, {"link": "br0"}]])


class DiskTests(ModifyTestCase):
    """
    Tests for disks.
    """

    up = False

    def agree(self, job: MemoryJobContext) -> None:
        """
        The disks of the configuration are those on the node, in order, and nothing is in use that should not be.
        """
        self.assertAgree(job.config_now)
        active = self.instance(job).disks_active
        self.assertEqual(len(self.world.node().linked), len(self.world.node().disks) if active else 0)

    def sizes(self) -> list[int]:
        """
        The sizes of the disks, whose names have their places.
        """
        self.agree(self.last)
        disks = self.last.config_now.disks_of(self.instance(self.last))
        self.assertEqual([each.iv_name for each in disks], [f"disk/{n}" for n in range(len(disks))])
        return [each.size for each in disks]

    def test_add(self) -> None:
        """
        A disk is made where the others are, last or in between.
        """
        told = self.modified(disks=[["add", -1, {"size": "3g", "name": "data"}]])
        self.assertEqual(told, [["disk/2", "add:size=3072,mode=rw"]])
        self.assertEqual(self.sizes(), [1024, 2048, 3072])
        self.modified(disks=[["add", 1, {"size": 1500, "mode": "ro"}]])
        self.assertEqual(self.sizes(), [1024, 1500, 2048, 3072])

    def test_add_running(self) -> None:
        """
        A disk of an instance that runs is added last, and is usable for its next start.
        """
        self.ran("OP_INSTANCE_STARTUP")
        self.modified(disks=[["add", -1, {"size": "1g"}]])
        self.assertEqual(self.sizes(), [1024, 2048, 1024])
        self.refused_as("only added behind them", "wrong_state", disks=[["add", 0, {"size": "1g"}]])
        self.refused_as("marked up", "wrong_state", disks=[["remove", -1, {}]])

    def test_remove(self) -> None:
        """
        A disk is destroyed; the others move up.
        """
        self.assertEqual(self.modified(disks=[["remove", 0, {}]]), [["disk/0", "remove"]])
        self.assertEqual(self.sizes(), [2048])

    def test_all_removed(self) -> None:
        """
        Without disks, one is added by saying of which template.
        """
        self.modified(disks=[["remove", 0, {}], ["remove", 0, {}]], ignore_ipolicy=True)
        self.refused_as("say of which template", disks=[["add", -1, {"size": 1024}]])
        self.modified(disks=[["add", -1, {"size": 1024, "type": "sharedfile"}]])
        self.assertEqual(self.sizes(), [1024])
        [disk] = self.last.config_now.disks.values()
        self.assertIn(f"/srv/ganeti/shared-file-storage/{NAME}/", disk.logical_id[1])

    def test_modify(self) -> None:
        """
        Mode and name change.
        """
        told = self.modified(disks=[["modify", 1, {"mode": "ro", "name": "data"}]])
        self.assertEqual(told, [["disk.mode/1", "ro"], ["disk.name/1", "data"]])
        disk = self.last.config_now.disks_of(self.instance(self.last))[1]
        self.assertEqual((disk.mode, disk.name), ("ro", "data"))

    def test_interrupted(self) -> None:
        """
        Wherever it is cancelled and whatever fails, node and configuration have the same disks.
        """
        # The same again must be possible, so one is added and one removed.
        members = {"disks": [["add", -1, {"size": 1024}], ["remove", 0, {}]], "ignore_ipolicy": True}
        self.interrupted(MODIFY, self.agree, **members)
        self.failing_anywhere(MODIFY, self.agree, **members)

    def test_refusals(self) -> None:
        """
        Disks that are not there, that do not fit, and values that cannot be, are refused.
        """
        self.refused_as("no place 2", "unknown_entity", disks=[["remove", 2, {}]])
        self.refused_as("GROW", disks=[["modify", 0, {"size": "9g"}]])
        self.refused_as("colour", disks=[["modify", 0, {"colour": "red"}]])
        self.refused_as("has no size", disks=[["add", -1, {}]])
        self.refused_as("not supported", disks=[["add", -1, {"size": 1024, "type": "drbd"}]])
        self.refused_as("free 6928", "insufficient_resources", disks=[["add", -1, {"size": "7g"}]])
        self.refused_as("only just", disks=[["add", 0, {"size": 1024}], ["remove", 0, {}]])
        self.refused_as(
            "16 at most", "wrong_state", disks=[["add", -1, {"size": 1}]] * 15, ignore_ipolicy=True
        )

    def test_half_removed(self) -> None:
        """
        If one of two disks cannot be destroyed, the configuration forgets the other one only.
        """
        destroyed: list[str] = []

        def answer(node: str, function: str, arguments: list[Any]) -> Any:
            if function == "blockdev_remove":
                if destroyed:
                    raise FunctionFailed("no luck")
                destroyed.append(node)
            return self.world(node, function, arguments)

        job = MemoryJobContext(self.config, answer)
        op = parse(
            {
                "OP_ID": MODIFY,
                "instance_name": NAME,
                "disks": [["remove", 0, {}], ["remove", 0, {}]],
                "ignore_ipolicy": True,
            }
        )
        self.assertRaises(FunctionFailed, job.run, modify, op)
        self.assertEqual(len(job.config_now.disks), 1)
        self.agree(job)
