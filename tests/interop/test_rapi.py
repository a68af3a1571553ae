"""
Ganeti 3.0.2's own Python RAPI client, unmodified, against a sandbox.
"""

from typing import Any

from tests.interop.ganeti import NODE
from tests.interop.rapi_client import RAPITestCase

GUEST = "guest.example.com"


class ClientTests(RAPITestCase):
    """
    Tests for the client's calls.
    """

    def test_reading(self) -> None:
        """
        What the client reads of every family is there, in its forms.
        """
        found = self.good(
            ("GetVersion",),
            ("GetFeatures",),
            ("GetInfo",),
            ("GetOperatingSystems",),
            ("GetClusterTags",),
            ("GetNodes",),
            ("GetNodes", {"bulk": True}),
            ("GetNode", NODE),
            ("GetNodeRole", NODE),
            ("GetNodeTags", NODE),
            ("GetInstances",),
            ("GetInstances", {"bulk": True}),
            ("GetGroups",),
            ("GetGroups", {"bulk": True}),
            ("GetGroup", "default"),
            ("GetGroupTags", "default"),
            ("GetNetworks",),
            ("GetNetworks", {"bulk": True}),
            ("GetJobs",),
            ("GetJobs", {"bulk": True}),
            ("GetJobStatus", 1),
            ("GetFilters",),
            ("Query", "node", ["name", "role"]),
            ("Query", "node", ["name"], ["=", "name", NODE]),
            ("QueryFields", "node", ["name"]),
        )
        self.assertEqual(found[0], 2)
        self.assertIn("instance-create-reqv1", found[1])
        self.assertEqual(found[2]["master"], NODE)
        self.assertIn("noop", found[3])
        self.assertEqual(found[5], [NODE])
        self.assertEqual(found[7]["secondary_ip"], found[7]["sip"])
        self.assertEqual(found[8], "master")
        self.assertEqual(found[12], ["default"])
        self.assertIn(1, [int(each) for each in found[18]])
        self.assertEqual(found[20]["status"], "success")
        self.assertEqual(found[23]["data"], [[[0, NODE]]])

    def test_an_instances_life(self) -> None:
        """
        An instance is created, tagged, stopped, started, reinstalled and removed, and each job is waited for.
        """
        options = {
            "os": "noop",
            "pnode": NODE,
            "hypervisor": "fake",
            "ip_check": False,
            "name_check": False,
        }
        steps: tuple[tuple[Any, ...], ...] = (
            ("CreateInstance", "create", GUEST, "file", [{"size": 16}], [], options),
            ("AddInstanceTags", GUEST, ["a", "b"]),
            ("ShutdownInstance", GUEST),
            ("StartupInstance", GUEST),
            ("RebootInstance", GUEST, {"reboot_type": "hard"}),
            ("ReinstallInstance", GUEST, {"os": "noop"}),
            ("ModifyInstance", GUEST, {"beparams": {"vcpus": 1}}),
            ("DeleteInstanceTags", GUEST, ["a"]),
            ("GetInstanceInfo", GUEST),
        )
        for step in steps:
            self.done(step)
        instance, tags, listed = self.good(
            ("GetInstance", GUEST), ("GetInstanceTags", GUEST), ("GetInstances",)
        )
        self.assertEqual(
            (instance["name"], tags, listed, instance["beparams"]["memory"]),
            (GUEST, ["b"], [GUEST], instance["beparams"]["maxmem"]),
        )
        self.done(("DeleteInstance", GUEST))

    def test_groups_networks_and_filters(self) -> None:
        """
        Groups, networks and job filters come and go.
        """
        for step in (
            ("CreateGroup", "g2"),
            ("RenameGroup", "g2", "g3"),
            ("ModifyGroup", "g3", {"alloc_policy": "last_resort"}),
            ("AddGroupTags", "g3", ["t"]),
            ("DeleteGroup", "g3"),
            ("CreateNetwork", "net", "10.1.0.0/24"),
            ("ConnectNetwork", "net", "default", "bridged", "br0"),
            ("DisconnectNetwork", "net", "default"),
            ("DeleteNetwork", "net"),
            ("AddClusterTags", ["c"]),
            ("DeleteClusterTags", ["c"]),
        ):
            self.done(step)
        (uuid,) = self.good(("AddFilter", 5, [["jobid", [">", "id", 100000]]], "CONTINUE"))
        found, _, _ = self.good(
            ("GetFilter", uuid),
            ("ReplaceFilter", uuid, 6, [["jobid", [">", "id", 100000]]], "CONTINUE"),
            ("DeleteFilter", uuid),
        )
        self.assertEqual(found["priority"], 5)

    def test_waiting_and_cancelling(self) -> None:
        """
        A change of a job is waited for; a job that has ended cannot be cancelled.
        """
        changed, cancelled = self.good(
            ("WaitForJobChange", 1, ["id", "status"], None, None), ("CancelJob", 1)
        )
        self.assertEqual(changed["job_info"], [1, "success"])
        self.assertFalse(cancelled[0])

    def test_errors(self) -> None:
        """
        Errors have the client's own form: a code, its words, and an explanation.
        """
        unknown, wrong = self.called(
            ("GetNode", "none.example.com"),
            ("ModifyInstance", GUEST, {"colour": "red"}),
        )
        self.assertEqual(unknown[0], "GanetiApiError")
        self.assertRegex(unknown[1], r"^404 Not Found: ")
        self.assertRegex(wrong[1], r"^400 Bad Request: .*colour")
