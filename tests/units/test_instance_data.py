"""
Tests for L{gnttwist.units.instance_data}.
"""

from typing import Any

import msgspec

from gnttwist.errors import OpExecError, OpPrereqError
from gnttwist.model.objects import Network
from tests.units.one_instance import NAME, InstanceTestCase
from tests.units.world import uuid

MEMBERS = """
name config_state run_state pnode pnode_group_uuid pnode_group_name snodes snodes_group_uuids snodes_group_names
os nics disk_template disks hypervisor network_port hv_instance hv_actual be_instance be_actual os_instance
os_actual serial_no mtime ctime uuid
"""
"""
What Ganeti 3.0.2's C{gnt-instance info} reads.
"""

DISK_MEMBERS = "iv_name dev_type logical_id drbd_info pstatus sstatus children mode size spindles name uuid"


class QueryDataTests(InstanceTestCase):
    """
    Tests for C{OP_INSTANCE_QUERY_DATA}.
    """

    created = {"hypervisor": "fake", "nics": [{"ip": "192.0.2.77"}], "tags": ["x"]}

    def told(self, **members: Any) -> dict[str, Any]:
        """
        What is told of the instance.
        """
        result, self.last = self.ran("OP_INSTANCE_QUERY_DATA", instance_name=None, **members)
        found: dict[str, Any] = result[NAME]
        return found

    def test_members(self) -> None:
        """
        Everything that Ganeti's clients read is there, with what the node says.
        """
        told = self.told()
        self.assertEqual(set(told), set(MEMBERS.split()))
        self.assertEqual((told["config_state"], told["run_state"]), ("up", "up"))
        self.assertEqual((told["disk_template"], told["pnode"]), ("file", "node1.example.com"))
        [first, _] = told["disks"]
        self.assertEqual(set(first), set(DISK_MEMBERS.split()))
        self.assertEqual(first["pstatus"], [first["logical_id"][1], *[None] * 6])
        [nic] = told["nics"]
        self.assertEqual((nic[2], nic[4:]), ("192.0.2.77", ["bridged", "br0", "", None, None]))
        self.assertEqual(told["be_instance"], {})
        self.assertEqual(told["be_actual"]["maxmem"], 128)
        self.assertNotIn("migration_mode", told["hv_actual"])

    def test_network(self) -> None:
        """
        An interface in a network has the network with it.
        """
        [instance] = self.config.instances
        network = Network(uuid=uuid(0xB), name="net", network="192.0.2.0/24")
        nics = [msgspec.structs.replace(instance.nics[0], network=network.uuid)]
        self.config = self.config.with_object(network).with_object(
            msgspec.structs.replace(instance, nics=nics)
        )
        self.assertEqual(self.told()["nics"][0][8]["name"], "net")

    def test_static(self) -> None:
        """
        Static data asks no node.
        """
        told = self.told(static=True)
        self.assertEqual((told["run_state"], told["disks"][0]["pstatus"]), (None, None))
        self.assertEqual([step for step in self.last.steps if step[0] == "call"], [])

    def test_states(self) -> None:
        """
        States are told in Ganeti's words.
        """
        self.world.node().guests.clear()
        self.assertEqual(self.told()["run_state"], "down")
        self.ran("OP_INSTANCE_SHUTDOWN", admin_state_source="user")
        self.assertEqual(self.told()["run_state"], "user down")

    def test_silent_node(self) -> None:
        """
        Of instances on a node that does not answer, what is configured is told, and the log says why no more.
        """
        self.world.failing["all_instances_info"] = self.silent
        self.assertEqual(self.told()["run_state"], None)
        self.assertIn("is silent", self.last.lines[0])
        self.offline()
        self.assertEqual(self.told()["run_state"], None)
        self.assertIn("is offline", self.last.lines[0])

    def test_locking(self) -> None:
        """
        With locks, instances are locked shared.
        """
        self.told(use_locking=True, instances=["web"])
        self.assertIn("acquire", [step[0] for step in self.last.steps])

    def test_unknown(self) -> None:
        """
        An instance that is not there is refused by name.
        """
        self.assertRaises(OpPrereqError, self.told, instances=["nope"])


class ConsoleTests(InstanceTestCase):
    """
    Tests for C{OP_INSTANCE_CONSOLE}.
    """

    def test_told(self) -> None:
        """
        The node tells how to reach the console, from filled parameters.
        """
        result, job = self.ran("OP_INSTANCE_CONSOLE")
        self.assertEqual((result["instance"], result["kind"]), (NAME, "msg"))
        [(_, [asked])] = job.called("instance_console_info")
        self.assertEqual(set(asked[NAME]), {"instance", "node", "group", "hvParams", "beParams"})

    def test_down(self) -> None:
        """
        An instance that does not run has no console.
        """
        self.ran("OP_INSTANCE_SHUTDOWN")
        self.assertRaises(OpExecError, self.ran, "OP_INSTANCE_CONSOLE")
