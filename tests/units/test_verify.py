"""
Tests for L{gnttwist.units.cluster}, L{gnttwist.units.verify_config} and L{gnttwist.units.verify_group}.
"""

from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import FunctionFailed, NotAnswering, OpPrereqError
from gnttwist.model.objects import Disk, Instance, Nic, NodeGroup
from gnttwist.model.opcode import Opcode
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.cluster import destroy, post_init, query, verify
from gnttwist.units.file_checks import OPTIONAL_FILES, SAME_FILES, STORAGE_PATHS
from gnttwist.units.verify_config import verify_config
from gnttwist.units.verify_group import verify_group
from tests.units.world import World, cluster_of, uuid


def opcode(op_id: str, **members: Any) -> Opcode:
    """
    An opcode of this name.
    """
    return parse({"OP_ID": op_id, **members})


def with_instance(config: Snapshot, on: int = 1, **members: Any) -> Snapshot:
    """
    A configuration with an instance C{web} that has one disk and should run.
    """
    disk = Disk(
        uuid=uuid(0xD),
        dev_type="file",
        logical_id=["loop", "/d"],
        size=1024,
        nodes=[uuid(on)],
        iv_name="disk/0",
    )
    usual: dict[str, Any] = {
        "uuid": uuid(0x1000),
        "name": "web",
        "primary_node": uuid(on),
        "os": "noop",
        "hypervisor": "fake",
        "admin_state": "up",
        "disks": [disk.uuid],
        "disks_active": True,
        "nics": [Nic(mac="aa:00:00:00:00:01", uuid=uuid(0x2000))],
    }
    return config.with_objects([disk, Instance(**{**usual, **members})])


class SubmitTests(SynchronousTestCase):
    """
    Tests for L{verify} and L{post_init}.
    """

    def submitted(self, **members: Any) -> list[dict[str, Any]]:
        """
        The opcodes of the jobs that are submitted.
        """
        config = cluster_of(1).with_object(NodeGroup(uuid=uuid(0xB), name="second"))
        self.job = MemoryJobContext(config, World())
        self.result = self.job.run(verify, opcode("OP_CLUSTER_VERIFY", **members))
        return [job[0] for job in self.job.submitted]

    def test_everything(self) -> None:
        """
        There is a job for the configuration and one that follows it for each group, whatever it finds.
        """
        first, *groups = self.submitted(error_codes=True, skip_checks=["nplusone_mem"], verbose=True)
        self.assertEqual(self.result, {"jobs": [[True, 100], [True, 101], [True, 102]]})
        self.assertEqual(first["OP_ID"], "OP_CLUSTER_VERIFY_CONFIG")
        self.assertEqual([each["group_name"] for each in groups], ["default", "second"])
        self.assertEqual([each["depends"] for each in groups], [[[100, []]]] * 2)
        for each in [first, *groups]:
            self.assertTrue(each["error_codes"] and each["verbose"])
            parse(each)
        self.assertEqual(groups[0]["skip_checks"], ["nplusone_mem"])

    def test_one_group(self) -> None:
        """
        A single group is verified without the configuration; an unknown one is refused.
        """
        [only] = self.submitted(group_name="second")
        self.assertEqual((only["group_name"], only["depends"]), ("second", None))
        self.assertRaises(OpPrereqError, self.submitted, group_name="third")

    def test_post_init(self) -> None:
        """
        A new cluster's first job succeeds.
        """
        job = MemoryJobContext(cluster_of(1), World())
        self.assertIs(job.run(post_init, opcode("OP_CLUSTER_POST_INIT")), True)


class ClusterTests(SynchronousTestCase):
    """
    Tests for L{query} and L{destroy}.
    """

    def test_query(self) -> None:
        """
        As a job, too, the cluster tells everything about itself.
        """
        told = MemoryJobContext(cluster_of(1), World()).run(query, opcode("OP_CLUSTER_QUERY"))
        self.assertEqual((told["name"], told["master"]), ("cluster.example.com", "node1.example.com"))

    def test_destroy(self) -> None:
        """
        A cluster of the master alone can be given up; one with instances or other nodes cannot.
        """
        op = opcode("OP_CLUSTER_DESTROY")
        self.assertEqual(MemoryJobContext(cluster_of(1), World()).run(destroy, op), uuid(1))
        for config, words in (
            (cluster_of(2), "node2.example.com"),
            (with_instance(cluster_of(1)), "1 instances"),
        ):
            job = MemoryJobContext(config, World())
            error = self.assertRaises(OpPrereqError, job.run, destroy, op)
            self.assertIn(words, str(error))


