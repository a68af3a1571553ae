"""
A real sandbox: real daemons, real sockets, real function processes; only the guests are fake.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from attrs import frozen

from twisted.trial.unittest import TestCase

from gnttwist.client.luxi import LuxiClient
from gnttwist.errors import OpCodeUnknown, OpPrereqError
from gnttwist.paths import Paths
from gnttwist.sandbox.layout import SandboxError, read_state
from gnttwist.sandbox.lifecycle import halt, start
from gnttwist.sandbox.processes import belonging, wait_until
from gnttwist.wire import luxi, luxi_messages
from gnttwist.wire.framing import Splitter, frame

NODE = "node1.sandbox.test"
DEADLINE = 60
GNT = str(Path(sys.executable).parent / "gnt")


@frozen
class Output:
    """
    What a command printed, and its exit code.
    """

    code: int
    out: str
    err: str


class SandboxTests(TestCase):
    """
    Tests for C{gnt sandbox}, and for what runs in one.
    """

    timeout = 180

    def setUp(self) -> None:
        # A unix socket's path is limited to 107 bytes, so it cannot be below trial's directory.
        self.directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.sandbox = self.directory / "s"
        self.paths = Paths(self.sandbox / NODE, NODE)
        self.addCleanup(shutil.rmtree, self.directory)
        self.addCleanup(self.down)

    def down(self) -> None:
        """
        Stop the sandbox, if it is up.
        """
        if (self.sandbox / "state.json").exists():
            self.gnt("sandbox", "down", "--dir", str(self.sandbox))

    def up(self, *options: str) -> None:
        """
        Start the sandbox.
        """
        output = self.gnt("sandbox", "up", "--dir", str(self.sandbox), *options)
        self.assertEqual(output.code, 0, output.err)
        self.assertEqual(
            output.out.splitlines(),
            [f"export GANETI_ROOTDIR={self.sandbox / NODE}", f"export GANETI_HOSTNAME={NODE}"],
        )

    def gnt(self, *arguments: str) -> Output:
        """
        Run a command on the first node.
        """
        done = subprocess.run(
            [GNT, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.directory),
                "GANETI_ROOTDIR": str(self.paths.root),
                "GANETI_HOSTNAME": NODE,
            },
        )
        return Output(done.returncode, done.stdout, done.stderr)

    def ran(self, *arguments: str) -> str:
        """
        Run a command that must succeed.

        @return: What it printed.
        """
        output = self.gnt(*arguments)
        self.assertEqual((output.code, output.err), (0, ""), f"{arguments}: {output.out}")
        return output.out

    def refused(self, *arguments: str) -> str:
        """
        Run a command that must fail in one line.

        @return: The line.
        """
        output = self.gnt(*arguments)
        self.assertEqual((output.code, output.err.count("\n")), (1, 1), output.err)
        return output.err

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """
        What a listing command says in JSON.
        """
        found: list[dict[str, Any]] = msgspec.json.decode(self.ran(*arguments, "--json").encode())
        return found

    def raw(self, data: bytes) -> bytes:
        """
        Send bytes to gnt-masterd.

        @return: Its first message.
        """
        splitter = Splitter(luxi.RESPONSE_LIMIT)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(DEADLINE)
            connection.connect(str(self.paths.luxi_socket))
            connection.sendall(data)
            while True:
                messages = splitter.feed(connection.recv(65536))
                if messages:
                    return messages[0]

    def test_instance_life(self) -> None:
        """
        An instance is added, listed, stopped, started and removed, the cluster verifies, and confd answers.
        """
        self.up()
        self.assertEqual([each["summary"] for each in self.rows("job", "list")], [["CLUSTER_POST_INIT"]])
        out = self.ran("instance", "add", "-t", "file", "-s", "16m", "-o", "noop", "--no-nics", "inst1.test")
        self.assertIn("noop: nothing to install for inst1.test", out)
        [found] = self.rows("instance", "list")
        self.assertEqual((found["name"], found["status"], found["pnode"]), ("inst1.test", "running", NODE))
        self.ran("instance", "stop", "--timeout", "1", "inst1")
        self.assertEqual(self.rows("instance", "list", "-o", "status"), [{"status": "ADMIN_down"}])
        self.ran("instance", "start", "inst1")
        self.assertIn("in order", self.ran("cluster", "verify"))
        self.assertIn(f"answer: {NODE}", self.ran("confd", "query", "master"))
        self.ran("instance", "remove", "--force", "inst1")
        self.assertEqual(self.rows("instance", "list"), [])
        self.assertEqual(list((self.paths.srv / "file-storage").rglob("*.test*")), [])
        self.assertEqual(set(self.ran("os", "list").split()), {"Name", "noop", "tinylinux"})
        self.assertEqual(self.rows("debug", "locks"), [])

    def test_bad_input(self) -> None:
        """
        Nonsense is refused in Ganeti's own forms, in words that help, and the daemon lives on.
        """
        self.up()
        for data in (
            b"hello\x03",
            frame(luxi_messages.encode_request("Nope", [])),
            b"x" * 100_000_000 + b"\x03",
        ):
            error = self.assertRaises(luxi_messages.Refused, luxi_messages.decode_response, self.raw(data))
            self.assertTrue(str(error).startswith("Failed to parse request: "))
        with LuxiClient(self.paths.luxi_socket, patience=0) as client:
            for op, kind, word in (
                ({"OP_ID": "OP_NOSUCH"}, OpCodeUnknown, "OP_NOSUCH"),
                ({"OP_ID": "OP_BACKUP_EXPORT"}, OpCodeUnknown, "not supported"),
                ({"OP_ID": "OP_TEST_DELAY"}, OpPrereqError, "duration"),
            ):
                refusal = self.assertRaises(kind, client.call, "SubmitJob", [op])
                self.assertIn(word, str(refusal))
        add = ("instance", "add", "-t", "file", "-o", "noop", "--no-nics")
        self.ran(*add, "-s", "16m", "inst1.test")
        for arguments, word in (
            ((*add, "-s", "16m", "inst1.test"), "inst1.test"),
            ((*add, "-s", "16m", "Inst_1!"), "Inst_1!"),
            ((*add, "-s", "0", "inst2.test"), "size"),
            ((*add, "-s", "100t", "inst2.test"), "free"),
            ((*add, "-s", "16m", "-o", "nosuch", "inst2.test"), "nosuch"),
        ):
            self.assertIn(word, self.refused(*arguments))
        self.assertEqual(self.rows("instance", "list", "-o", "name"), [{"name": "inst1.test"}])
        disks = self.paths.srv / "file-storage"
        self.assertEqual(len([each for each in disks.rglob("*") if each.is_file()]), 1)

    def test_stop_and_go_on(self) -> None:
        """
        A job that is submitted goes on after an orderly stop of the daemon and its start by hand.
        """
        self.up()
        job = self.ran("debug", "delay", "--submit", "1.5").strip()
        masterd = int(self.paths.pid("gnt-masterd").read_text())
        os.kill(masterd, signal.SIGTERM)
        self.assertTrue(wait_until(lambda: not self.paths.luxi_socket.exists(), DEADLINE))
        status = self.gnt("sandbox", "status", "--dir", str(self.sandbox))
        self.assertEqual(status.code, 1)
        self.assertRegex(status.out, r"gnt-masterd +- .*does not run")
        twistd = Path(sys.executable).parent / "twistd"
        by_hand = subprocess.Popen(
            [sys.executable, str(twistd), "-n", "--pidfile=", "gnt-masterd", "--root", str(self.paths.root)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.addCleanup(by_hand.wait)
        self.addCleanup(by_hand.terminate)
        self.assertTrue(wait_until(self.paths.luxi_socket.exists, DEADLINE))
        self.ran("job", "watch", job)
        self.assertEqual(self.gnt("sandbox", "status", "--dir", str(self.sandbox)).code, 0)

    def test_several_nodes(self) -> None:
        """
        Every node has daemons and an address of its own; down ends everything and leaves nothing.
        """
        self.up("--nodes", "2")
        names = [each["name"] for each in self.rows("node", "list", "-o", "name,mfree")]
        self.assertEqual(names, [NODE, "node2.sandbox.test"])
        self.assertTrue(all(each["mfree"] for each in self.rows("node", "list", "-o", "name,mfree")))
        self.ran("debug", "delay", "--no-master", "-n", "node2.sandbox.test", "0.01")
        sandbox = read_state(self.sandbox)
        roots = [self.sandbox / each.name for each in sandbox.nodes]
        self.assertEqual([len(list(belonging(root))) for root in roots], [5, 4])
        self.ran("sandbox", "down", "--dir", str(self.sandbox))
        self.assertEqual([list(belonging(root)) for root in roots], [[], []])
        self.assertFalse(self.sandbox.exists())

    def test_refusals(self) -> None:
        """
        A directory in use, one without a sandbox, an address in use and an unknown hypervisor are one clear line.
        """
        where = ("--dir", str(self.sandbox))
        self.assertIn("no sandbox", self.refused("sandbox", "down", *where))
        self.assertIn("xen", self.refused("sandbox", "up", *where, "--hypervisor", "xen"))
        self.assertIn("200", self.refused("sandbox", "up", *where, "--nodes", "201"))
        self.sandbox.mkdir()
        (self.sandbox / "precious").touch()
        self.assertIn("in use", self.refused("sandbox", "up", *where))
        self.assertIn("no sandbox", self.refused("sandbox", "down", *where))
        (self.sandbox / "precious").unlink()
        with socket.socket() as holder:
            holder.bind(("127.77.66.1", 1811))
            self.assertIn("taken", self.refused("sandbox", "up", *where, "--network", "127.77.66"))

    def test_does_not_start(self) -> None:
        """
        When a daemon does not start, the end of its log is shown, and the others are stopped.
        """
        self.up()
        sandbox = read_state(self.sandbox)
        halt(sandbox)
        self.paths.store.write_bytes(b"no database")
        error = self.assertRaises(SandboxError, start, sandbox, lambda text: None)
        first, *log = str(error).splitlines()
        self.assertIn("gnt-masterd of node1.sandbox.test ended at once", first)
        self.assertTrue(any("store.sqlite" in line for line in log), log)
        self.assertEqual(list(belonging(self.paths.root)), [])


class ClusterInitTests(TestCase):
    """
    Tests for C{gnt cluster init}.
    """

    timeout = 60

    def test_init(self) -> None:
        """
        A cluster is founded once; a second attempt is refused and touches nothing.
        """
        root = Path(self.mktemp()).absolute() / "master.test"
        command = [GNT, "--root", str(root), "cluster", "init", "--address", "127.0.0.1", "c.test"]
        first = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertIn("gnt-masterd", first.stdout)
        paths = Paths(root, root.name)
        before = paths.server_pem.read_bytes()
        self.assertEqual(paths.ssconf("master_node").read_text(), "master.test\n")
        second = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual((second.returncode, second.stderr.count("\n")), (1, 1), second.stderr)
        self.assertIn("cluster already", second.stderr)
        self.assertEqual(paths.server_pem.read_bytes(), before)
