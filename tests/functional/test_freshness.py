"""
How soon a change of the configuration is in confd's answers, on every node of a real sandbox.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import TestCase

from gnttwist.client.confd import NoAnswer, Question, ask
from gnttwist.client.luxi import LuxiClient
from gnttwist.paths import Paths
from gnttwist.sandbox.layout import read_state
from tests.functional.test_sandbox import DEADLINE, GNT, NODE

MASTER_TYPE = 3
CHANGES = 4
"""
How many are made. The machine does other things as well, so the quickest counts; none may take as long as
L{LONGEST} seconds.
"""

ON_MASTER, ON_CANDIDATE, LONGEST = 0.1, 2.0, 20.0
"""
Seconds.
"""


class FreshnessTests(TestCase):
    """
    Tests of two nodes, of which one is the master and the other a candidate.
    """

    timeout = 120

    def setUp(self) -> None:
        # A unix socket's path is limited to 107 bytes, so it cannot be below trial's directory.
        self.directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.sandbox = self.directory / "s"
        self.addCleanup(self.gnt, "down")
        self.gnt("up", "--nodes", "2")

    def gnt(self, verb: str, *options: str) -> None:
        """
        Make the sandbox, or end it.
        """
        subprocess.run(
            [GNT, "sandbox", verb, "--dir", str(self.sandbox), *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=DEADLINE,
        )

    def serial(self, address: str) -> int:
        """
        The serial number that a node's gnt-confd serves; 0 if it has no answer.
        """
        key = Paths(self.sandbox / NODE, NODE).hmac_key.read_bytes()
        question = Question.of(key, [address], MASTER_TYPE, None, time.time(), os.urandom(8).hex())
        try:
            return ask(question, timeout=1.0, interval=0.2).reply.serial
        except NoAnswer:
            return 0

    def until(self, address: str, serial: int, began: float) -> float:
        """
        How many seconds after a change a node serves it.
        """
        while self.serial(address) < serial:
            if time.monotonic() > began + LONGEST:
                self.fail(f"{address} serves {self.serial(address)} and not {serial} after {LONGEST} s")
        return time.monotonic() - began

    def test_changes(self) -> None:
        """
        A change is in the answers of the master within a tenth of a second, and of a candidate within two seconds.
        """
        master, candidate = (each.address for each in read_state(self.sandbox).nodes)
        self.until(candidate, self.serial(master), time.monotonic())
        times = []
        with LuxiClient(Paths(self.sandbox / NODE, NODE).luxi_socket, patience=0) as client:
            for room in range(1, CHANGES + 1):
                expected = self.serial(master) + 1
                client.call("SetQueueLimits", 10, 1000 + room)
                began = time.monotonic()
                times.append(
                    (self.until(master, expected, began), self.until(candidate, expected, began)),
                )
        quickest = min(here for here, _ in times), min(there for _, there in times)
        self.assertLess(quickest[0], ON_MASTER, times)
        self.assertLess(quickest[1], ON_CANDIDATE, times)
