"""
Tests for L{gnttwist.units.create} and what it decides by.
"""

from itertools import product
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import FunctionDied, FunctionFailed, JobCanceled, NodeError, NotAnswering, OpPrereqError
from gnttwist.jobs.context import LockMode
from gnttwist.model.objects import Instance, Network, NodeGroup
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.address_pool import empty
from gnttwist.units.create import create
from tests.units.world import NodeState, World, cluster_of, uuid

NAME = "web.example.com"
WANTED: dict[str, Any] = {
    "OP_ID": "OP_INSTANCE_CREATE",
    "instance_name": NAME,
    "mode": "create",
    "disks": [{"size": "1g"}, {"size": 2048, "name": "data"}],
    "nics": [{}],
    "os_type": "tiny+small",
    "hypervisor": "fake",
    "osparams_secret": {"password": "hunter2"},
}
KVM = {"hypervisor": "kvm", "nics": [], "ignore_ipolicy": True}


class CreateTestCase(SynchronousTestCase):
    """
    A cluster in which to make instances.
    """

    def setUp(self) -> None:
        self.config = cluster_of(1)
        self.world = World()

    def job(self, **members: Any) -> MemoryJobContext:
        """
        A job in this cluster.
        """
        return MemoryJobContext(self.config, self.world, **members)

    def created(self, **members: Any) -> tuple[MemoryJobContext, Instance]:
        """
        The job that made an instance, and the instance.
        """
        job = self.job()
        job.run(create, parse({**WANTED, **members}))
        [instance] = job.config_now.instances
        return job, instance

    def refused(self, code: str, **members: Any) -> str:
        """
        The text with which an instance is refused; nothing is made.
        """
        job = self.job()
        error = self.assertRaises(OpPrereqError, job.run, create, parse({**WANTED, **members}))
        self.assertEqual(error.args[1], code, error.args)
        self.assertIs(job.config_now, self.config)
        self.assertEqual([state for state in self.world.nodes.values() if state != NodeState()], [])
        return str(error)


