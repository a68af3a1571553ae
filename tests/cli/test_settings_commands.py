"""
Tests for the commands that change the cluster, groups, networks and tags, against a server that plays a script.
"""

from typing import Any

from gnttwist.wire import luxi
from tests.cli.fake_cluster import CommandTestCase


class SettingsTests(CommandTestCase):
    """
    What commands submit.
    """

    def ops(self, *arguments: str) -> list[dict[str, Any]]:
        """
        The opcodes that a command submits, without reasons.
        """
        self.master.calls.clear()
        self.job(None)
        output = self.gnt(*arguments)
        self.assertEqual((output.code, output.err), (0, ""))
        [call] = [each for each in self.master.calls if isinstance(each, luxi.SubmitJob)]
        return [{name: value for name, value in op.items() if name != "reason"} for op in call.ops]

    def test_cluster_modify(self) -> None:
        """
        Each option becomes a parameter of its type; those that are not given are left out.
        """
        [op] = self.ops(
            "cluster", "modify", "--max-running-jobs", "50", "-B", "memory=1g,vcpus=2", "-H", "kvm:acpi=no", "-H",
            "fake:migration_mode=live", "-N", "link=7", "--uid-pool", "4000-4009,5000", "--user-shutdown", "yes",
            "--ipolicy-bounds-specs", "min:memory-size=64m,cpu-count=1/max:memory-size=2g,cpu-count=4",
            "--enabled-disk-templates", "file,diskless",
        )  # fmt: skip
        self.assertEqual(
            op,
            {
                "OP_ID": "OP_CLUSTER_SET_PARAMS",
                "max_running_jobs": 50,
                "beparams": {"minmem": 1024, "maxmem": 1024, "vcpus": 2},
                "hvparams": {"kvm": {"acpi": False}, "fake": {"migration_mode": "live"}},
                "nicparams": {"link": "7"},
                "uid_pool": [[4000, 4009], [5000, 5000]],
                "enabled_user_shutdown": True,
                "enabled_disk_templates": ["file", "diskless"],
                "ipolicy": {
                    "minmax": [
                        {
                            "min": {"memory-size": 64, "cpu-count": 1},
                            "max": {"memory-size": 2048, "cpu-count": 4},
                        }
                    ]
                },
            },
        )

    def test_mistakes(self) -> None:
        """
        Nothing to change, and what is no range, policy or number, is refused before anything is asked.
        """
        for arguments in (
            ["cluster", "modify"],
            ["cluster", "modify", "--uid-pool", "x"],
            ["cluster", "modify", "--ipolicy-bounds-specs", "min:cpu-count=1"],
            ["cluster", "modify", "--max-running-jobs", "0"],
            ["group", "modify", "default"],
            ["network", "modify", "net"],
            ["network", "add", "net"],
        ):
            self.fails(*arguments)
        self.assertEqual(self.master.calls, [])

    def test_removal_asks(self) -> None:
        """
        What cannot be taken back is asked for, and where nobody can answer it is refused.
        """
        self.assertIn("-f", self.fails("group", "remove", "r"))
        self.assertIn("-f", self.fails("network", "remove", "n"))
        self.assertEqual(self.ops("group", "remove", "-f", "r")[0]["group_name"], "r")

    def test_networks(self) -> None:
        """
        A network is connected to the groups that are named, in one job.
        """
        ops = self.ops("network", "connect", "net", "a", "b", "-N", "mode=routed,link=t1")
        self.assertEqual([each["group_name"] for each in ops], ["a", "b"])
        self.assertEqual((ops[0]["network_mode"], ops[0]["network_link"]), ("routed", "t1"))
        [op] = self.ops("network", "add", "net", "--network", "192.0.2.0/24", "--add-reserved-ips", "a,b")
        self.assertEqual((op["network"], op["add_reserved_ips"]), ("192.0.2.0/24", ["a", "b"]))

    def test_tags(self) -> None:
        """
        Each noun has the same commands for its tags.
        """
        for noun, kind in (
            ("node", "node"),
            ("group", "nodegroup"),
            ("instance", "instance"),
            ("network", "network"),
        ):
            [op] = self.ops(noun, "add-tags", "x", "a", "b")
            self.assertEqual(op, {"OP_ID": "OP_TAGS_SET", "kind": kind, "name": "x", "tags": ["a", "b"]})
        [op] = self.ops("cluster", "remove-tags", "a")
        self.assertEqual(op, {"OP_ID": "OP_TAGS_DEL", "kind": "cluster", "tags": ["a"]})

    def test_search(self) -> None:
        """
        Tags that are found are listed; none is an exit code.
        """
        self.job([["/cluster", "a"]])
        self.assertEqual(self.gnt("tags", "search", "a").out.splitlines()[1].split(), ["/cluster", "a"])
        self.job([])
        self.assertEqual(self.gnt("tags", "search", "a").code, 1)
