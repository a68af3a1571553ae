"""
Tests for instances' interfaces in networks: L{gnttwist.units.addresses} as creation, change and removal use it.
"""

from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import JobCanceled, OpPrereqError
from gnttwist.model.objects import Network, Nic
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.address_pool import empty, keep
from gnttwist.units.table import UNITS
from tests.units.world import World, cluster_of, uuid

NAME = "web.example.com"
NET, FAR = uuid(0xB), uuid(0xD)
CONNECTED = {"mode": "routed", "link": "tap", "vlan": ""}
USED = "OP_INSTANCE_SET_PARAMS"
DISKLESS: dict[str, Any] = {
    "mode": "create",
    "disks": [],
    "disk_template": "diskless",
    "os_type": "noop",
    "hypervisor": "fake",
}


class NetworkedTests(SynchronousTestCase):
    """
    A group that is connected to 192.0.2.0/28, whose gateway is .1 and where .2 is kept from instances; and a network
    that it is not connected to.
    """

    def setUp(self) -> None:
        self.world = World()
        config = cluster_of(1)
        net = keep(
            empty(
                Network(
                    uuid=NET, name="net", network="192.0.2.0/28", gateway="192.0.2.1", mac_prefix="aa:bb:cc"
                )
            ),
            "192.0.2.2",
        )
        far = empty(Network(uuid=FAR, name="far", network="198.51.100.0/28"))
        [group] = config.groups
        self.config = config.with_objects(
            [net, far, msgspec.structs.replace(group, networks={NET: CONNECTED})]
        )

    def job(self, **members: Any) -> MemoryJobContext:
        """
        A job in this cluster.
        """
        return MemoryJobContext(self.config, self.world, **members)

    def ran(self, op_id: str, job: MemoryJobContext | None = None, **members: Any) -> None:
        """
        Carry out an opcode about the instance.
        """
        job = job or self.job()
        try:
            job.run(UNITS[op_id].run, parse({"OP_ID": op_id, "instance_name": NAME, **members}))
        finally:
            self.config = job.config_now

    def create(self, *nics: dict[str, Any], **members: Any) -> None:
        """
        Make the instance.
        """
        members = {**DISKLESS, "nics": list(nics), **members}
        self.ran("OP_INSTANCE_CREATE", ignore_ipolicy=True, **members)

    def nics(self) -> list[Nic]:
        """
        The instance's interfaces.
        """
        [instance] = self.config.instances
        return instance.nics

    def taken(self) -> list[int]:
        """
        The last numbers of the addresses that instances have.
        """
        bits = self.config.networks[NET].reservations
        return [index for index, bit in enumerate(bits) if bit == "1"]

    def test_create(self) -> None:
        """
        An interface gets the address that it asks for, or a free one, and what its connection says.
        """
        self.create(
            {"network": "net", "ip": "pool"}, {"network": "net", "ip": "192.0.2.9"}, {"network": "net"}
        )
        self.assertEqual([each.ip for each in self.nics()], ["192.0.2.3", "192.0.2.9", None])
        self.assertEqual(self.taken(), [3, 9])
        for nic in self.nics():
            self.assertEqual((nic.nicparams, nic.network), (CONNECTED, NET))
            self.assertTrue(nic.mac.startswith("aa:bb:cc:"))

    def test_what_nodes_get(self) -> None:
        """
        Nodes are told of the network.
        """
        job = self.job()
        members = {
            "mode": "create",
            "disks": [],
            "disk_template": "diskless",
            "os_type": "noop",
            "hypervisor": "fake",
        }
        self.ran("OP_INSTANCE_CREATE", job, nics=[{"network": "net", "ip": "pool"}], **members)
        [(_, [sent, _, _])] = job.called("instance_start")
        [nic] = sent["nics"]
        self.assertEqual((nic["netinfo"]["name"], nic["ip"]), ("net", "192.0.2.3"))

    def test_remove(self) -> None:
        """
        A removed instance's addresses are free again.
        """
        self.create({"network": "net", "ip": "pool"})
        self.ran("OP_INSTANCE_REMOVE")
        self.assertEqual(self.taken(), [])

    def test_undone(self) -> None:
        """
        Wherever a creation is cancelled, its addresses are free again.
        """
        before = self.config
        self.create({"network": "net", "ip": "pool"})
        for step in range(12):
            self.config, self.world = before, World()
            members = {**DISKLESS, "nics": [{"network": "net", "ip": "pool"}]}
            job = self.job(stop_at=step, midway=True)
            try:
                self.ran("OP_INSTANCE_CREATE", job, **members)
            except JobCanceled:
                self.assertEqual((self.taken(), len(self.config.instances)), ([], 0))

    def test_modify(self) -> None:
        """
        Interfaces enter and leave networks, and change addresses; what they had is free again.
        """
        self.create({"network": "net", "ip": "pool"}, {})
        self.ran(USED, nics=[["modify", 0, {"ip": "192.0.2.7"}]])
        self.assertEqual(self.taken(), [7])
        self.ran(USED, nics=[["modify", 1, {"network": "net", "ip": "pool"}]])
        self.assertEqual(self.taken(), [3, 7])
        self.ran(USED, nics=[["modify", 0, {"name": "lan"}]])
        self.assertEqual((self.taken(), self.nics()[0].network), ([3, 7], NET))
        self.ran(USED, nics=[["modify", 0, {"network": "none", "ip": "none"}]])
        self.assertEqual((self.taken(), self.nics()[0].network, self.nics()[0].nicparams), ([3], None, {}))
        self.ran(USED, nics=[["remove", 1, {}]])
        self.assertEqual(self.taken(), [])

    def refused(self, op_id: str, words: str, **members: Any) -> None:
        """
        An opcode is refused, and nothing has changed.
        """
        before = self.config
        error = self.assertRaises(OpPrereqError, self.ran, op_id, **members)
        self.assertIn(words, str(error))
        self.assertIs(self.config, before)

    def test_refusals(self) -> None:
        """
        Addresses that are taken, kept or elsewhere, networks that are not connected, and parameters that a
        connection has, are refused before anything is touched.
        """
        self.create({"network": "net", "ip": "192.0.2.9"})
        for words, nics in (
            ("in use", [{"network": "net", "ip": "192.0.2.9"}]),
            ("in use", [{"network": "net", "ip": "192.0.2.8"}] * 2),
            ("kept", [{"network": "net", "ip": "192.0.2.2"}]),
            ("not of network", [{"network": "net", "ip": "192.0.3.2"}]),
            ("not connected", [{"network": "far", "ip": "pool"}]),
            ("have what its connection says", [{"network": "net", "link": "br1"}]),
            ("say network=net", [{"ip": "192.0.2.8"}]),
        ):
            self.refused("OP_INSTANCE_CREATE", words, **DISKLESS, instance_name="b.example.com", nics=nics)
            self.refused(USED, words, nics=[["add", -1, each] for each in nics])

    def test_full(self) -> None:
        """
        A network without a free address is told.
        """
        network = self.config.networks[NET]
        self.config = self.config.with_object(msgspec.structs.replace(network, reservations="1" * 16))
        error = self.assertRaises(OpPrereqError, self.create, {"network": "net", "ip": "pool"})
        self.assertEqual(error.args[1], "insufficient_resources")

    def test_unchecked(self) -> None:
        """
        Without the check of conflicts, kept addresses can be had.
        """
        self.create({"network": "net", "ip": "192.0.2.2"}, {"ip": "192.0.2.5"}, conflicts_check=False)
        self.assertEqual(self.taken(), [2])
