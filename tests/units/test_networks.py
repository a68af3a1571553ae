"""
Tests for L{gnttwist.units.network}, L{gnttwist.units.network_connection} and L{gnttwist.units.address_pool}.
"""

import random
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.draft import Draft
from gnttwist.errors import OpPrereqError
from gnttwist.model.objects import Network, Nic
from gnttwist.units import address_pool
from tests.units.test_groups import OpcodeTestCase
from tests.units.world import cluster_of, uuid

RANGE = "192.0.2.0/28"


MADE: dict[str, Any] = {
    "mode": "create",
    "disk_template": "diskless",
    "disks": [],
    "os_type": "noop",
    "hypervisor": "fake",
    "ignore_ipolicy": True,
    "pnode": "node1.example.com",
}


class PoolTests(SynchronousTestCase):
    """
    Tests for L{address_pool}.
    """

    def draft(self, **members: Any) -> Draft:
        """
        A draft with one network.
        """
        made = address_pool.empty(Network(uuid=uuid(0xE), name="net", network=RANGE, **members))
        return Draft(cluster_of(1).with_object(made), 0, random.Random(1))

    def test_empty(self) -> None:
        """
        A new network keeps its first and last address, and its gateway.
        """
        network = self.draft(gateway="192.0.2.1").config.networks[uuid(0xE)]
        self.assertEqual((network.reservations, network.ext_reservations), ("0" * 16, "11" + "0" * 13 + "1"))

    def test_ranges(self) -> None:
        """
        Ranges that are none, too large or too small are refused.
        """
        for text in ("192.0.2.1/28", "192.0.2.0/31", "10.0.0.0/8", "2001:db8::/64", "x", "192.0.2.0/33", ""):
            self.assertRaises(OpPrereqError, address_pool.subnet, text)

    @given(st.lists(st.one_of(st.none(), st.integers(0, 20)), max_size=30))
    def test_never_twice(self, wanted: list[int | None]) -> None:
        """
        Whatever is asked for, no address is given twice or though it is kept, and all can be given back.
        """
        draft = self.draft()
        whole = IPv4Network(RANGE)
        given: list[str] = []
        for each in wanted:
            text = None if each is None else str(IPv4Address(int(whole.network_address) + each))
            try:
                given.append(address_pool.reserve(draft, uuid(0xE), text))
            except OpPrereqError:
                continue
        self.assertEqual(len(set(given)), len(given))
        self.assertTrue({IPv4Address(each) for each in given} <= set(whole.hosts()))
        for text in given:
            address_pool.release(draft, Nic(mac="", uuid="", ip=text, network=uuid(0xE)))
        self.assertEqual(draft.config.networks[uuid(0xE)].reservations, "0" * 16)

    def test_full(self) -> None:
        """
        When none is left, that is the error.
        """
        draft = self.draft()
        for _ in range(14):
            address_pool.reserve(draft, uuid(0xE), None)
        error = self.assertRaises(OpPrereqError, address_pool.reserve, draft, uuid(0xE), None)
        self.assertEqual(error.args[1], "insufficient_resources")

    def test_kept(self) -> None:
        """
        An address that is kept can be given only where that is insisted on.
        """
        draft = self.draft(gateway="192.0.2.5")
        self.assertRaises(OpPrereqError, address_pool.reserve, draft, uuid(0xE), "192.0.2.5")
        self.assertEqual(
            address_pool.reserve(draft, uuid(0xE), "192.0.2.5", conflicts_check=False), "192.0.2.5"
        )


