"""
Tests for L{gnttwist.units.cluster_modify} and what it is made of.
"""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import FunctionFailed, NotAnswering, OpPrereqError
from gnttwist.model.objects import Cluster
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.cluster_modify import modify
from gnttwist.units.uid_ranges import changed
from tests.units.one_instance import InstanceTestCase
from tests.units.world import World, cluster_of, uuid

OTHER_WORDS = {
    "install_image": "image",
    "enabled_data_collectors": "collectors",
    "data_collector_interval": "collectors",
}
"""
What refusals mention in place of the parameter.
"""


class ModifyTests(SynchronousTestCase):
    """
    Tests for changing the parameters of a cluster of two nodes.
    """

    def setUp(self) -> None:
        self.world = World()
        self.config = cluster_of(2)

    def job(self, **members: Any) -> MemoryJobContext:
        """
        A job that changes the cluster.
        """
        job = MemoryJobContext(self.config, self.world)
        job.run(modify, parse({"OP_ID": "OP_CLUSTER_SET_PARAMS", **members}))
        return job

    def changed(self, **members: Any) -> Cluster:
        """
        The cluster after a change.
        """
        return self.job(**members).config_now.cluster

    def refused(self, mentioned: str, **members: Any) -> None:
        """
        A change is refused in words that mention something, and nothing is changed.
        """
        job = MemoryJobContext(self.config, self.world)
        op = parse({"OP_ID": "OP_CLUSTER_SET_PARAMS", **members})
        reason = self.assertRaises(OpPrereqError, job.run, modify, op)
        self.assertIn(mentioned, str(reason))
        self.assertEqual(job.config_now, self.config)

    def test_plain(self) -> None:
        """
        Values are set as they are given, all in one change; others stay.
        """
        job = self.job(
            maintain_node_health=True, max_running_jobs=50, mac_prefix="AA:0B:00", master_netmask=24
        )
        cluster = job.config_now.cluster
        self.assertEqual((cluster.maintain_node_health, cluster.max_running_jobs), (True, 50))
        self.assertEqual((cluster.mac_prefix, cluster.master_netmask), ("aa:0b:00", 24))
        self.assertEqual(cluster.max_tracked_jobs, self.config.cluster.max_tracked_jobs)
        self.assertEqual(len([each for each in job.steps if each[0] == "change"]), 1)

    def test_bad_values(self) -> None:
        """
        Each wrong value is refused by name.
        """
        for name, value in (
            ("max_running_jobs", 100_000),
            ("mac_prefix", "aa:00"),
            ("mac_prefix", "01:00:00"),
            ("master_netmask", 33),
            ("compression_tools", ["lzop"]),
            ("compression_tools", ["gzip", "rm -rf"]),
            ("install_image", "relative"),
            ("default_iallocator", "../x"),
            ("beparams", {"colour": "red"}),
            ("beparams", {"minmem": "2g", "maxmem": "1g"}),
            ("ndparams", {"ssh_port": "ssh"}),
            ("nicparams", {"mode": "token ring"}),
            ("nicparams", {"link": ""}),
            ("diskparams", {"file": {"stripes": 2}}),
            ("diskparams", {"floppy": {}}),
            ("hvparams", {"kvm": {"colour": "red"}}),
            ("hvparams", {"hyper-v": {}}),
            ("enabled_hypervisors", ["xen-pvm"]),
            ("enabled_hypervisors", []),
            ("enabled_disk_templates", ["plain"]),
            ("file_storage_dir", "relative"),
            ("file_storage_dir", "/a/../b"),
            ("file_storage_dir", ""),
            ("vg_name", "xenvg"),
            ("uid_pool", [[5, 4]]),
            ("uid_pool", [[1, 5], [5, 9]]),
            ("remove_uids", [[1, 2]]),
            ("enabled_data_collectors", {"weather": True}),
            ("data_collector_interval", {"drbd": 0}),
            ("osparams", {"tiny": {"a b": 1}}),
            ("hv_state", {"kvm": {}}),
        ):
            self.refused(OTHER_WORDS.get(name, name), **{name: value})

    def test_inherited(self) -> None:
        """
        Dictionaries are filled with new values, and C{default} is what a new cluster has.
        """
        cluster = self.changed(
            beparams={"memory": "1g"}, ndparams={"ssh_port": 2222}, nicparams={"link": "br9"}
        )
        self.assertEqual(
            (cluster.beparams["default"]["minmem"], cluster.beparams["default"]["maxmem"]), (1024, 1024)
        )
        self.assertEqual(cluster.beparams["default"]["vcpus"], 1)
        self.assertEqual((cluster.ndparams["ssh_port"], cluster.ndparams["spindle_count"]), (2222, 1))
        self.assertEqual(cluster.nicparams["default"]["mode"], "bridged")
        self.config = self.config.with_object(cluster)
        again = self.changed(
            beparams={"minmem": "default", "maxmem": "default"}, ndparams={"ssh_port": "default"}
        )
        self.assertEqual(again.beparams["default"]["maxmem"], 128)
        self.assertEqual(again.ndparams["ssh_port"], 22)

    def test_disk_parameters(self) -> None:
        """
        Disk templates have Ganeti's parameters, and files one of our own.
        """
        cluster = self.changed(diskparams={"file": {"preallocate": "true"}, "ext": {"access": "userspace"}})
        self.assertEqual(cluster.diskparams["file"], {"preallocate": True})

    def test_hypervisor_parameters(self) -> None:
        """
        They are checked on every node that runs instances; one that refuses is named, one that is silent is not
        waited for.
        """
        job = self.job(hvparams={"kvm": {"acpi": False}})
        self.assertFalse(job.config_now.cluster.hvparams["kvm"]["acpi"])
        self.assertEqual(
            [(node, arguments[0]) for node, arguments in job.called("hypervisor_validate_params")],
            [("node1.example.com", "kvm"), ("node2.example.com", "kvm")],
        )
        self.world.failing["hypervisor_validate_params"] = lambda node: FunctionFailed("no such kernel")
        self.refused("node1.example.com: no such kernel", hvparams={"kvm": {"kernel_path": "/boot/x"}})
        self.world.failing["hypervisor_validate_params"] = lambda node: NotAnswering(f"{node} is silent")
        job = self.job(hvparams={"kvm": {"acpi": False}})
        self.assertFalse(job.config_now.cluster.hvparams["kvm"]["acpi"])
        self.assertIn("silent", job.lines[0])

    def test_os_states(self) -> None:
        """
        Operating systems are hidden and blacklisted whether they exist or not; what is so already is told.
        """
        cluster = self.changed(
            hidden_os=[["add", "future"], ["add", "noop"]], blacklisted_os=[["add", "old"]]
        )
        self.assertEqual((cluster.hidden_os, cluster.blacklisted_os), (["future", "noop"], ["old"]))
        self.config = self.config.with_object(cluster)
        job = self.job(hidden_os=[["remove", "noop"], ["remove", "never"], ["add", "future"]])
        self.assertEqual(job.config_now.cluster.hidden_os, ["future"])
        self.assertEqual(len(job.lines), 2)

    def test_os_parameters(self) -> None:
        """
        Parameters of an OS are checked by its own script on the master; null and C{default} take them away.
        """
        job = self.job(osparams={"tiny": {"colour": "red"}}, osparams_private_cluster={"tiny": {"key": "x"}})
        [(node, arguments)] = job.called("os_validate")
        self.assertEqual((node, arguments[0]), ("node1.example.com", False))
        self.assertEqual(arguments[3], {"colour": "red", "key": "x"})
        self.assertEqual(job.config_now.cluster.osparams["tiny"], {"colour": "red"})
        self.config = job.config_now
        self.assertEqual(self.changed(osparams={"tiny": {"colour": None}}).osparams, {})
        self.world.failing["os_validate"] = lambda node: FunctionFailed("no such colour")
        self.refused("no such colour", osparams={"tiny": {"colour": "octarine"}})

    def test_os_hypervisor_parameters(self) -> None:
        """
        Hypervisor parameters of an OS are merged, and gone when the last one is.
        """
        cluster = self.changed(os_hvp={"tiny": {"kvm": {"acpi": False}}})
        self.assertEqual(cluster.os_hvp, {"tiny": {"kvm": {"acpi": False}}})
        self.config = self.config.with_object(cluster)
        cluster = self.changed(os_hvp={"tiny": {"kvm": {"boot_order": "cdrom"}}})
        self.assertEqual(cluster.os_hvp, {"tiny": {"kvm": {"acpi": False, "boot_order": "cdrom"}}})
        self.assertEqual(self.changed(os_hvp={"tiny": {"kvm": {"acpi": "default"}}}).os_hvp, {})

    def test_pool(self) -> None:
        """
        A larger candidate pool is filled at once.
        """
        config = self.config
        node = config.nodes[uuid(2)]
        self.config = config.with_object(msgspec.structs.replace(node, master_candidate=False))
        job = self.job(candidate_pool_size=2)
        self.assertTrue(job.config_now.nodes[uuid(2)].master_candidate)
        self.assertIn("node2.example.com is a master candidate", job.lines[-1])

    def test_dry_run(self) -> None:
        """
        A dry run checks everything and changes nothing.
        """
        self.assertEqual(self.job(max_running_jobs=5, dry_run=True).config_now, self.config)
        self.refused("max_running_jobs", max_running_jobs=10_000, dry_run=True)

    def test_policy(self) -> None:
        """
        The cluster's policy stays whole: values are replaced, none can be taken away, and nonsense is refused.
        """
        self.assertEqual(self.changed(ipolicy={"vcpu-ratio": "8"}).ipolicy["vcpu-ratio"], 8.0)
        self.assertEqual(self.changed(ipolicy={"std": {"cpu-count": 2}}).ipolicy["std"]["cpu-count"], 2)
        wrongs: list[dict[str, Any]] = [
            {"vcpu-ratio": "default"},
            {"vcpu-ratio": -1},
            {"colour": 1},
            {"std": {"memory-size": 1}},
            {"minmax": [{"min": {}}]},
            {"minmax": [{"min": {}, "max": {}}]},
            {"minmax": 5},
            {"disk-templates": ["plain"]},
            {"disk-templates": ["floppy"]},
        ]
        for wrong in wrongs:
            self.refused("ipolicy", ipolicy=wrong)