class ConfigTests(SynchronousTestCase):
    """
    Tests for L{verify_config}.
    """

    def verified(self, config: Snapshot, **members: Any) -> tuple[bool, list[str]]:
        """
        The result, and the lines that are not headings.
        """
        job = MemoryJobContext(config, World())
        result = job.run(verify_config, opcode("OP_CLUSTER_VERIFY_CONFIG", **members))
        self.assertEqual(job.lines[0], "* Verifying cluster config")
        return result, [line for line in job.lines if not line.startswith("* ")]

    def test_in_order(self) -> None:
        """
        In a configuration that agrees with itself nothing is found.
        """
        self.assertEqual(self.verified(with_instance(cluster_of(2))), (True, []))

    def test_contradictions(self) -> None:
        """
        Each contradiction is found and told once.
        """
        good = with_instance(cluster_of(2))
        [web] = good.instances
        node = good.nodes[uuid(2)]
        twin = msgspec.structs.replace(web, uuid=uuid(0x1001), name="twin", disks=[], network_port=12000)
        for wrong, words in [
            (good.with_object(msgspec.structs.replace(web, disks=[uuid(9)])), "disk 00000009"),
            (good.without(Disk, uuid(0xD)), "which does not exist"),
            (good.with_object(msgspec.structs.replace(web, disks=[])), "belongs to no instance"),
            (good.with_object(msgspec.structs.replace(web, hypervisor="lxc")), "is not enabled"),
            (good.with_object(msgspec.structs.replace(web, hvparams={"colour": 1})), "there is no colour"),
            (good.with_object(msgspec.structs.replace(web, primary_node=uuid(9))), "its primary node"),
            (good.with_object(twin), "MAC address aa:00:00:00:00:01 is there 2 times"),
            (good.with_object(twin), "network port 12000 is used but"),
            (
                good.with_object(msgspec.structs.replace(node, group=uuid(9))),
                "ERROR: node node2.example.com: its group",
            ),
            (
                good.with_object(msgspec.structs.replace(node, primary_ip="192.0.2.1")),
                "primary IP address 192.0.2.1",
            ),
            (cluster_of(2, master_node=uuid(9)), "the master node"),
            (cluster_of(2, enabled_hypervisors=["abacus"]), "hypervisor abacus"),
            (cluster_of(2, uuid="nonsense"), "'nonsense' is not a UUID"),
        ]:
            result, lines = self.verified(wrong)
            self.assertFalse(result)
            self.assertEqual(len([line for line in lines if words in line]), 1, (words, lines))

    def test_forms(self) -> None:
        """
        Lines have Ganeti's two forms, and what is to be ignored is a warning that does not count.
        """
        wrong = cluster_of(1, enabled_disk_templates=[])
        text = "no disk template is enabled"
        self.assertEqual(self.verified(wrong), (False, [f"  - ERROR: cluster: {text}"]))
        self.assertEqual(
            self.verified(wrong, error_codes=True), (False, [f"  - ERROR:ECLUSTERCFG:cluster::{text}"])
        )
        self.assertEqual(
            self.verified(wrong, ignore_errors=["ECLUSTERCFG"]), (True, [f"  - WARNING: cluster: {text}"])
        )

    def test_simulated(self) -> None:
        """
        With simulated errors there is one although all is well.
        """
        result, lines = self.verified(cluster_of(1), debug_simulate_errors=True, error_codes=True)
        self.assertFalse(result)
        self.assertEqual(lines, ["  - ERROR:ECLUSTERCFG:cluster::simulated problem"])