class NetworkTests(OpcodeTestCase):
    """
    Tests for the opcodes about networks.
    """

    def network(self) -> Network:
        """
        The network that tests make.
        """
        return self.config.networks.find("net1")

    def add(self, **members: object) -> None:
        """
        Make it.
        """
        self.done("OP_NETWORK_ADD", **{"network_name": "net1", "network": RANGE, **members})

    def kept(self) -> list[str]:
        """
        The addresses that are kept from instances.
        """
        network = self.network()
        pairs = zip(IPv4Network(network.network), network.ext_reservations, strict=True)
        return [str(each) for each, bit in pairs if bit == "1"]

    def test_add(self) -> None:
        """
        A network keeps the addresses of the nodes and of the cluster from instances, and those that it is told.
        """
        self.add(gateway="192.0.2.14", add_reserved_ips=["192.0.2.9"], mac_prefix="AA:01:02", tags=["x"])
        self.assertEqual(self.kept(), ["192.0.2.0", "192.0.2.1", "192.0.2.9", "192.0.2.14", "192.0.2.15"])
        self.assertEqual((self.network().mac_prefix, self.network().tags), ("aa:01:02", ["x"]))
        self.assertIn("192.0.2.1", self.last.lines[0])

    def test_add_without_checks(self) -> None:
        """
        The nodes' addresses are left alone where that is asked for.
        """
        self.add(conflicts_check=False)
        self.assertEqual(self.kept(), ["192.0.2.0", "192.0.2.15"])

    def test_bad(self) -> None:
        """
        Names, ranges, gateways, prefixes and tags that cannot be are refused.
        """
        self.add()
        self.no("already_exists", "OP_NETWORK_ADD", network_name="net1", network=RANGE)
        for members in (
            {"network": "x"},
            {"gateway": "198.51.100.1"},
            {"gateway": "x"},
            {"network6": "x"},
            {"network6": "2001:db8::/64", "gateway6": "2001:db9::1"},
            {"gateway6": "x"},
            {"mac_prefix": "aa"},
            {"mac_prefix": "01:00:5e"},
            {"tags": ["a b"]},
            {"add_reserved_ips": ["198.51.100.1"]},
        ):
            self.no("wrong_input", "OP_NETWORK_ADD", **{"network_name": "net2", "network": RANGE, **members})

    def test_modify(self) -> None:
        """
        Values are replaced, and taken away by C{none}; what is kept follows the gateway.
        """
        self.add(gateway="192.0.2.14")
        name = {"network_name": "net1"}
        self.done("OP_NETWORK_SET_PARAMS", **name, gateway="192.0.2.13", mac_prefix="aa:01:02")
        self.assertIn("192.0.2.13", self.kept())
        self.assertNotIn("192.0.2.14", self.kept())
        self.done(
            "OP_NETWORK_SET_PARAMS", **name, gateway="none", mac_prefix="none", network6="2001:db8::/64"
        )
        network = self.network()
        self.assertEqual(
            (network.gateway, network.mac_prefix, network.network6), (None, None, "2001:db8::/64")
        )
        self.assertNotIn("192.0.2.13", self.kept())
        self.done("OP_NETWORK_SET_PARAMS", **name, add_reserved_ips=["192.0.2.3", "192.0.2.4"])
        self.done(
            "OP_NETWORK_SET_PARAMS", **name, add_reserved_ips=["192.0.2.3"], remove_reserved_ips=["192.0.2.4"]
        )
        self.assertIn("kept from instances already", self.last.lines[0])
        self.assertIn("192.0.2.3", self.kept())
        self.assertNotIn("192.0.2.4", self.kept())

    def test_modify_refused(self) -> None:
        """
        Contradictions, and addresses that are none or elsewhere, are refused.
        """
        self.add(network6="2001:db8::/64")
        for members in (
            {"gateway": "192.0.2.3", "add_reserved_ips": ["192.0.2.4"]},
            {"gateway": "198.51.100.1"},
            {"add_reserved_ips": ["x"]},
            {"gateway6": "2001:db9::1"},
        ):
            self.no("wrong_input", "OP_NETWORK_SET_PARAMS", network_name="net1", **members)
        self.no("unknown_entity", "OP_NETWORK_SET_PARAMS", network_name="nope", gateway="192.0.2.3")

    def test_connections(self) -> None:
        """
        A group is connected and disconnected, both as often as one likes; a network that is connected stays.
        """
        self.add()
        both = {"network_name": "net1", "group_name": "default"}
        how = {**both, "network_mode": "bridged", "network_link": "br0"}
        self.done("OP_NETWORK_CONNECT", **how)
        self.done("OP_NETWORK_CONNECT", **how)
        self.assertIn("already", self.last.lines[0])
        self.assertEqual(
            self.group("default").networks,
            {self.network().uuid: {"mode": "bridged", "link": "br0", "vlan": ""}},
        )
        self.assertIn("default", self.no("wrong_state", "OP_NETWORK_REMOVE", network_name="net1"))
        self.done("OP_NETWORK_DISCONNECT", **both)
        self.done("OP_NETWORK_DISCONNECT", **both)
        self.done("OP_NETWORK_REMOVE", network_name="net1")
        self.assertIsNone(self.config.networks.named("net1"))

    def test_conflicts(self) -> None:
        """
        A group whose instances have addresses of a network is not connected, nor disconnected while they use it.
        """
        self.add()
        instance = self.config.instances.find("web")

        def with_nic(**members: Any) -> None:
            nic = Nic(mac="aa:00:00:00:00:01", uuid=uuid(7), ip="192.0.2.7", **members)
            self.config = self.config.with_object(msgspec.structs.replace(instance, nics=[nic]))

        with_nic()
        how = {
            "network_name": "net1",
            "group_name": "default",
            "network_mode": "bridged",
            "network_link": "br0",
        }
        self.assertIn("192.0.2.7", self.no("wrong_state", "OP_NETWORK_CONNECT", **how))
        self.done("OP_NETWORK_CONNECT", **how, conflicts_check=False)
        with_nic(network=self.network().uuid)
        reason = self.no("wrong_state", "OP_NETWORK_DISCONNECT", network_name="net1", group_name="default")
        self.assertIn("web.example.com", reason)