class CreateTests(CreateTestCase):
    """
    Tests for what is made.
    """

    def test_result(self) -> None:
        """
        The result is the list of the instance's nodes.
        """
        self.assertEqual(self.job().run(create, parse(WANTED)), ["node1.example.com"])

    def test_running(self) -> None:
        """
        The instance has its disks, is installed and runs, and the configuration says so.
        """
        job, instance = self.created()
        node = self.world.node()
        self.assertEqual((instance.admin_state, instance.disks_active), ("up", True))
        self.assertEqual((node.installed, list(node.guests)), ([NAME], [NAME]))
        disks = job.config_now.disks_of(instance)
        self.assertEqual(node.disks, {disk.logical_id[1]: disk.size for disk in disks})
        self.assertEqual(
            [(each.size, each.name, each.iv_name) for each in disks],
            [(1024, None, "disk/0"), (2048, "data", "disk/1")],
        )
        for index, disk in enumerate(disks):
            path = f"/srv/ganeti/file-storage/{NAME}/{disk.uuid}.file.disk{index}"
            self.assertEqual(disk.logical_id, ["loop", path])

    def test_what_nodes_get(self) -> None:
        """
        Nodes get filled parameters, full disks and the secret parameters, and no empty members.
        """
        job, instance = self.created(beparams={"memory": "256m"}, osparams={"size": "xl"})
        [(_, [members, reinstall, debug])] = job.called("instance_os_add")
        self.assertEqual((reinstall, debug), (False, 0))
        self.assertEqual(members["beparams"]["maxmem"], 256)
        self.assertEqual(members["osparams"], {"colour": "blue", "size": "xl"})
        self.assertEqual(members["osparams_secret"], {"password": "hunter2"})
        self.assertEqual(members["hvparams"], {"migration_mode": "live"})
        self.assertEqual(members["nics"][0]["nicparams"], {"mode": "bridged", "link": "br0", "vlan": ""})
        self.assertEqual([each["uuid"] for each in members["disks_info"]], instance.disks)
        self.assertEqual(members["secondary_nodes"], [])
        self.assertNotIn("network_port", members)
        [(_, [started, _, _])] = job.called("instance_start")
        self.assertNotIn("osparams_secret", started)
        self.assertEqual(instance.osparams, {"size": "xl"})

    def test_mac(self) -> None:
        """
        A MAC address is drawn with the cluster's prefix; one that is given is kept, in lower case.
        """
        _, instance = self.created(nics=[{}, {"mac": "AA:BB:00:11:22:33"}])
        self.assertRegex(instance.nics[0].mac, r"^aa:00:00(:[0-9a-f]{2}){3}$")
        self.assertEqual(instance.nics[1].mac, "aa:bb:00:11:22:33")

    def test_not_started(self) -> None:
        """
        An instance that is not to be started is installed, and its disks are left unused.
        """
        _, instance = self.created(start=False)
        node = self.world.node()
        self.assertEqual((instance.admin_state, instance.disks_active), ("down", False))
        self.assertEqual((node.installed, node.guests, node.linked), ([NAME], {}, set()))

    def test_no_install(self) -> None:
        """
        Without installation there is nothing to start either.
        """
        _, instance = self.created(no_install=True)
        self.assertEqual((self.world.node().installed, self.world.node().guests), ([], {}))
        self.assertEqual(instance.admin_state, "down")

    def test_diskless(self) -> None:
        """
        Without disks the instance is diskless, and there is nothing to install on.
        """
        job, instance = self.created(disks=[])
        self.assertEqual(instance.disks, [])
        self.assertEqual(job.called("instance_os_add") + job.called("blockdev_create"), [])
        self.assertEqual(instance.admin_state, "up")

    def test_sharedfile(self) -> None:
        """
        Shared disks are below the cluster's shared directory, and below the one that is asked for.
        """
        job, instance = self.created(disk_template="sharedfile", file_storage_dir="web/tier1")
        path = job.config_now.disks_of(instance)[0].logical_id[1]
        self.assertTrue(path.startswith(f"/srv/ganeti/shared-file-storage/web/tier1/{NAME}/"), path)

    def test_kvm(self) -> None:
        """
        A kvm instance gets a network port, and a returned one first.
        """
        _, instance = self.created(**KVM)
        self.assertEqual(instance.network_port, 11000)
        self.config = cluster_of(1, highest_used_port=11005, tcpudp_port_pool=[11004, 11002])
        self.world = World()
        job, instance = self.created(**KVM)
        self.assertEqual(instance.network_port, 11002)
        self.assertEqual(job.config_now.cluster.tcpudp_port_pool, [11004])

    def test_identify_defaults(self) -> None:
        """
        What is as the cluster has it is not kept as the instance's own, if asked for.
        """
        members: dict[str, Any] = {"beparams": {"vcpus": 1, "maxmem": 200}, "osparams": {"colour": "blue"}}
        _, instance = self.created(**members)
        self.assertEqual(instance.beparams, {"vcpus": 1, "maxmem": 200})
        self.world = World()
        _, instance = self.created(**members, identify_defaults=True)
        self.assertEqual((instance.beparams, instance.osparams), ({"maxmem": 200}, {}))

    def test_dry_run(self) -> None:
        """
        A dry run checks all and makes nothing.
        """
        job = self.job()
        self.assertEqual(job.run(create, parse({**WANTED, "dry_run": True})), ["node1.example.com"])
        self.assertIs(job.config_now, self.config)
        self.assertEqual(self.world.nodes, {"node1.example.com": NodeState()})

    def test_locks(self) -> None:
        """
        The instance stays locked to the end, the node only until the configuration has it.
        """
        job, _ = self.created()
        held = job.locks.held(job.job_id)
        self.assertEqual(
            held,
            {
                "cluster/BGL": LockMode.SHARED,
                f"instance/{NAME}": LockMode.EXCLUSIVE,
                f"node-res/{uuid(1)}": LockMode.EXCLUSIVE,
            },
        )


