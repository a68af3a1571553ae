"""
Tests for L{gnttwist.functions.instances} and L{gnttwist.functions.hypervisor.fake}.
"""

import fcntl
import json
import os

from gnttwist.functions import files
from gnttwist.functions.facts import node_facts
from gnttwist.functions.hypervisor.table import HYPERVISORS
from gnttwist.functions.instances import (
    all_instances_info,
    hypervisor_validate_params,
    instance_balloon_memory,
    instance_console_info,
    instance_info,
    instance_list,
    instance_reboot,
    instance_shutdown,
    instance_start,
    resize_disk,
)
from gnttwist.functions.registry import FunctionError
from gnttwist.functions.storage.blockdev import blockdev_create
from tests.functions.context import NodeTestCase, disk, instance

TRAIL = [["gnt:client:gnt-instance", "", 1]]
NAME = "inst1.example.com"


class FakeInstanceTests(NodeTestCase):
    """
    Tests for starting, watching and stopping an instance of the fake hypervisor.
    """

    def test_life(self) -> None:
        """
        A started instance is listed with its memory and processors, until it is stopped.
        """
        info = {"memory": 128, "vcpus": 2, "state": 0, "time": 0}
        self.assertEqual(instance_list(self.context, ["fake"], {}), [])
        instance_start(self.context, instance(), False, TRAIL)
        self.assertEqual(instance_list(self.context, ["fake"], {}), [NAME])
        self.assertEqual(instance_info(self.context, NAME, "fake", {}), info)
        self.assertEqual(all_instances_info(self.context, ["fake"], {}), {NAME: info})
        instance_shutdown(self.context, instance(), 120, TRAIL)
        self.assertEqual(instance_info(self.context, NAME, "fake", {}), {})
        self.assertEqual(all_instances_info(self.context, ["fake"], {}), {})

    def test_repeated(self) -> None:
        """
        Starting a running instance and stopping a stopped one change nothing.
        """
        for _ in range(2):
            instance_start(self.context, instance(), False, TRAIL)
        for _ in range(2):
            instance_shutdown(self.context, instance(), 120, TRAIL)
        self.assertEqual(
            self.context.told,
            [("message", f"Instance {NAME} runs already"), ("message", f"Instance {NAME} does not run")],
        )

    def test_reboot(self) -> None:
        """
        A reboot of either type gives a running instance what it is given; one that does not run is not started.
        """
        self.assertRaises(FunctionError, instance_reboot, self.context, instance(), "soft", 120, TRAIL)
        instance_start(self.context, instance(), False, TRAIL)
        for kind, memory in (("soft", 256), ("hard", 512)):
            larger = instance(beparams={"maxmem": memory, "vcpus": 2})
            instance_reboot(self.context, larger, kind, 0, TRAIL)
            self.assertEqual(instance_info(self.context, NAME, "fake", {})["memory"], memory)
        self.assertRaises(FunctionError, instance_reboot, self.context, instance(), "full", 120, TRAIL)

    def test_balloon(self) -> None:
        """
        A running instance's memory changes, and no more; one that does not run has none.
        """
        self.assertRaises(FunctionError, instance_balloon_memory, self.context, instance(), 64)
        instance_start(self.context, instance(), False, TRAIL)
        instance_balloon_memory(self.context, instance(), 64)
        info = instance_info(self.context, NAME, "fake", {})
        self.assertEqual((info["memory"], info["vcpus"]), (64, 2))
        self.assertRaises(FunctionError, instance_balloon_memory, self.context, instance(), -1)

    def test_resize(self) -> None:
        """
        An instance that runs is told that a disk has grown; one that does not run is not.
        """
        self.assertFalse(resize_disk(self.context, instance(), disk(), 1 << 20))
        instance_start(self.context, instance(), False, TRAIL)
        self.assertTrue(resize_disk(self.context, instance(), disk(), 1 << 20))
        self.assertRaises(FunctionError, resize_disk, self.context, instance(), disk(uuid=""), 1)
        self.assertRaises(FunctionError, resize_disk, self.context, instance(), disk(), 0)

    def test_disks(self) -> None:
        """
        A running instance has links to its disks in order, which end with it.
        """
        disks = [disk(), disk("/srv/ganeti/file-storage/inst1/d2.file", uuid="d2")]
        for each in disks:
            blockdev_create(self.context, each, 1, "", True, "", False)
        instance_start(self.context, instance(disks_info=disks), False, TRAIL)
        links = self.root / "var/run/ganeti/instance-disks"
        self.assertEqual(
            {each: os.readlink(links / each) for each in os.listdir(links)},
            {
                f"{NAME}:{index}": str(self.context.paths.real(each["logical_id"][1]))
                for index, each in enumerate(disks)
            },
        )
        instance_shutdown(self.context, instance(), 120, TRAIL)
        self.assertEqual(os.listdir(links), [])

    def test_missing_disk(self) -> None:
        """
        An instance whose disk is gone does not start.
        """
        self.assertRaises(
            FunctionError, instance_start, self.context, instance(disks_info=[disk()]), False, TRAIL
        )
        self.assertEqual(instance_list(self.context, ["fake"], {}), [])

    def test_reason(self) -> None:
        """
        Why an instance changed its state is kept for monitoring.
        """
        instance_start(self.context, instance(), False, TRAIL)
        kept = json.loads((self.root / f"var/run/ganeti/instance-reason/{NAME}").read_text())
        self.assertEqual(kept[0], TRAIL[0])

    def test_memory(self) -> None:
        """
        The node's free memory is less by what running instances have.
        """
        fake = HYPERVISORS["fake"]
        total = node_facts().memory_total
        wanted = instance(beparams={"maxmem": total * 2, "vcpus": 1})
        self.assertGreater(fake.node_info(self.context, {})["memory_free"], 0)
        instance_start(self.context, wanted, False, TRAIL)
        found = fake.node_info(self.context, {})
        self.assertEqual(found["memory_free"], 0)
        self.assertEqual(found["memory_total"], total)

    def test_hostile_names(self) -> None:
        """
        Names that are not file names are refused everywhere.
        """
        for name in ("../x", "a/b", "", ".", "..", "-x", "a\0", "a\n", "x" * 300, 7, None):
            self.assertRaises(FunctionError, instance_info, self.context, name, "fake", {})
            self.assertRaises(FunctionError, instance_start, self.context, instance(name=name), False, TRAIL)
            self.assertRaises(FunctionError, instance_shutdown, self.context, instance(name=name), 1, TRAIL)

    def test_unknown_hypervisor(self) -> None:
        """
        An unknown hypervisor is refused with the names of those there are.
        """
        for name in ("lxc", None, ["fake"]):
            reason = self.assertRaises(FunctionError, instance_info, self.context, NAME, name, {})
            self.assertIn("fake", str(reason))

    def test_parameters(self) -> None:
        """
        Only known parameters are accepted.
        """
        hypervisor_validate_params(self.context, "fake", {"migration_mode": "live"})
        self.assertRaises(FunctionError, hypervisor_validate_params, self.context, "fake", {"acpi": True})

    def test_console(self) -> None:
        """
        Asking for a console is answered by a message.
        """
        asked = {"instance": instance(), "node": {}, "group": {}, "hvParams": {}, "beParams": {}}
        answer = instance_console_info(self.context, {NAME: asked})
        self.assertEqual(answer[NAME]["kind"], "msg")
        self.assertEqual(answer[NAME]["instance"], NAME)
        self.assertRaises(
            FunctionError, instance_console_info, self.context, {NAME: {"instance": instance()}}
        )

    def test_timeouts(self) -> None:
        """
        A timeout that is no time span is refused before anything is stopped.
        """
        instance_start(self.context, instance(), False, TRAIL)
        for timeout in (-1, "1", None, True, 1e9):
            self.assertRaises(FunctionError, instance_shutdown, self.context, instance(), timeout, TRAIL)
        self.assertEqual(instance_list(self.context, ["fake"], {}), [NAME])


class LockedTests(NodeTestCase):
    """
    Tests for L{files.locked}.
    """

    def test_held_by_other(self) -> None:
        """
        A lock that somebody else holds ends the wait with an error after the deadline.
        """
        path = self.root / "lock"
        with path.open("w") as other:
            fcntl.flock(other, fcntl.LOCK_EX)

            def attempt() -> None:
                with files.locked(path, 0.05):
                    self.fail("there are two holders")

            self.assertRaises(FunctionError, attempt)

    def test_free(self) -> None:
        """
        A free lock is held within the block, and free again after it.
        """
        path = self.root / "lock"
        with path.open("w") as other:
            with files.locked(path, 1):
                self.assertRaises(BlockingIOError, fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
