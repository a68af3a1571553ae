"""
Tests for L{gnttwist.functions.membership} and L{gnttwist.functions.leaving}.
"""

import fcntl
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

from gnttwist.functions import leaving
from gnttwist.functions.membership import node_crypto_tokens, node_demote_from_mc, node_powercycle
from gnttwist.functions.registry import FunctionError
from gnttwist.functions.storage.listing import storage_list
from gnttwist.net import certificates
from tests.functions.context import NODE, NodeTestCase

HOLDER = """
import sys
from pathlib import Path
from gnttwist.net.pidfile import PidFile
PidFile(Path(sys.argv[1])).startService()
print("held", flush=True)
sys.stdin.read()
"""


class CertificateTests(NodeTestCase):
    """
    Tests for L{node_crypto_tokens}.
    """

    def test_digest(self) -> None:
        """
        The digest is that of this node's certificate, as the list of candidates has it.
        """
        now = datetime.now(UTC)
        made = certificates.new_node_certificate(certificates.new_cluster_certificate(now), NODE, now)
        certificates.write(self.context.paths.client_pem, made.pem(), 0o440)
        self.assertEqual(node_crypto_tokens(self.context, [["ssl", "get", None]]), [["ssl", made.digest]])

    def test_refused(self) -> None:
        """
        Other tokens and actions, and a node without a certificate, are told.
        """
        for request in (["ssh", "get", None], ["ssl", "create", {}]):
            self.assertRaises(FunctionError, node_crypto_tokens, self.context, [request])
        self.assertRaises(FunctionError, node_crypto_tokens, self.context, [["ssl", "get", {}]])


class DemotionTests(NodeTestCase):
    """
    Tests for L{node_demote_from_mc}.
    """

    def test_demoted(self) -> None:
        """
        The configuration is removed, once and again.
        """
        self.context.paths.config_export.write_text("{}")
        for _ in range(2):
            node_demote_from_mc(self.context)
            self.assertFalse(self.context.paths.config_export.exists())

    def test_master(self) -> None:
        """
        The node that has the store is neither demoted nor leaves.
        """
        self.context.paths.store.touch()
        self.context.paths.config_export.write_text("{}")
        self.assertRaises(FunctionError, node_demote_from_mc, self.context)
        self.assertTrue(self.context.paths.config_export.exists())


class LeavingTests(NodeTestCase):
    """
    Tests for L{leaving}.
    """

    def setUp(self) -> None:
        super().setUp()
        data = self.context.paths.data
        for name in ("server.pem", "hmac.key", "ssconf_node_list", "config.data", leaving.LAST):
            (data / name).write_text(name)
        for name in ("rapi", "noded/spool"):
            (data / name).mkdir(parents=True)
        (data / "rapi/users").write_text("x")
        (data / "noded/registry").write_text("x")

    def test_secrets(self) -> None:
        """
        At first all keys go, and what the node daemon needs to answer stays.
        """
        leaving.forget_secrets(self.context.paths)
        left = sorted(each.name for each in self.context.paths.data.iterdir())
        self.assertEqual(left, ["noded", leaving.LAST])

    def test_finish(self) -> None:
        """
        Daemons end, and then nothing is left.
        """
        pid_file = self.context.paths.pid("gnt-noded")
        command = [sys.executable, "-c", HOLDER, str(pid_file)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as daemon:
            assert daemon.stdout is not None
            self.assertEqual(daemon.stdout.readline(), b"held\n")
            leaving.finish(self.context.paths)
            self.assertEqual(daemon.wait(10), -15)
        self.assertEqual(list(self.context.paths.data.iterdir()), [])

    def test_others_process(self) -> None:
        """
        A pid file that names another user's process, as a daemon that was taken over may write it, ends nothing.
        """
        bystander = subprocess.Popen(["sleep", "30"])
        self.addCleanup(bystander.wait)
        self.addCleanup(bystander.kill)
        pid_file = self.context.paths.pid("gnt-noded")
        pid_file.write_text(f"{bystander.pid}\n")
        with pid_file.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            leaving.end(pid_file, os.geteuid() + 1)
            self.assertIsNone(bystander.poll())
            leaving.end(pid_file, os.geteuid())
        self.assertEqual(bystander.wait(10), -signal.SIGTERM)

    def test_stale_pid(self) -> None:
        """
        A pid file that nobody holds names nobody: whoever has that number now is left alone.
        """
        self.context.paths.pid("gnt-confd").write_text(f"{os.getpid()}\n")
        leaving.finish(self.context.paths)
        self.assertEqual(list(self.context.paths.data.iterdir()), [])


class PowercycleTests(NodeTestCase):
    """
    Tests for L{node_powercycle}.
    """

    def test_virtual(self) -> None:
        """
        The machine under a virtual cluster is not rebooted.
        """
        error = self.assertRaises(FunctionError, node_powercycle, self.context, "fake", {})
        self.assertIn("virtual", str(error))


class StorageTests(NodeTestCase):
    """
    Tests for L{storage_list}.
    """

    FIELDS = ["name", "used", "free", "size", "allocatable"]
    DIRECTORY = "/srv/ganeti/file-storage"

    def test_rows(self) -> None:
        """
        A directory has the space of its file system, and what its files take.
        """
        inner = self.root / "srv/ganeti/file-storage/inst1"
        inner.mkdir(parents=True)
        (inner / "disk").write_bytes(b"x" * ((1 << 20) + 1))
        [row] = storage_list(self.context, "file", [[self.DIRECTORY]], None, self.FIELDS)
        self.assertEqual((row[0], row[1], row[4]), (self.DIRECTORY, 2, True))
        self.assertLessEqual(row[2], row[3])
        self.assertEqual(storage_list(self.context, "file", [[self.DIRECTORY]], "/other", ["name"]), [])

    def test_refused(self) -> None:
        """
        Other kinds, fields and directories are refused.
        """
        for kind, arguments, fields in (
            ("lvm-vg", [[self.DIRECTORY]], ["name"]),
            ("file", [[self.DIRECTORY]], ["colour"]),
            ("file", [["/etc"]], ["name", "used"]),
            ("file", ["/etc"], ["name"]),
            ("file", [[7]], ["name", "used"]),
        ):
            self.assertRaises(FunctionError, storage_list, self.context, kind, arguments, None, fields)