class PlacementTests(CreateTestCase):
    """
    Tests for which node is chosen.
    """

    def setUp(self) -> None:
        super().setUp()
        self.config = cluster_of(3)
        self.world.node(2).memory_free = 9000
        self.world.node(3).memory_free = 8000

    def placed(self, **members: Any) -> str:
        """
        Where an instance goes.
        """
        [name] = self.job().run(create, parse({**WANTED, **members}))
        return name.partition(".")[0]

    def test_named(self) -> None:
        """
        A node that is named, in short or by UUID, is taken.
        """
        self.assertEqual(self.placed(pnode="node3"), "node3")
        self.assertEqual(self.placed(pnode_uuid=uuid(1)), "node1")

    def test_allocator(self) -> None:
        """
        The allocator takes the node with the most free memory, passing those that are silent or full.
        """
        self.assertEqual(self.placed(iallocator="hail"), "node2")
        self.world.node(2).disks["/x"] = 9_000
        self.assertEqual(self.placed(iallocator="."), "node3")

    def test_default_allocator(self) -> None:
        """
        The cluster's allocator is used where nothing is named.
        """
        self.config = cluster_of(3, default_iallocator="hail")
        self.assertEqual(self.placed(), "node2")

    def test_neither(self) -> None:
        """
        With several nodes, one or an allocator must be named, and not both.
        """
        for members in ({}, {"pnode": "node1", "iallocator": "."}, {"iallocator": "coin"}):
            error = self.assertRaises(OpPrereqError, self.placed, **members)
            self.assertIn("iallocator", str(error))

    def test_opportunistic(self) -> None:
        """
        Nodes that other jobs have locked are passed over; when all are, that is told as a matter of time.
        """
        job = self.job()
        job.locks.request(3, {f"node/{uuid(2)}": LockMode.EXCLUSIVE})
        op = parse({**WANTED, "iallocator": ".", "opportunistic_locking": True})
        self.assertEqual(job.run(create, op), ["node3.example.com"])
        job = self.job()
        job.locks.request(3, {f"node/{uuid(number)}": LockMode.EXCLUSIVE for number in (1, 2, 3)})
        error = self.assertRaises(OpPrereqError, job.run, create, op)
        self.assertEqual(error.args[1], "temp_insufficient_resources")

    def test_nowhere(self) -> None:
        """
        If it fits nowhere, what each node lacks is told.
        """
        error = self.assertRaises(
            OpPrereqError, self.placed, iallocator=".", beparams={"memory": 8500}, disks=[{"size": "9.9g"}]
        )
        self.assertEqual(error.args[1], "insufficient_resources")
        self.assertIn("node node3.example.com: memory needed 8500 MiB, free 8000 MiB", str(error))

    def test_silent(self) -> None:
        """
        If no node answers, that is told.
        """
        self.world.failing["node_info"] = lambda node: NotAnswering(f"Node {node} is silent")
        error = self.assertRaises(OpPrereqError, self.placed, iallocator=".")
        self.assertEqual(error.args[1], "environment_error")

    def test_unusable(self) -> None:
        """
        Nodes that are offline or drained are not chosen, and refused by name.
        """
        self.config = self.config.with_objects(
            [
                msgspec.structs.replace(self.config.nodes[uuid(2)], offline=True),
                msgspec.structs.replace(self.config.nodes[uuid(3)], drained=True),
            ]
        )
        self.assertEqual(self.placed(iallocator="."), "node1")
        self.assertIn("is offline", str(self.assertRaises(OpPrereqError, self.placed, pnode="node2")))


class GroupPlacementTests(CreateTestCase):
    """
    Tests for which group an allocator chooses a node of: the second and third node are in one of their own.
    """

    def setUp(self) -> None:
        super().setUp()
        self.network = Network(uuid=uuid(0xB), name="net", network="198.51.100.0/28")
        self.config = cluster_of(3, default_iallocator="hail").with_objects([empty(self.network)])
        self.change_group()
        for number in (2, 3):
            self.world.node(number).memory_free = 9000
            node = msgspec.structs.replace(self.config.nodes[uuid(number)], group=uuid(0xD))
            self.config = self.config.with_objects([node])

    def change_group(self, **members: Any) -> None:
        """
        Make the other group.
        """
        self.config = self.config.with_objects([NodeGroup(uuid=uuid(0xD), name="other", **members)])

    def placed(self, **members: Any) -> str:
        """
        Where an instance goes, which has more space in the other group.
        """
        [name] = self.job().run(create, parse({**WANTED, **members}))
        return name.partition(".")[0]

    def test_any(self) -> None:
        """
        Groups alike are as one.
        """
        self.assertEqual(self.placed(), "node2")

    def test_network(self) -> None:
        """
        Only a group that is connected to the instance's networks takes it; where none is, that is told.
        """
        nics = [{"network": "net", "ip": "pool"}]
        self.assertIn("not connected", str(self.assertRaises(OpPrereqError, self.placed, nics=nics)))
        connected = {uuid(0xB): {"mode": "routed", "link": "tap", "vlan": ""}}
        group = msgspec.structs.replace(self.config.groups[uuid(0xA)], networks=connected)
        self.config = self.config.with_objects([group])
        self.assertEqual(self.placed(nics=nics), "node1")

    def test_policy(self) -> None:
        """
        A group whose policy does not allow the instance takes it only if the policy is ignored.
        """
        self.change_group(ipolicy={"disk-templates": ["diskless"]})
        self.assertEqual(self.placed(), "node1")
        self.assertEqual(self.placed(ignore_ipolicy=True), "node2")

    def test_last_resort(self) -> None:
        """
        A group of the last resort takes what fits nowhere else, and one that takes none what is sent there by name.
        """
        self.change_group(alloc_policy="last_resort")
        self.assertEqual(self.placed(), "node1")
        self.assertEqual(self.placed(beparams={"memory": 8500}), "node2")
        self.change_group(alloc_policy="unallocable")
        self.assertRaises(OpPrereqError, self.placed, beparams={"memory": 8500})
        self.assertEqual(self.placed(beparams={"memory": 8500}, group_name="other"), "node3")


