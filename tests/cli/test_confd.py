"""
Tests for C{gnt confd}, against an answering socket in a thread.
"""

import json
import os
import socket
import threading
import time
from typing import Any

from gnttwist.confd.answers import Answers
from gnttwist.confd.lookups import Lookups
from gnttwist.confd.respond import Responder
from gnttwist.net.datagram import bind
from tests.cli.fake_cluster import CommandTestCase
from tests.confd.rich import configuration

KEY = b"0123456789abcdef\n"
PORT = 1814


class Candidate:
    """
    A daemon of one candidate.
    """

    def __init__(self, address: str, config: dict[str, Any]) -> None:
        answers = Answers(Lookups(config))
        self._responder = Responder(lambda: (KEY,), lambda: answers, time.time)
        self._socket = bind(address, PORT)
        self._socket.setblocking(True)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._address = address

    def _run(self) -> None:
        while True:
            datagram, address = self._socket.recvfrom(5000)
            if datagram == b"stop":
                return
            reply = self._responder.answer(datagram, address)
            if reply is not None:
                self._socket.sendto(reply, address)

    def stop(self) -> None:
        """
        End it.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"stop", (self._address, PORT))
        self._thread.join()
        self._socket.close()


class ConfdTests(CommandTestCase):
    """
    Tests with two candidates, one of which has an older configuration.
    """

    def setUp(self) -> None:
        super().setUp()
        # The commands' port is fixed; runs at the same time have addresses of their own.
        pid = os.getpid()
        self.peers = [f"127.78.{pid >> 8 & 255}.{pid & 255}", f"127.79.{pid >> 8 & 255}.{pid & 255}"]
        old, new = configuration(), configuration()
        new["cluster"]["serial_no"] += 1
        next(iter(new["instances"].values()))["name"] = "aaa.example.com"
        for peer, config in zip(self.peers, (old, new), strict=True):
            candidate = Candidate(peer, config)
            self.addCleanup(candidate.stop)
        data = self.root / "var/lib/ganeti"
        data.mkdir(parents=True)
        (data / "hmac.key").write_bytes(KEY)
        (data / "ssconf_master_candidates_ips").write_text("".join(f"{each}\n" for each in self.peers))

    def test_query(self) -> None:
        """
        The answer with the highest serial is printed, and where it came from.
        """
        output = self.gnt("confd", "query", "instance-list", "--json")
        found = json.loads(output.out)
        self.assertEqual((found["serial"], found["from"]), (13, self.peers[1]))
        self.assertEqual(found["answer"][0], "aaa.example.com")

    def test_argument(self) -> None:
        """
        Arguments arrive as the type wants them.
        """
        output = self.gnt("confd", "query", "node-ip-of-instance-ip", "10.99.0.91")
        self.assertIn("answer: 10.99.0.3\n", output.out)
        self.assertIn("answer: node3.example.com\n", self.gnt("confd", "query", "primary-nodes", "moved").out)

    def test_error(self) -> None:
        """
        An error is told in one line.
        """
        self.assertIn("Node name nosuch not found", self.fails("confd", "query", "node-role", "nosuch"))
        self.assertIn("wrong argument", self.fails("confd", "query", "config", "/nosuch"))
        self.assertIn("cannot ask 3 of 2", self.fails("confd", "query", "--coverage", "3", "ping"))

    def test_watch(self) -> None:
        """
        All candidates' answers are shown side by side, silent ones too, and that they differ.
        """
        lines = self.gnt("confd", "watch", "-n", "1", "instance-list").out.splitlines()
        self.assertEqual(lines[0].split(), ["From", "Serial", "ms", "Answer"])
        self.assertEqual(
            [each.split()[:2] for each in lines[1:3]], [[self.peers[0], "12"], [self.peers[1], "13"]]
        )
        self.assertEqual(lines[3], "the answers differ")

    def test_watch_silent(self) -> None:
        """
        A candidate that does not answer is shown as such.
        """
        output = self.gnt("confd", "watch", "-n", "1", "--interval", "0.2", "-a", "127.0.0.77", "--json")
        self.assertEqual(json.loads(output.out)[0]["status"], None)
