"""
gnt-confd beside Ganeti's own daemon, both serving the same file, and each side's client against the other's daemon.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from twisted.trial.unittest import SkipTest, TestCase

from gnttwist.client.confd import Question, ask
from gnttwist.config.export import config_text
from gnttwist.config.importing import read
from gnttwist.errors import Rejected
from gnttwist.wire.confd import ERROR, MAX_REPLY, PROTOCOL, Reply, decode_reply, seal
from tests.confd.rich import configuration
from tests.interop.ganeti import prepared

NODE = "node1.example.com"
KEY = b"0123456789abcdef\n"
OURS, THEIRS = "127.14.0.1", "127.14.0.2"
PORT = 1814
DEADLINE = 20.0
"""
Seconds for a daemon to start.
"""

SILENCE = 0.15
"""
Seconds after which no answer will come: Ganeti's daemon takes less than a millisecond.
"""


STRANGE = (
    "n\xf6de1.example.com",
    "\u20ac",
    "\u0130",
    "\U0001f600",
    "e\u0301",
    "\x7f",
    "\x80",
    "\u2028",
    "\0",
    "x" * 5000,
)
"""
Names with letters outside ASCII, control characters, or too many.
"""


def questions(config: dict[str, Any]) -> Iterator[tuple[int, Any]]:
    """
    Questions of every type: with every name there is, with wrong ones, and of every kind that the schema allows.
    """
    nodes = [each["name"] for each in config["nodes"].values()]
    instances = [each["name"] for each in config["instances"].values()]
    wrong = [
        "",
        "nosuch",
        "example.com",
        "node2.",
        "node2.example",
        "NODE1.example.com",
        'a"\\b\n\x0eH',
        "web2",
        *STRANGE,
    ]
    addresses = [
        each["ip"] for one in config["instances"].values() for each in one["nics"] if each.get("ip")
    ] + ["192.0.2.99", "", "x"]
    for type in range(13):
        kinds: list[Any] = [
            None,
            "",
            "x",
            {},
            {"0": "br0"},
            {"1": "10.99.0.90"},
            {"1": None},
            {"2": []},
            {"9": 1},
            [],
        ]
        for query in kinds:
            yield type, query
    for name in [*nodes, *config["nodes"], "node1", "node2", "node3", *wrong]:
        yield from ((type, name) for type in (1, 7, 8))
    for name in [*instances, *config["instances"], "web1", "ba", *wrong]:
        yield 9, name
    for link in ("br0", "br2", "br7", "nosuch", "", None):
        yield 6, link
        yield 2, {"2": addresses, "0": link}
        yield from ((2, {"1": each, "0": link}) for each in addresses)
    yield from ((2, each) for each in ({"1": "x", "2": ["y"]}, {"2": [1]}, {"2": "x"}, {"1": 4}, {"0": 3}))
    for fields in ([], [0], [2, 1, 0], [0, 0], [3], [None], ["x"], [True], [1.0], "0", None):
        yield from ((type, {"3": fields}) for type in (1, 3, 6))
    for many in (100, 1000):
        yield 2, {"2": [f"10.99.{index // 250}.{index % 250}" for index in range(many)], "0": None}
    for name in STRANGE:
        yield from (
            (10, f"/cluster/{name}"),
            (6, name),
            (3, name),
            (2, {"1": name}),
            (2, {"0": name, "2": [name]}),
        )
    for pointer in (
        "cluster", "/", "/cluster", "/cluster/cluster_name", "/cluster/nosuch", "/cluster/", "/cluster/a~2",
        "/cluster/enabled_hypervisors/0", "/cluster/enabled_hypervisors/00", "/cluster/enabled_hypervisors/9",
        "/cluster/enabled_hypervisors/-", "/cluster/nicparams/default", "/cluster/tags", "/nodes", "/nodegroups",
        "/networks", "/instances", "/disks", "/filters", "/serial_no", "/serial_no/0", "/version", "/ctime",
    ):  # fmt: skip
        yield 10, pointer


class Daemon:
    """
    A running daemon; serves the node directory that it is told.
    """

    def __init__(self, command: list[str], environment: dict[str, str], address: str, log: Path) -> None:
        self.address = address
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self._log = log

    def wait(self) -> None:
        """
        Until it answers.
        """
        end = time.monotonic() + DEADLINE
        while self.reply(0, None) is None:
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self._process.args!r} does not answer: {self._log.read_text()}")

    def reply(self, type: int, query: Any) -> Reply | None:
        """
        Ask once; C{None} is silence.
        """
        # Built by hand: some of these questions are wrong on purpose.
        message = {"protocol": PROTOCOL, "type": type, "query": query, "rsalt": str(uuid.uuid4())}
        asked = _sealed(message)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect((self.address, PORT))
            client.settimeout(SILENCE)
            try:
                client.send(asked)
                salt, reply = decode_reply(KEY, client.recv(MAX_REPLY))
            except (TimeoutError, ConnectionRefusedError, Rejected):
                return None
        assert salt == message["rsalt"]
        return reply

    def stop(self) -> None:
        """
        End it, and wait until it is gone.
        """
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(DEADLINE)


def _sealed(message: dict[str, Any]) -> bytes:
    # In ASCII, as Ganeti's clients write it.
    return seal(KEY, str(int(time.time())), json.dumps(message).encode())


class BothTestCase(TestCase):
    """
    Both daemons, serving the same file.
    """

    timeout = 120

    def config_data(self) -> bytes:
        """
        The file.
        """
        return msgspec.json.encode(configuration())

    def setUp(self) -> None:
        ganeti = prepared()
        binary = ganeti / "root/usr/lib/ganeti/3.0/usr/sbin/ganeti-confd"
        if not binary.exists():
            raise SkipTest("ganeti-confd is not there")
        self.share = ganeti / "root/usr/share/ganeti/3.0"
        self.python = ganeti / "python/bin/python"
        directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, directory)
        self.directory = directory
        self.libraries = ganeti / "root/lib/x86_64-linux-gnu"
        self.data = self.config_data()
        self.theirs = self.start(
            THEIRS, [str(binary), "-f", "-b", THEIRS, "-p", str(PORT), "--no-user-checks"]
        )
        twistd = str(Path(sys.executable).parent / "twistd")
        self.ours = self.start(
            OURS, [twistd, "-n", "--pidfile=", "gnt-confd", "--bind", OURS, "--port", str(PORT)]
        )

    def environment(self, address: str) -> dict[str, str]:
        """
        What leads a program to the node directory of one daemon. Each has its own, for both lock the same pid file.
        """
        return {
            "GANETI_ROOTDIR": str(self.directory / address / NODE),
            "GANETI_HOSTNAME": NODE,
            # What the binary needs and few machines have, unpacked beside it.
            "LD_LIBRARY_PATH": str(self.libraries),
        }

    def start(self, address: str, command: list[str]) -> Daemon:
        """
        Start a daemon, which is stopped when the test ends.
        """
        root = self.directory / address / NODE
        for each in ("var/lib/ganeti", "var/run/ganeti", "var/log/ganeti"):
            (root / each).mkdir(parents=True)
        (root / "var/lib/ganeti/config.data").write_bytes(self.data)
        (root / "var/lib/ganeti/hmac.key").write_bytes(KEY)
        daemon = Daemon(command, self.environment(address), address, root / "log")
        self.addCleanup(daemon.stop)
        daemon.wait()
        return daemon

    def differing(self) -> list[object]:
        """
        Questions to which the replies differ, the order of lists included, or to which only one is silent.
        """
        differ: list[object] = []
        for type, query in questions(msgspec.json.decode(self.data)):
            ours, theirs = self.ours.reply(type, query), self.theirs.reply(type, query)
            if type == 1 and isinstance(query, str) and not query.isascii():
                # Ganeti's daemon would have to sign letters outside ASCII in its error, and cannot.
                assert theirs is None and ours is not None and ours.status == ERROR, (query, ours, theirs)
            elif ours != theirs:
                differ.append((type, query, ours, theirs))
        return differ


class ExportedTests(BothTestCase):
    """
    Tests with a file that we have written.
    """

    def config_data(self) -> bytes:
        return config_text(read(super().config_data()).snapshot)

    def test_same_answers(self) -> None:
        """
        Ganeti's daemon reads our file, and every reply is the same.
        """
        self.assertEqual(self.differing(), [])


class ConfdTests(BothTestCase):
    """
    Tests with a file in the form in which Ganeti has written it.
    """

    def test_same_answers(self) -> None:
        """
        Every question has the same reply from both daemons, or meets silence from both.
        """
        self.assertEqual(self.differing(), [])

    def test_fields_as_text(self) -> None:
        """
        Ganeti's own tool sends the master's fields as text: its own daemon is silent to that, and ours answers.
        """
        question = (3, {"3": ["0", "1"]})
        self.assertIsNone(self.theirs.reply(*question))
        answered = self.ours.reply(*question)
        assert answered is not None
        self.assertEqual(answered.answer, [NODE, "10.99.0.100"])

    def test_our_client(self) -> None:
        """
        Our client reads the real daemon's answers.
        """
        question = Question.of(KEY, [THEIRS], 3, {"3": [0, 2]}, time.time(), str(uuid.uuid4()))
        answered = ask(question, timeout=5, port=PORT)
        self.assertEqual(answered.reply, Reply(PROTOCOL, 0, [NODE, "10.99.0.1"], 12))

    def test_their_tool(self) -> None:
        """
        Ganeti's own test tool is content with our daemon, in everything that it asks.
        """
        done = subprocess.run(
            [
                str(self.python),
                str(self.share / "confd-client"),
                f"--addr={OURS}",
            ],
            env={**os.environ, **self.environment(OURS), "PYTHONPATH": str(self.share)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for line in (
            "Ping: OK",
            f"Master: OK ({NODE})",
            # The tool sends the fields as text, to which Ganeti's own daemon is silent.
            f"Master: OK (['{NODE}', '10.99.0.100', '10.99.0.1'])",
            "Node role for master: OK",
            "Node primary ip query: OK",
            "Master candidates primary IP query: OK",
            "Instance primary IP query: OK",
            "Instance IP to node IP query: OK",
        ):
            self.assertIn(line.lower(), done.stdout.lower())