class RefusalTests(CreateTestCase):
    """
    Tests for what is refused, before anything is made.
    """

    def test_wrong_values(self) -> None:
        """
        Each wrong value is refused with words that name it.
        """
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("instance_name: 'no spaces'", {"instance_name": "no spaces"}),
            ("instance_name", {"instance_name": ""}),
            ("instance_name", {"instance_name": "../../etc"}),
            ("instance_name", {"instance_name": "a..b"}),
            ("instance_name", {"instance_name": "-a"}),
            ("instance_name", {"instance_name": "a" * 300}),
            ("disks/0 size: 0", {"disks": [{"size": 0}]}),
            ("disks/0 size: 0", {"disks": [{"size": "0"}]}),
            ("disks/1 size", {"disks": [{"size": 1}, {"size": "lots"}]}),
            ("disks/0: has no size", {"disks": [{}]}),
            ("disks/0 mode", {"disks": [{"size": 1, "mode": "wo"}]}),
            ("disks/0: adopt", {"disks": [{"size": 1, "adopt": "lv"}]}),
            ("disks: ", {"disks": [{"size": 1}], "disk_template": "diskless"}),
            ("disks: ", {"disks": [{"size": 1}] * 17}),
            ("disks: ", {"disks": [], "disk_template": "file"}),
            ("disk_template: 'drbd'", {"disk_template": "drbd"}),
            ("hypervisor: 'xen-pvm'", {"hypervisor": "xen-pvm"}),
            ("mode: 'import'", {"mode": "import"}),
            ("forthcoming", {"forthcoming": True}),
            ("snode", {"snode": "node1"}),
            ("os_type", {"os_type": None}),
            ("os_type: 'beos' is not on node node1.example.com; it has noop, tiny", {"os_type": "beos"}),
            ("OS broken cannot be used", {"os_type": "broken"}),
            ("has variants", {"os_type": "tiny"}),
            ("has variants", {"os_type": "tiny+medium"}),
            ("nics/0 mac", {"nics": [{"mac": "12"}]}),
            ("nics/0 ip", {"nics": [{"ip": "here"}]}),
            ("nics/0 mode", {"nics": [{"mode": "magic"}]}),
            ("Network name net1 not found", {"nics": [{"network": "net1"}]}),
            ("nics/0 ip: pool", {"nics": [{"ip": "pool"}]}),
            ("nics: MAC address", {"nics": [{"mac": "aa:00:00:00:00:01"}] * 2}),
            ("nics: ", {"nics": [{}] * 9}),
            ("Missing bridges missing0", {**KVM, "nics": [{"link": "missing0"}]}),
            ("hvparams: there is no colour", {"hvparams": {"colour": "red"}}),
            ("hvparams: migration_mode", {"hvparams": {"migration_mode": "live"}}),
            ("hvparams acpi", {**KVM, "hvparams": {"acpi": "perhaps"}}),
            ("Kernel /missing", {**KVM, "hvparams": {"kernel_path": "/missing"}}),
            ("beparams vcpus", {"beparams": {"vcpus": "many"}}),
            ("beparams vcpus", {"beparams": {"vcpus": 0}}),
            ("beparams: minmem", {"beparams": {"minmem": 512}}),
            ("osparams", {"osparams": {"a b": "c"}}),
            ("osparams_private", {"osparams_private": {"a": "c\nd"}}),
            ("file_storage_dir", {"file_storage_dir": "/etc"}),
            ("file_storage_dir", {"file_storage_dir": "a/../.."}),
            ("tags", {"tags": ["no way"]}),
            ("Node name node9 not found", {"pnode": "node9"}),
        ]
        for words, members in wrong:
            job = self.job()
            error = self.assertRaises(OpPrereqError, job.run, create, parse({**WANTED, **members}))
            self.assertIn(words, str(error))
            self.assertIs(job.config_now, self.config)
            self.assertEqual(self.world.node(), NodeState())

    def test_secret_not_told(self) -> None:
        """
        A refused secret is not in the refusal.
        """
        text = self.refused("wrong_input", osparams_secret={"password": "hunter2\n"})
        self.assertNotIn("hunter2", text)

    def test_duplicate(self) -> None:
        """
        A name that is taken is refused as existing, whatever its case.
        """
        job, _ = self.created()
        self.config, self.world = job.config_now, World()
        self.assertEqual(
            self.refused("already_exists", instance_name="WEB.example.com"),
            f"Instance '{NAME}' is already in the cluster",
        )

    def test_taken_mac(self) -> None:
        """
        A MAC address that another instance has is refused, naming that one.
        """
        job, instance = self.created()
        self.config, self.world = job.config_now, World()
        text = self.refused("resource_not_unique", instance_name="b", nics=[{"mac": instance.nics[0].mac}])
        self.assertIn(NAME, text)

    def test_resources(self) -> None:
        """
        Disks larger than what is free, and memory that is not there, are refused with the numbers.
        """
        text = self.refused("insufficient_resources", disks=[{"size": "6g"}, {"size": "6g"}])
        self.assertIn("disk space needed 12288 MiB, free 10000 MiB", text)
        text = self.refused("insufficient_resources", beparams={"memory": "5g"})
        self.assertIn("memory needed 5120 MiB, free 4096 MiB", text)

    def test_policy(self) -> None:
        """
        What the group's policy does not allow is refused, unless that is to be ignored.
        """
        text = self.refused("wrong_input", disks=[{"size": 100}])
        self.assertIn("disk-size/0 value 100 is not in range [1024, 1048576]", text)
        self.created(disks=[{"size": 100}], ignore_ipolicy=True)

    def test_blacklisted(self) -> None:
        """
        A blacklisted OS is not installed.
        """
        self.config = cluster_of(1, blacklisted_os=["tiny"])
        self.assertIn("blacklisted", self.refused("wrong_state"))

    def test_not_enabled(self) -> None:
        """
        What the cluster has not enabled is refused, telling what it has.
        """
        self.config = cluster_of(1, enabled_hypervisors=["kvm"], enabled_disk_templates=["diskless"])
        self.assertIn("enabled: kvm", self.refused("wrong_state"))
        self.assertIn(
            "enabled: diskless", self.refused("wrong_state", hypervisor="kvm", nics=[], disk_template="file")
        )
        self.assertIn("diskless", self.refused("wrong_state", hypervisor="kvm", nics=[]))


