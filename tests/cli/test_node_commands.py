"""
Tests for the commands that add, change and remove nodes, and that renew certificates.
"""

from typing import Any

from gnttwist.wire import luxi
from gnttwist.wire.join import Code
from tests.cli.fake_cluster import NODE, CommandTestCase

CODE = str(Code(bytes(16), bytes(16)))
NODES = [[[0, NODE], [0, "127.0.0.1"]]]


class ChangeTests(CommandTestCase):
    """
    Tests for C{gnt node modify}, C{remove} and the like.
    """

    def test_modify(self) -> None:
        """
        Options become the opcode's parameters; those that are not given stay as they are.
        """
        self.job([["drained", "True"]])
        output = self.gnt(
            "node", "modify", "n2", "-D", "yes", "--node-parameters", "ovs=true", "--auto-promote"
        )
        self.assertEqual(output.out, "Modified node n2\n - drained -> True\n")
        op = self.submitted()
        self.assertEqual(
            (op["OP_ID"], op["drained"], op["ndparams"], op["auto_promote"]),
            ("OP_NODE_SET_PARAMS", True, {"ovs": True}, True),
        )
        self.assertNotIn("offline", op)

    def test_asked(self) -> None:
        """
        What may lose something is asked for, and without a terminal must be said beforehand.
        """
        for command in (
            ("node", "remove", "n2"),
            ("node", "powercycle", "n2"),
            ("node", "modify", "n2", "-O", "no"),
            ("node", "evacuate", "n2"),
            ("node", "leave"),
            ("cluster", "renew-certs", "--all"),
        ):
            self.assertIn("no terminal", self.fails(*command))
        self.assertEqual(self.master.calls, [])

    def test_remove(self) -> None:
        """
        With -f it is done.
        """
        self.job(None)
        self.assertEqual(self.gnt("node", "remove", "-f", "n2").code, 0)
        self.assertEqual(self.submitted()["OP_ID"], "OP_NODE_REMOVE")

    def test_restricted_command(self) -> None:
        """
        One node's failure makes the command fail.
        """
        self.job([[True, "hello"], [False, "no such command"]])
        output = self.gnt("node", "restricted-command", "x", "n1", "n2")
        self.assertEqual((output.code, output.out), (1, "n1:\nhello\n"))
        self.assertEqual(output.err, "n2:\nno such command\n")

    def test_evacuate(self) -> None:
        """
        The jobs that were submitted are followed, and one that was not queued makes the command fail.
        """
        self.job({"jobs": [[True, 8], [False, "the queue is full"]]})
        output = self.gnt("node", "evacuate", "-f", "-p", "n2")
        self.assertEqual(output.code, 1)
        self.assertIn("1 of 2 instances were moved", output.out)
        self.assertIn("the queue is full", output.err)
        self.assertEqual(self.submitted()["mode"], "primary-only")

    def test_evacuate_group(self) -> None:
        """
        So are those of a group; where none is named, all others are meant.
        """
        self.job({"jobs": [[True, 8]]})
        output = self.gnt("group", "evacuate", "-f", "--to", "a", "--to", "b", "--sequential", "default")
        self.assertEqual((output.code, output.out.splitlines()[-1]), (0, "1 of 1 instances were moved."))
        op = self.submitted()
        self.assertEqual((op["OP_ID"], op["target_groups"]), ("OP_GROUP_EVACUATE", ["a", "b"]))
        self.assertEqual((op["sequential"], op["force_failover"]), (True, False))
        self.assertIn("no terminal", self.fails("group", "evacuate", "default"))

    def test_migrate(self) -> None:
        """
        The same for migrations.
        """
        self.job({"jobs": [[True, 8]]})
        output = self.gnt("node", "migrate", "-f", "--migration-mode", "live", "n2")
        self.assertEqual(output.code, 0)
        self.assertIn("1 of 1 instances were moved", output.out)
        self.assertEqual(self.submitted()["mode"], "live")


