"""
Tests for the commands about the cluster as a whole.
"""

from typing import Any

from gnttwist.wire import luxi
from tests.cli.fake_cluster import NODE, CommandTestCase

NOTHING: dict[str, Any] = {"fields": [], "data": []}


class ClusterCommandTests(CommandTestCase):
    """
    Tests for C{getmaster}, C{version}, C{verify-disks} and C{repair-disk-sizes}.
    """

    def test_getmaster(self) -> None:
        """
        The master's name alone is printed.
        """
        self.answers["QueryConfigValues"] = [NODE]
        self.assertEqual(self.gnt("cluster", "getmaster").out, f"{NODE}\n")

    def test_default_memory(self) -> None:
        """
        Memory can be given back to what a new cluster has.
        """
        self.job(None)
        self.gnt("cluster", "modify", "-B", "memory=default")
        self.assertEqual(self.submitted()["beparams"], {"minmem": "default", "maxmem": "default"})

    def test_repair(self) -> None:
        """
        The disks of the instances that are named are looked at; that all is right is said.
        """
        self.job([])
        output = self.gnt("cluster", "repair-disk-sizes", "web", "db")
        self.assertIn("are right", output.out)
        self.assertEqual(self.submitted()["instances"], ["web", "db"])

    def test_verify_options(self) -> None:
        """
        Options of C{gnt cluster verify} become the opcode's parameters.
        """
        self.job({"jobs": []})
        options = (
            "-g",
            "rack1",
            "--ignore-errors",
            "ENODETIME",
            "--ignore-errors",
            "EEXTAGS",
            "--error-codes",
        )
        self.assertEqual(self.gnt("cluster", "verify", *options).code, 0)
        op = self.submitted()
        self.assertEqual(
            (op["group_name"], op["ignore_errors"], op["error_codes"], op["debug_simulate_errors"]),
            ("rack1", ["ENODETIME", "EEXTAGS"], True, False),
        )

    def test_verify_disks(self) -> None:
        """
        Lost disks are told, and make the command fail.
        """
        lost = [{}, [], {"web": [["n1", "/d"]]}]
        self.job(None)
        self.answers["QueryJobs"] = lambda call: [
            ["success", ["success"], [{"jobs": [[True, 8]]} if call.ids == [7] else lost]]
        ]
        output = self.gnt("cluster", "verify-disks")
        self.assertEqual((output.code, output.out), (1, "Instance web has lost disk /d on node n1\n"))


class AddressTests(CommandTestCase):
    """
    Tests for C{rename}, C{activate-master-ip}, C{deactivate-master-ip} and C{search-tags}.
    """

    def test_rename(self) -> None:
        """
        The name, and the address if there is one, are the opcode's; without an answer nothing is renamed.
        """
        self.assertIn("-f", self.fails("cluster", "rename", "new"))
        self.job("new")
        self.assertEqual(self.gnt("cluster", "rename", "-f", "new", "--address", "192.0.2.7").code, 0)
        op = self.submitted()
        self.assertEqual(
            (op["OP_ID"], op["name"], op["master_ip"]), ("OP_CLUSTER_RENAME", "new", "192.0.2.7")
        )

    def test_address(self) -> None:
        """
        The address is brought up, and taken down if that is meant.
        """
        self.job(None)
        self.assertEqual(self.gnt("cluster", "activate-master-ip").code, 0)
        self.assertEqual(self.submitted()["OP_ID"], "OP_CLUSTER_ACTIVATE_MASTER_IP")
        self.assertIn("-f", self.fails("cluster", "deactivate-master-ip"))

    def test_search_tags(self) -> None:
        """
        As C{gnt tags search}, by the name that Ganeti's users know.
        """
        self.job([["/cluster", "red"]])
        self.assertIn("/cluster", self.gnt("cluster", "search-tags", "r.d").out)
        self.assertEqual(self.submitted()["OP_ID"], "OP_TAGS_SEARCH")


class DestroyTests(CommandTestCase):
    """
    Tests for C{gnt cluster destroy}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.data = self.root / "var/lib/ganeti"
        self.data.mkdir(parents=True)
        self.store = self.data / "store.sqlite"
        self.store.touch()
        (self.data / "server.pem").touch()
        self.answers.update(SetDrainFlag=True, Query=NOTHING, SubmitJobToDrainedQueue=7)

    def test_asked(self) -> None:
        """
        It must be said that it is meant, and on the master.
        """
        self.assertIn("--yes-do-it", self.fails("cluster", "destroy"))
        self.store.unlink()
        self.assertIn("not the master", self.fails("cluster", "destroy", "--yes-do-it"))
        self.assertEqual(self.master.calls, [])

    def test_dry_run(self) -> None:
        """
        A trial removes nothing.
        """
        self.job("uuid")
        self.assertEqual(self.gnt("cluster", "destroy", "--dry-run").code, 0)
        self.assertTrue(self.submitted()["dry_run"])
        self.assertTrue(self.store.exists())

    def test_busy(self) -> None:
        """
        When others are still at work, the queue is opened again and all stays.
        """
        self.job("uuid")
        self.answers["Query"] = {"fields": [], "data": [[[0, "web"]]]}
        self.assertIn("still at work", self.fails("cluster", "destroy", "--yes-do-it"))
        flags = [each.drained for each in self.master.calls if isinstance(each, luxi.SetDrainFlag)]
        self.assertEqual(flags, [True, False])
        self.assertTrue(self.store.exists())

    def test_done(self) -> None:
        """
        The store, keys and certificates are gone.
        """
        self.job("uuid")
        self.assertEqual(self.gnt("cluster", "destroy", "--yes-do-it").out, "The cluster is gone.\n")
        self.assertEqual(list(self.data.iterdir()), [])