class UndoTests(CreateTestCase):
    """
    Whatever stops a creation, nothing of it stays.
    """

    def assertNothing(self, config: Snapshot) -> None:
        """
        No instance, no disk, no guest, and the network port is free again.
        """
        self.assertEqual((len(config.instances), len(config.disks)), (0, 0))
        node = self.world.node()
        self.assertEqual((node.disks, node.linked, node.guests), ({}, set(), {}))
        highest = config.cluster.highest_used_port
        self.assertEqual([*range(11000, highest + 1)], config.cluster.tcpudp_port_pool)

    def test_cancelled_anywhere(self) -> None:
        """
        A cancel request before or in the middle of any step leaves nothing behind.
        """
        whole = self.job()
        whole.run(create, parse({**WANTED, **KVM}))
        self.assertGreater(len(whole.steps), 15)
        for step, midway in product(range(len(whole.steps)), [False, True]):
            self.world = World()
            job = self.job(stop_at=step, midway=midway)
            self.assertRaises(JobCanceled, job.run, create, parse({**WANTED, **KVM}))
            self.assertNothing(job.config_now)

    def test_failing_functions(self) -> None:
        """
        A function that fails on the way makes the job fail with its words, and leaves nothing behind.
        """
        for function in ("blockdev_create", "blockdev_assemble", "instance_os_add", "instance_start"):
            for kind in (FunctionFailed, FunctionDied):
                self.world = World()

                def error(node: str, kind: type[NodeError] = kind) -> NodeError:
                    return kind(f"Node {node} is out of luck")

                self.world.failing[function] = error
                job = self.job()
                raised = self.assertRaises(kind, job.run, create, parse({**WANTED, **KVM}))
                self.assertIn("out of luck", str(raised))
                self.assertNothing(job.config_now)

    def test_undo_that_fails(self) -> None:
        """
        If something cannot be undone, that is told and the rest is undone.
        """
        for function in ("instance_start", "blockdev_remove"):
            self.world.failing[function] = lambda node: FunctionFailed("out of luck")
        job = self.job()
        self.assertRaises(FunctionFailed, job.run, create, parse(WANTED))
        self.assertEqual(len(job.config_now.instances), 0)
        self.assertEqual(len([line for line in job.lines if "out of luck" in line]), 2)
