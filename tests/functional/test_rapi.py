"""
gnt-rapi, as its clients meet it: a real sandbox, real connections, and what goes wrong.
"""

import json
import os
import re
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families

import gnttwist
from gnttwist.net import certificates
from gnttwist.sandbox import processes
from gnttwist.sandbox.layout import read_state
from tests.functional.rapi_sandbox import TIMEOUT, RAPITestCase

NODE = "node1.sandbox.test"


class DaemonTests(RAPITestCase):
    """
    Tests for the daemon. A sandbox takes two seconds, so each test looks at a lot.
    """

    nodes = 2

    def test_requests_gone_wrong(self) -> None:
        """
        Whatever is wrong with a request, the answer is a document that says so, and the daemon goes on.
        """
        job, _, _ = self.ask("PUT", "/2/instances/x/startup")
        self.assertEqual(job, 200)
        create = {"__version__": 1, "mode": "create", "disks": 5}
        for method, path, body, status, word in (
            ("GET", "/2/nodes/none.example.com", None, 404, "none.example.com"),
            ("GET", "/2/nodes/a%0d%0aX:y", None, 404, "resource"),
            ("GET", "/2/../../etc/passwd", None, 404, "resource"),
            ("GET", "/2/nodes?bulk=yes", None, 400, "bulk"),
            ("GET", "/2/query/elephant?fields=name", None, 404, "elephant"),
            ("PUT", "/2/query/node", {"fields": ["name"], "colour": 1}, 400, "colour"),
            ("PUT", "/2/query/node", {"fields": ["name"], "qfilter": ["?"]}, 400, "filter"),
            ("POST", "/2/instances", create, 400, "disks"),
            ("POST", "/2/instances", b"{", 400, "JSON"),
            ("POST", "/2/instances", b"\xff\xfe", 400, "JSON"),
            ("POST", "/2/instances", b"[" * 100_000, 400, "JSON"),
            ("POST", "/2/jobs", {"ops": [{"OP_ID": "OP_NOSUCH"}]}, 400, "OP_NOSUCH"),
            ("POST", "/2/jobs", {"ops": []}, 400, "ops"),
            ("GET", "/2/jobs/999999", None, 404, "999999"),
            ("GET", "/2/jobs/999999/wait", {"fields": ["status"]}, 404, "job"),
            ("GET", "/2/jobs/1/wait", {"fields": ["nope"]}, 400, "nope"),
            ("GET", "/2/jobs/1/wait?timeout=301", {"fields": ["status"]}, 400, "timeout"),
            ("DELETE", "/2/info", None, 501, "DELETE"),
        ):
            found, document, _ = self.ask(method, path, body)
            self.assertEqual((found, document["code"]), (status, status), (path, document))
            self.assertIn(word, document["explain"], path)
        found, document, _ = self.ask("PUT", "/2/modify", {}, {"Content-Type": "text/plain"})
        self.assertEqual((found, "application/json" in document["explain"]), (415, True))
        for data, code in (
            (b"GET /version HTTP/1.1\r\n\r\n", b"400"),
            (b"GET /version HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", b"431"),
            (b"GET /" + b"y" * 5_000 + b" HTTP/1.1\r\n\r\n", b"414"),
            (b"PUT /2/modify HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", b"413"),
            (b"PUT /2/modify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
            (b"hello\r\n\r\n", b"400"),
        ):
            answer = self.raw(data)
            head, _, body = answer.partition(b"\r\n\r\n")
            self.assertEqual(head.split()[1], code, answer[:200])
            self.assertEqual(json.loads(body)["code"], int(code))
        self.assertEqual(self.ask("GET", "/version")[:2], (200, 2))

    def test_master_gone_and_back(self) -> None:
        """
        Without gnt-masterd the answer is 502 and when to try again; a kept connection goes on when it is back.
        """
        assert self.directory is not None
        sandbox = read_state(self.directory)
        pid = int(self.paths.pid("gnt-masterd").read_text())
        connection = self.connected()
        self.addCleanup(connection.close)
        os.kill(pid, signal.SIGKILL)
        processes.wait_until(lambda: processes.start_time(pid) is None, TIMEOUT)
        status, document, headers = self.ask("GET", "/2/nodes")
        self.assertEqual((status, document["code"]), (502, 502))
        self.assertIn("Retry-After", headers)
        self.assertEqual(self.ask("GET", "/version")[0], 200)
        _, child = processes.start("gnt-masterd", sandbox.paths(sandbox.master))
        self.addCleanup(child.wait)
        processes.wait_until(lambda: self.ask("GET", "/2/nodes")[0] == 200, TIMEOUT, 0.2)
        self.assertEqual(self.ask("GET", "/2/nodes")[0], 200)
        child.send_signal(signal.SIGTERM)

    def test_certificate_users_and_candidates(self) -> None:
        """
        A replaced certificate and a changed users file count at once; another node sends clients on.
        """
        assert self.directory is not None
        fresh = certificates.new_self_signed("cluster.sandbox.test", datetime.now(UTC))
        certificates.write(self.paths.rapi_pem, fresh.pem(), certificates.PEM_MODE)
        self.assertEqual(self.ask("GET", "/version")[0], 200)
        certificates.write(self.paths.rapi_users, b"eve pw @reader\n", certificates.SECRET_MODE)
        self.assertEqual(self.ask("GET", "/version")[0], 401)
        self.user = "eve:pw"
        self.assertEqual(self.ask("GET", "/version")[0], 200)
        self.assertEqual(self.ask("PUT", "/2/tags?tag=a")[0], 403)
        master, self.address = self.address, read_state(self.directory).nodes[1].address
        self.paths = read_state(self.directory).paths(read_state(self.directory).nodes[1])
        status, _, headers = self.ask("GET", "/2/info?x=1")
        self.assertEqual((status, headers["Location"]), (307, f"https://{master}:5080/2/info?x=1"))


class MetricsTests(RAPITestCase):
    """
    Tests for figures.
    """

    def test_metrics(self) -> None:
        """
        Figures can be read by OpenMetrics' own parser, and tell what has happened since gnt-masterd's start.
        """
        _, job, _ = self.ask("POST", "/2/jobs", {"ops": [{"OP_ID": "OP_TEST_DELAY", "duration": 0.01}]})
        wait = {"fields": ["status"], "previous_job_info": ["running"]}
        answer = None
        while answer is None or answer["job_info"] != ["success"]:
            _, answer, _ = self.ask("GET", f"/2/jobs/{job}/wait", wait)
        families = {each.name: each for each in text_string_to_metric_families(self.text("/metrics"))}
        (delay,) = (
            each.value
            for each in families["gnt_opcode_seconds"].samples
            if each.name.endswith("_count") and each.labels == {"opcode": "OP_TEST_DELAY"}
        )
        self.assertEqual(delay, 1)
        self.assertEqual(families["gnt_nodes"].samples[0].labels, {"role": "M"})
        expiries = {
            each.labels["file"]: each.value for each in families["gnt_certificate_expiry_days"].samples
        }
        self.assertEqual(expiries.keys(), {"client.pem", "server.pem", "rapi.pem"})
        self.assertGreater(min(expiries.values()), 1000)
        waits = {each.name: each.value for each in families["gnt_lock_wait_seconds"].samples}
        self.assertGreater(waits["gnt_lock_wait_seconds_count"], 0)
        (confd,) = families["gnt_confd_answered"].samples
        self.assertEqual(confd.labels, {"node": NODE})
        self.assertEqual([each.labels for each in families["gnt_rpc_running"].samples], [{"node": NODE}])
        self.assertGreater(families["gnt_node_memory_bytes"].samples[0].value, 2**20)
        self.assertIn("process_resident_memory_bytes", families)

    def text(self, path: str) -> str:
        """
        An answer that is not JSON.
        """
        connection = self.connected()
        self.addCleanup(connection.close)
        connection.request("GET", path, headers=self.credentials())
        response = connection.getresponse()
        body = response.read().decode()
        self.assertEqual(response.status, 200, body)
        return body


class ExampleTests(RAPITestCase):
    """
    Tests for the documentation.
    """

    def test_examples(self) -> None:
        """
        The examples with curl do what they say.
        """
        page = Path(gnttwist.__file__).parent.parent / "docs/rapi.md"
        examples = re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
        self.assertGreater(len(examples), 4)
        assert self.directory is not None
        settings = (
            f'user = "{self.user}"\ncacert = "{self.paths.rapi_pem}"\nfail-with-body\nsilent\nshow-error\n'
        )
        (self.directory / ".curlrc").write_text(
            settings + f'resolve = "cluster.sandbox.test:5080:{self.address}"\n'
        )
        self.addCleanup((self.directory / ".curlrc").unlink)
        for each in examples:
            done = subprocess.run(
                ["bash", "-eu", "-o", "pipefail", "-c", each],
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(self.directory),
                    "CURL_HOME": str(self.directory),
                    "RAPI": "https://cluster.sandbox.test:5080",
                },
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""), f"{each}\n{done.stdout}")