class UsedTests(InstanceTestCase):
    """
    Tests for changes that concern an instance that there is.
    """

    def change(self, **members: Any) -> MemoryJobContext:
        """
        A change, which the next one sees.
        """
        job = self.job()
        job.run(modify, parse({"OP_ID": "OP_CLUSTER_SET_PARAMS", **members}))
        self.config = job.config_now
        return job

    def test_template_in_use(self) -> None:
        """
        A disk template that an instance has cannot be disabled.
        """
        reason = self.assertRaises(OpPrereqError, self.change, enabled_disk_templates=["diskless"])
        self.assertIn("web.example.com", str(reason))

    def test_violations(self) -> None:
        """
        Instances that a new policy does not allow any more are named; the policy holds.
        """
        policy = self.config.cluster.ipolicy["minmax"][0]
        narrow = {"min": policy["min"], "max": {**policy["max"], "disk-count": 1}}
        # It has no interface, so that it violated the policy already.
        self.assertEqual(self.change(ipolicy={"minmax": [narrow]}).lines, [])
        wide = {"min": {**policy["min"], "nic-count": 0}, "max": policy["max"]}
        self.assertEqual(self.change(ipolicy={"minmax": [wide]}).lines, [])
        job = self.change(ipolicy={"minmax": [{**narrow, "min": wide["min"]}]})
        self.assertIn("web.example.com", job.lines[-1])


class RangesTests(SynchronousTestCase):
    """
    Tests for L{changed}.
    """

    @given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=4), st.data())
    def test_any(self, wanted: list[tuple[int, int]], data: st.DataObject) -> None:
        """
        What is accepted is in order and without overlaps, and what is added can be removed again.
        """
        try:
            pool = changed([], wanted, None, None)
        except OpPrereqError:
            return
        assert pool is not None
        numbers = [each for low, high in pool for each in range(low, high + 1)]
        self.assertEqual(numbers, sorted(set(numbers)))
        more = [(200, 300)]
        self.assertEqual(changed(changed(pool, None, more, None) or [], None, None, more), pool)

    def test_nothing(self) -> None:
        """
        Without a change there is none.
        """
        self.assertIsNone(changed([[1, 2]], None, None, None))
        self.assertEqual(changed([[1, 2]], [], None, None), [])
