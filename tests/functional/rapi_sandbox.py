"""
A sandbox's remote API, asked over real connections.
"""

import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from base64 import b64encode
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

from twisted.trial.unittest import TestCase

from gnttwist.paths import Paths
from gnttwist.sandbox import processes
from gnttwist.sandbox.layout import read_state
from gnttwist.sandbox.lifecycle import down

TIMEOUT = 60.0


class RAPITestCase(TestCase):
    """
    Tests on a sandbox of their own class.

    @cvar nodes: How many nodes it has.
    """

    timeout = 120
    nodes = 1
    paths: Paths
    address: str
    user: str
    directory: Path | None = None

    def setUp(self) -> None:
        """
        Start a sandbox.
        """
        # Not below trial's directory: socket names have 107 bytes at most.
        directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        self.directory = directory / "s"
        command = [str(Path(sys.executable).parent / "gnt"), "sandbox", "up", "--dir", str(self.directory)]
        done = subprocess.run(
            [*command, "--nodes", str(self.nodes)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(down, self.directory)
        sandbox = read_state(self.directory)
        self.paths = sandbox.paths(sandbox.master)
        self.address = sandbox.master.address
        name, password, _ = self.paths.rapi_users.read_text().split()
        self.user = f"{name}:{password}"

    def tls(self) -> ssl.SSLContext:
        """
        A client's side, which trusts the sandbox's certificate.
        """
        context = ssl.create_default_context(cafile=str(self.paths.rapi_pem))
        # It names the cluster, and is called by address.
        context.check_hostname = False
        return context

    def connected(self) -> HTTPSConnection:
        """
        A connection.
        """
        return HTTPSConnection(self.address, 5080, timeout=TIMEOUT, context=self.tls())

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """
        One request: its status, document and headers.
        """
        own = self.credentials()
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            own["Content-Type"] = "application/json"
        connection = self.connected()
        try:
            connection.request(method, path, data, {**own, **(headers or {})})
            response = connection.getresponse()
            return response.status, json.loads(response.read()), dict(response.getheaders())
        finally:
            connection.close()

    def credentials(self) -> dict[str, str]:
        """
        A header that says who asks.
        """
        return {"Authorization": "Basic " + b64encode(self.user.encode()).decode()}

    def raw(self, data: bytes) -> bytes:
        """
        Send bytes, and read the answer, which is one line of JSON after its headers.
        """
        plain = socket.create_connection((self.address, 5080), timeout=TIMEOUT)
        with self.tls().wrap_socket(plain) as secured:
            secured.sendall(data)
            found = b""
            while not found.endswith(b"}\n") and (more := secured.recv(65536)):
                found += more
            return found

    def restart_master(self) -> None:
        """
        Kill gnt-masterd and start it again.
        """
        assert self.directory is not None
        sandbox = read_state(self.directory)
        [master] = [each for each in sandbox.daemons if each.daemon == "gnt-masterd"]
        processes.Process(master.pid, master.started).signal(signal.SIGKILL)
        _, child = processes.start("gnt-masterd", self.paths)
        self.addCleanup(child.wait, 30)
        self.addCleanup(child.terminate)

        def answers() -> bool:
            return self.ask("GET", "/2/info")[0] == 200

        self.assertTrue(processes.wait_until(answers, 30))