class JoinTests(CommandTestCase):
    """
    Tests for C{gnt node add}, C{prepare} and C{leave}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.answers["Query"] = {"fields": [], "data": NODES}

    def queried(self) -> list[Any]:
        """
        The methods that were called.
        """
        return [type(each).__name__ for each in self.master.calls]

    def test_without_code(self) -> None:
        """
        A machine that has the keys already is only written down.
        """
        self.job(None)
        output = self.gnt("node", "add", "New.example.com", "--address", "127.0.0.9", "-g", "rack1")
        self.assertEqual((output.code, output.out), (0, "Node new.example.com is part of the cluster.\n"))
        op = self.submitted()
        self.assertEqual(
            (op["node_name"], op["primary_ip"], op["group"], op["readd"]),
            ("new.example.com", "127.0.0.9", "rack1", False),
        )

    def test_refused(self) -> None:
        """
        What cannot be is refused before any key is given away.
        """
        (self.root / "var/lib/ganeti").mkdir(parents=True)
        where = ("--address", "127.0.0.9")
        self.assertIn("--readd", self.fails("node", "add", NODE, *where, "--code", CODE))
        self.assertIn("not a node", self.fails("node", "add", "new", "--readd", *where, "--code", CODE))
        self.assertIn("copy all of it", self.fails("node", "add", "new", *where, "--code", CODE[:-1]))
        self.assertIn("not the master", self.fails("node", "add", "new", *where, "--code", CODE))
        self.assertIn("contradict", self.fails("node", "add", "new", *where, "--code", CODE, "--dry-run"))
        self.assertEqual(set(self.queried()), {"Query"})

    def test_member(self) -> None:
        """
        A node is not prepared, and the master does not leave.
        """
        data = self.root / "var/lib/ganeti"
        data.mkdir(parents=True)
        (data / "ssconf_node_list").write_text(f"{NODE}\n")
        (data / "ssconf_cluster_name").write_text("cluster.example.com\n")
        prepare = ("node", "prepare", "--address", "127.0.0.9")
        self.assertIn("cluster.example.com", self.fails(*prepare))
        (data / "store.sqlite").touch()
        self.assertIn("cluster.example.com", self.fails(*prepare, "--again"))
        self.assertIn("cannot leave", self.fails("node", "leave", "-f"))


class CertificateTests(CommandTestCase):
    """
    Tests for C{gnt cluster renew-certs}.
    """

    def test_all(self) -> None:
        """
        Everything that the cluster has is renewed.
        """
        self.job(None)
        self.assertEqual(self.gnt("cluster", "renew-certs", "--all", "-f", "--rsa").code, 0)
        op = self.submitted()
        self.assertEqual(op["OP_ID"], "OP_CLUSTER_RENEW_CRYPTO")
        self.assertEqual(
            {name for name, value in op.items() if value is True},
            {"cluster_certificate", "node_certificates", "confd_hmac_key", "cluster_domain_secret", "rsa"},
        )

    def test_refused(self) -> None:
        """
        Nothing, contradictions and files that are no certificates are refused, and nothing is written.
        """
        data = self.root / "var/lib/ganeti"
        data.mkdir(parents=True)
        (data / "store.sqlite").touch()
        file = self.root / "file"
        file.write_text("x")
        renew = ("cluster", "renew-certs", "-f")
        self.assertIn("say what", self.fails(*renew))
        for options in (
            ("--new-rapi-certificate", "--rapi-certificate", str(file)),
            ("--new-cluster-domain-secret", "--cluster-domain-secret", str(file)),
        ):
            self.assertIn("contradict", self.fails(*renew, *options))
        self.assertIn("both", self.fails(*renew, "--spice-certificate", str(file)))
        self.assertIn("cannot be used", self.fails(*renew, "--rapi-certificate", str(file)))
        self.assertEqual([each.name for each in data.iterdir()], ["store.sqlite"])
        self.assertEqual([each for each in self.master.calls if isinstance(each, luxi.SubmitJob)], [])

    def test_file(self) -> None:
        """
        A given secret is put in its place on the master, from where it goes to the nodes.
        """
        data = self.root / "var/lib/ganeti"
        data.mkdir(parents=True)
        (data / "store.sqlite").touch()
        file = self.root / "file"
        file.write_text("a secret\n")
        output = self.gnt("cluster", "renew-certs", "-f", "--cluster-domain-secret", str(file))
        self.assertEqual(output.code, 0, output.err)
        self.assertEqual((data / "cluster-domain-secret").read_text(), "a secret\n")

    def test_master_failover(self) -> None:
        """
        What this version cannot do is said in one line.
        """
        self.assertIn("store", self.fails("cluster", "master-failover"))