class GroupTests(SynchronousTestCase):
    """
    Tests for L{verify_group}.
    """

    def setUp(self) -> None:
        self.config = with_instance(cluster_of(2), on=2)
        self.world = World()
        for number in (1, 2):
            self.world.node(number).oses = [["noop", "/o", True, "", [], [], [20], True]]
        self.world.node(2).guests["web"] = 128
        self.world.node(2).disks["/d"] = 1024

    def verified(self, **members: Any) -> tuple[bool, list[str]]:
        """
        The result, and the lines that are not headings.
        """
        self.job = MemoryJobContext(self.config, self.world)
        op = opcode("OP_CLUSTER_VERIFY_GROUP", group_name="default", error_codes=True, **members)
        result = self.job.run(verify_group, op)
        return result, [line for line in self.job.lines if not line.startswith("* ")]

    def found(self, *parts: str) -> None:
        """
        Exactly one thing is wrong, and this is how it is told.
        """
        result, lines = self.verified()
        self.assertFalse(result)
        self.assertEqual(len(lines), 1, lines)
        for part in parts:
            self.assertIn(part, lines[0])

    def test_in_order(self) -> None:
        """
        When nodes and instances are as they should be, nothing is found, in Ganeti's order of sections.
        """
        self.assertEqual(self.verified(), (True, []))
        headings = [line for line in self.job.lines if line.startswith("* Verifying")]
        self.assertEqual(headings[0], "* Verifying group 'default'")
        self.assertLess(
            headings.index("* Verifying node status"), headings.index("* Verifying instance status")
        )

    def test_silent_node(self) -> None:
        """
        A node that does not answer is told once, and the others are verified.
        """
        self.world.failing["node_verify"] = lambda node: NotAnswering(f"Node {node} is silent")
        result, lines = self.verified()
        self.assertFalse(result)
        self.assertEqual([line.split(":")[1] for line in lines], ["ENODERPC", "ENODERPC"])
        self.assertIn("is silent", lines[0])

    def test_node_facts(self) -> None:
        """
        What is wrong on a node is told under Ganeti's codes.
        """
        wrong: list[tuple[dict[str, Any], str, str]] = [
            ({"version": [2_160_000, "2.16"]}, "ENODEVERSION", "protocol 2160000"),
            ({"version": None}, "ENODEVERSION", "does not tell"),
            ({"time": [1_700_000_400, 0]}, "ENODETIME", "399.8 s off"),
            ({"time": "noon"}, "ENODETIME", "does not tell"),
            ({"filelist": {"/var/lib/ganeti/server.pem": "aa"}}, "ENODEFILECHECK", "hmac.key is missing"),
            ({"nodesetup": ["no /proc"]}, "ENODESETUP", "no /proc"),
            ({"hypervisor": {"fake": "no directory"}}, "ENODEHV", "no directory"),
            ({"hvparms": [["cluster", "kvm", "no kernel"]]}, "ENODEHV", "no kernel"),
            ({"node-net-test": {"node1": "no answer"}}, "ENODENET", "does not reach node node1: no answer"),
            ({"allowed-file-storage-paths": ["/etc"]}, "ENODEFILESTORAGEPATHS", "/etc"),
            ({"file-storage-path": "not a directory"}, "ENODEFILESTORAGEPATHUNUSABLE", "not a directory"),
        ]
        for answers, code, text in wrong:
            self.setUp()
            self.world.node(2).verify.update(answers)
            self.found(f"ERROR:{code}:node:node2.example.com:", text)

    def test_shared_files(self) -> None:
        """
        Files that only some nodes have, or that differ, are told once, of the cluster; missing on all, they are not.
        """
        for path in (OPTIONAL_FILES[0], STORAGE_PATHS):
            self.setUp()
            one, two = self.world.node(1).verify, self.world.node(2).verify
            usual = dict.fromkeys(SAME_FILES, "aa")
            one["filelist"], two["filelist"] = {**usual, path: "bb"}, usual
            self.found(
                f"ERROR:ECLUSTERFILECHECK:cluster::file {path} is on node1.example.com, and not on node2.example.com"
            )
            two["filelist"] = {**usual, path: "cc"}
            self.found("ECLUSTERFILECHECK", f"{path} differs", "2 kinds")
            two["filelist"] = {**usual, path: "bb"}
            self.assertEqual(self.verified(), (True, []))

    def test_scripts(self) -> None:
        """
        The script for the master's address is looked for where the cluster says that it has one.
        """
        self.world.node(2).verify["user-scripts"] = ["/x/setup"]
        self.assertEqual(self.verified(), (True, []))
        self.config = with_instance(cluster_of(2, use_external_mip_script=True), on=2)
        self.found("ERROR:ENODEUSERSCRIPTS:node:node2.example.com:", "cannot be executed: /x/setup")

    def test_clock_within_limits(self) -> None:
        """
        A clock that is two minutes off is well enough.
        """
        self.world.node(2).verify["time"] = [1_700_000_120, 0]
        self.assertEqual(self.verified(), (True, []))

    def test_systems(self) -> None:
        """
        An OS that is missing, or has other variants than on the master, is told.
        """
        self.world.node(1).oses = [["tiny", "/o", True, "", ["small"], [], [20], True]]
        self.world.node(2).oses = [["tiny", "/o", True, "", ["large"], [], [20], True]]
        self.found("ENODEOS", "has variants large; on the master small")
        self.world.node(2).oses = []
        self.found("ENODEOS", "OS tiny is missing")

    def test_instance_down(self) -> None:
        """
        An instance that should run and does not is told.
        """
        self.world.node(2).guests.clear()
        self.found("ERROR:EINSTANCEDOWN:instance:web:")

    def test_instance_elsewhere(self) -> None:
        """
        An instance that runs on another node is down where it should run, and on the wrong node there.
        """
        self.world.node(1).guests["web"] = self.world.node(2).guests.pop("web")
        _, lines = self.verified()
        self.assertEqual([line.split(":")[1] for line in lines], ["EINSTANCEDOWN", "EINSTANCEWRONGNODE"])

    def test_should_be_down(self) -> None:
        """
        An instance that runs and should not is told.
        """
        [web] = self.config.instances
        self.config = self.config.with_object(msgspec.structs.replace(web, admin_state="down"))
        self.found("EINSTANCEWRONGNODE", "should be down")

    def test_orphan(self) -> None:
        """
        A guest that the configuration does not have is told.
        """
        self.world.node(1).guests["ghost"] = 1
        self.found("ERROR:ENODEORPHANINSTANCE:node:node1.example.com:", "ghost")

    def test_disks(self) -> None:
        """
        A disk that is gone is told, and so is one that cannot be looked at.
        """
        self.world.node(2).disks.clear()
        self.found("ERROR:EINSTANCEMISSINGDISK:instance:web:", "disk 0")
        self.world.failing["blockdev_find"] = lambda node: FunctionFailed("no luck")
        self.found("ERROR:EINSTANCEFAULTYDISK:instance:web:", "no luck")

    def test_policy(self) -> None:
        """
        An instance outside of the policy is a warning.
        """
        [web] = self.config.instances
        self.config = self.config.with_object(msgspec.structs.replace(web, beparams={"maxmem": 64}))
        result, lines = self.verified()
        self.assertTrue(result)
        self.assertEqual([line.split(":")[:2] for line in lines], [["  - WARNING", "EINSTANCEPOLICY"]])

    def test_bridges(self) -> None:
        """
        A bridge that a guest's interface is on and that the node lacks is told; the fake hypervisor's need none.
        """
        self.world.node(2).verify["bridges"] = ["br0"]
        self.assertEqual(self.verified(), (True, []))
        [web] = self.config.instances
        self.config = self.config.with_object(msgspec.structs.replace(web, hypervisor="kvm"))
        self.found("ERROR:ENODENET:node:node2.example.com:", "br0")

    def test_exclusions(self) -> None:
        """
        Two instances on a node with a tag that the cluster says is exclusive are a warning; other tags are not.
        """
        [web] = self.config.instances
        web = msgspec.structs.replace(web, tags=["service:web", "blue"])
        twin = msgspec.structs.replace(
            web, uuid=uuid(0x1001), name="twin", disks=[], admin_state="down", disks_active=False
        )
        self.config = self.config.with_objects([web, twin])
        self.assertEqual(self.verified(), (True, []))
        cluster = msgspec.structs.replace(self.config.cluster, tags=["htools:iextags:service"])
        self.config = self.config.with_object(cluster)
        result, [line] = self.verified()
        self.assertTrue(result)
        self.assertIn("WARNING:EEXTAGS:node:node2.example.com:", line)
        self.assertTrue(line.endswith("service:web"), line)

    def test_split(self) -> None:
        """
        An instance with a disk on a node of another group is a warning.
        """
        other = msgspec.structs.replace(self.config.nodes[uuid(1)], group=uuid(0xB))
        disk = msgspec.structs.replace(self.config.disks[uuid(0xD)], nodes=[uuid(1), uuid(2)])
        self.config = self.config.with_objects([NodeGroup(uuid=uuid(0xB), name="second"), other, disk])
        result, [line] = self.verified()
        self.assertTrue(result)
        self.assertIn("WARNING:EINSTANCESPLITGROUPS:instance:web:", line)
        self.assertIn("default, second", line)

    def test_ignored(self) -> None:
        """
        An error that is to be ignored is a warning, and the group in order.
        """
        self.world.node(2).guests.clear()
        result, [line] = self.verified(ignore_errors=["EINSTANCEDOWN"])
        self.assertTrue(result)
        self.assertIn("WARNING:EINSTANCEDOWN:instance:web:", line)

    def test_offline_node(self) -> None:
        """
        A node that is offline is not asked, and instances that should run there are told.
        """
        node = self.config.nodes[uuid(2)]
        self.config = self.config.with_object(msgspec.structs.replace(node, offline=True))
        result, lines = self.verified()
        self.assertFalse(result)
        self.assertIn("EINSTANCEBADNODE", lines[0])
        self.assertEqual({step[1] for step in self.job.steps if step[0] == "call"}, {"node1.example.com"})

    def test_empty_group(self) -> None:
        """
        A group without nodes is in order.
        """
        self.config = self.config.with_object(NodeGroup(uuid=uuid(0xB), name="empty"))
        job = MemoryJobContext(self.config, self.world)
        self.assertIs(job.run(verify_group, opcode("OP_CLUSTER_VERIFY_GROUP", group_name="empty")), True)

    def test_simulated(self) -> None:
        """
        With simulated errors, checks are told as failed although all is well.
        """
        result, lines = self.verified(debug_simulate_errors=True)
        self.assertFalse(result)
        codes = {line.split(":")[1] for line in lines}
        self.assertLessEqual({"ENODERPC", "ENODEVERSION", "ENODETIME", "EINSTANCEDOWN"}, codes)