class InterfaceTests(OpcodeTestCase):
    """
    Tests for instances' interfaces in networks.
    """

    def setUp(self) -> None:
        super().setUp()
        self.done("OP_NETWORK_ADD", network_name="net1", network="198.51.100.0/29", mac_prefix="aa:0b:0c")
        self.done("OP_NETWORK_ADD", network_name="net2", network="203.0.113.0/29")
        self.connect("net1")

    def connect(self, name: str) -> None:
        """
        Connect the only group.
        """
        self.done(
            "OP_NETWORK_CONNECT",
            network_name=name,
            group_name="default",
            network_mode="routed",
            network_link="t7",
        )

    def create(self, name: str, *nics: dict[str, str]) -> list[Nic]:
        """
        Make an instance; its interfaces.
        """
        self.done("OP_INSTANCE_CREATE", **{**MADE, "instance_name": name, "nics": list(nics)})
        return self.config.instances.find(name).nics

    def modify(self, *edits: list[object]) -> list[Nic]:
        """
        Change an instance's interfaces.
        """
        self.done(
            "OP_INSTANCE_SET_PARAMS", instance_name="a.example.com", nics=list(edits), ignore_ipolicy=True
        )
        return self.config.instances.find("a.example.com").nics

    def taken(self, name: str = "net1") -> str:
        """
        Which addresses instances have.
        """
        return self.config.networks.find(name).reservations

    def test_pool(self) -> None:
        """
        Interfaces get the first free addresses of their network, MAC addresses with its prefix, and are connected as
        the group is.
        """
        [one, two] = self.create(
            "a.example.com", {"network": "net1", "ip": "pool"}, {"network": "net1", "ip": "pool"}
        )
        self.assertEqual((one.ip, two.ip), ("198.51.100.1", "198.51.100.2"))
        self.assertEqual(one.nicparams, {"mode": "routed", "link": "t7", "vlan": ""})
        self.assertTrue(one.mac.startswith("aa:0b:0c:"))
        self.assertEqual(self.taken(), "01100000")
        self.done("OP_INSTANCE_REMOVE", instance_name="a.example.com")
        self.assertEqual(self.taken(), "00000000")

    def test_chosen(self) -> None:
        """
        An address can be chosen once; one that is taken, kept or of elsewhere is refused, and nothing is left.
        """
        self.create("a.example.com", {"network": "net1", "ip": "198.51.100.4"})
        before = self.config
        for nic, code in (
            ({"network": "net1", "ip": "198.51.100.4"}, "resource_not_unique"),
            ({"network": "net1", "ip": "198.51.100.0"}, "resource_not_unique"),
            ({"network": "net1", "ip": "192.0.2.9"}, "wrong_input"),
            ({"network": "net1", "mode": "bridged"}, "wrong_input"),
            ({"network": "net2", "ip": "pool"}, "wrong_state"),
            ({"ip": "198.51.100.5"}, "wrong_input"),
        ):
            error = self.assertRaises(OpPrereqError, self.create, "b.example.com", nic)
            self.assertEqual(error.args[1], code, error.args)
            self.assertEqual(self.config.networks.find("net1"), before.networks.find("net1"))
        self.assertIsNone(self.config.instances.named("b.example.com"))

    def test_changes(self) -> None:
        """
        Addresses follow the interfaces: to another address, into a network, to another one, out of it, and away.
        """
        self.connect("net2")
        self.create("a.example.com", {"network": "net1", "ip": "pool"})
        [nic] = self.modify(["modify", 0, {"ip": "198.51.100.3"}])
        self.assertEqual((nic.ip, self.taken()), ("198.51.100.3", "00010000"))
        [nic] = self.modify(["modify", 0, {"name": "lan"}])
        self.assertEqual((nic.ip, self.taken()), ("198.51.100.3", "00010000"))
        [nic] = self.modify(["modify", 0, {"network": "net2", "ip": "pool"}])
        self.assertEqual((nic.ip, self.taken(), self.taken("net2")), ("203.0.113.1", "00000000", "01000000"))
        [nic] = self.modify(["modify", 0, {"network": "none", "ip": "none"}])
        self.assertEqual((nic.network, nic.ip, self.taken("net2")), (None, None, "00000000"))
        [nic, other] = self.modify(["add", -1, {"network": "net1", "ip": "pool"}])
        self.assertEqual((other.ip, self.taken()), ("198.51.100.1", "01000000"))
        self.modify(["remove", 1, {}])
        self.assertEqual(self.taken(), "00000000")
