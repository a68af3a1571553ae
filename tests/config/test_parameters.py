"""
Tests for L{gnttwist.config.parameters} and L{gnttwist.config.defaults}.
"""

import json
from importlib.resources import files
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config import defaults, parameters
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import Nic, NodeGroup
from tests.config.objects import CLUSTER, EMPTY, instance, node

GOLDEN = json.loads(files("tests.golden").joinpath("config-3.0.json").read_text())["cluster"]
LAYERS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3))


def cluster(**members: Any) -> Snapshot:
    """
    A cluster with these members.
    """
    return EMPTY.with_object(msgspec.structs.replace(CLUSTER, **members))


class DefaultsTests(SynchronousTestCase):
    """
    Tests for the tables.
    """

    def test_real(self) -> None:
        """
        The tables are those of a real cluster that changed none of them.
        """
        self.assertEqual(defaults.HYPERVISOR_PARAMETERS, GOLDEN["hvparams"])
        self.assertEqual(defaults.BACKEND_PARAMETERS, GOLDEN["beparams"]["default"])
        self.assertEqual(defaults.NIC_PARAMETERS, GOLDEN["nicparams"]["default"])
        self.assertEqual(defaults.NODE_PARAMETERS, GOLDEN["ndparams"])
        self.assertEqual(defaults.DISK_PARAMETERS, GOLDEN["diskparams"])
        self.assertEqual(defaults.DATA_COLLECTORS, GOLDEN["data_collectors"])
        self.assertEqual(list(defaults.COMPRESSION_TOOLS), GOLDEN["compression_tools"])

    def test_policy(self) -> None:
        """
        The policy names what a real one does.
        """
        real = GOLDEN["ipolicy"]
        self.assertEqual(set(defaults.INSTANCE_POLICY), set(real) - {"disk-templates"})
        self.assertEqual(set(defaults.INSTANCE_POLICY["std"]), set(real["std"]))
        self.assertEqual(set(defaults.INSTANCE_POLICY["minmax"][0]["min"]), set(real["minmax"][0]["min"]))


class FillTests(SynchronousTestCase):
    """
    Tests for inheritance.
    """

    @given(st.lists(LAYERS, max_size=4))
    def test_layers(self, layers: list[dict[str, int]]) -> None:
        """
        Each name has the value of the last layer that has it.
        """
        filled = parameters.fill(*layers)
        self.assertEqual(set(filled), {name for layer in layers for name in layer})
        for name, value in filled.items():
            self.assertEqual(value, next(layer[name] for layer in reversed(layers) if name in layer))

    def test_copy(self) -> None:
        """
        What comes out shares nothing with what went in.
        """
        layer = {"a": [1]}
        parameters.fill(layer)["a"].append(2)
        self.assertEqual(layer, {"a": [1]})

    def test_hypervisor(self) -> None:
        """
        An instance's own hypervisor parameters win over its OS's, and those over the cluster's.
        """
        config = cluster(
            hvparams={"fake": {"a": 1, "b": 1, "c": 1, "migration_mode": "live"}, "kvm": {"z": 1}},
            os_hvp={"image+small": {"fake": {"b": 2, "c": 2}, "kvm": {"z": 2}}, "image": {"fake": {"a": 9}}},
        )
        one = msgspec.structs.replace(instance("i", "i", "n1"), os="image+small", hvparams={"c": 3})
        self.assertEqual(parameters.fill_hv(config, one), {"a": 1, "b": 2, "c": 3, "migration_mode": "live"})
        self.assertEqual(parameters.fill_hv(config, one, skip_globals=True), {"a": 1, "b": 2, "c": 3})

    def test_backend(self) -> None:
        """
        Backend parameters come from the cluster and the instance.
        """
        config = cluster(beparams={"default": {"vcpus": 1, "maxmem": 128}})
        one = msgspec.structs.replace(instance("i", "i", "n1"), beparams={"maxmem": 512})
        self.assertEqual(parameters.fill_be(config, one), {"vcpus": 1, "maxmem": 512})

    def test_nic(self) -> None:
        """
        A NIC's parameters come from the cluster and the NIC.
        """
        config = cluster(nicparams={"default": {"mode": "bridged", "link": "br0", "vlan": ""}})
        nic = Nic(mac="aa:00:00:00:00:01", uuid="u", nicparams={"link": "br1"})
        self.assertEqual(parameters.fill_nic(config, nic), {"mode": "bridged", "link": "br1", "vlan": ""})

    def test_os(self) -> None:
        """
        OS parameters come from the OS, then the OS with its variant, then the instance; private ones likewise.
        """
        by_os = {"image": {"a": "1", "b": "1", "c": "1"}, "image+small": {"b": "2", "c": "2"}}
        config = cluster(osparams=by_os, osparams_private_cluster=by_os)
        one = msgspec.structs.replace(
            instance("i", "i", "n1"), os="image+small", osparams={"c": "3"}, osparams_private={"a": "4"}
        )
        self.assertEqual(parameters.fill_os(config, one), {"a": "1", "b": "2", "c": "3"})
        self.assertEqual(parameters.fill_os_private(config, one), {"a": "4", "b": "2", "c": "2"})
        bare = msgspec.structs.replace(one, os="")
        self.assertEqual(parameters.fill_os(config, bare), {"c": "3"})

    def test_group(self) -> None:
        """
        A group changes what its nodes, disks and instances inherit.
        """
        group = NodeGroup(
            uuid="g",
            name="default",
            ndparams={"ssh_port": 2222},
            diskparams={"plain": {"stripes": 2}},
            ipolicy={"std": {"cpu-count": 2}, "minmax": [{"min": {}, "max": {}}]},
        )
        config = cluster(
            ndparams={"ssh_port": 22, "cpu_speed": 1.0},
            diskparams={"plain": {"stripes": 1}, "file": {}},
            ipolicy={"std": {"cpu-count": 1, "nic-count": 1}, "minmax": [], "vcpu-ratio": 4.0},
        ).with_object(group)
        one = msgspec.structs.replace(node("n1", "n1"), ndparams={"cpu_speed": 2.0})
        self.assertEqual(parameters.fill_nd(config, one), {"ssh_port": 2222, "cpu_speed": 2.0})
        self.assertEqual(parameters.group_nd(config, group), {"ssh_port": 2222, "cpu_speed": 1.0})
        self.assertEqual(parameters.group_disk(config, group, "plain"), {"stripes": 2})
        self.assertEqual(parameters.group_disk(config, group, "file"), {})
        self.assertEqual(
            parameters.group_ipolicy(config, group),
            {
                "std": {"cpu-count": 2, "nic-count": 1},
                "minmax": [{"min": {}, "max": {}}],
                "vcpu-ratio": 4.0,
            },
        )
