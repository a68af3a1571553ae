"""
Certificates are renewed in a real sandbox, while it works, and after they have expired.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from twisted.trial.unittest import TestCase

from gnttwist.net.certificates import Credentials
from gnttwist.sandbox.layout import read_state

DEADLINE = 60
PYTHON = sys.executable
GNT = str(Path(PYTHON).parent / "gnt")

EXPIRED = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gnttwist.sandbox import addresses, processes
from gnttwist.sandbox.layout import new_sandbox, write_state
from gnttwist.sandbox.lifecycle import daemons_of
from gnttwist.sandbox.making import make

directory = Path(sys.argv[1])
directory.mkdir()
sandbox = new_sandbox(directory, 3, "fake", addresses.choose(directory, 3))
write_state(sandbox)
make(sandbox, datetime.now(UTC) - timedelta(days=6 * 365))
for node in sandbox.nodes:
    for daemon in daemons_of(sandbox, node):
        processes.start(daemon, sandbox.paths(node))
if not processes.wait_until(sandbox.paths(sandbox.master).luxi_socket.exists, 30):
    sys.exit("the master does not answer")
"""
"""
A sandbox whose certificates have all expired. Its daemons are not waited for as usual, for that is done strictly.
"""


class RenewTests(TestCase):
    """
    A cluster of three nodes whose certificates expired a year ago.
    """

    timeout = 180

    def setUp(self) -> None:
        # A unix socket's path is limited to 107 bytes, so it cannot be below trial's directory.
        self.directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, self.directory)
        path = self.directory / "s"
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory)}
        self.addCleanup(self.run_, GNT, "sandbox", "down", "--dir", str(path))
        self.run_(PYTHON, "-c", EXPIRED, str(path))
        self.sandbox = read_state(path)
        self.environment |= self.sandbox.variables()

    def run_(self, *command: str) -> str:
        """
        Run a command that must succeed.

        @return: What it printed.
        """
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env=self.environment,
        )
        self.assertEqual(done.returncode, 0, (command, done.stdout, done.stderr))
        return done.stdout

    def shared(self, name: str) -> bytes:
        """
        A file that all nodes have alike.
        """
        [content] = {(self.sandbox.paths(node).data / name).read_bytes() for node in self.sandbox.nodes}
        return content

    def test_renewed(self) -> None:
        """
        All certificates and keys are renewed, on all nodes; of the calls that run meanwhile none fails.
        """
        names = ("server.pem", "hmac.key", "cluster-domain-secret")
        before = {name: self.shared(name) for name in names}
        outcomes: list[int] = []
        over = threading.Event()

        def work() -> None:
            while not over.is_set():
                command = [GNT, "debug", "delay", "0.1", "-n", "node2", "-n", "node3"]
                outcomes.append(subprocess.run(command, env=self.environment, timeout=DEADLINE).returncode)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            self.run_(GNT, "cluster", "renew-certs", "--all", "-f")
        finally:
            over.set()
            worker.join(DEADLINE)
        self.assertEqual(set(outcomes), {0})
        self.assertGreater(len(outcomes), 3)
        for name in names:
            self.assertNotEqual(self.shared(name), before[name])
        cluster = Credentials.from_pem(self.shared("server.pem"))
        self.assertEqual(cluster.others, ())
        for node in self.sandbox.nodes:
            own = Credentials.from_pem(self.sandbox.paths(node).client_pem.read_bytes())
            own.certificate.verify_directly_issued_by(cluster.certificate)
        self.assertIn("in order", self.run_(GNT, "cluster", "verify"))
