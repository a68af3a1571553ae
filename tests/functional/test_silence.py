"""
A dead machine and a hung daemon look alike, and show in time: L{tests.functional.silent_nodes}, in a namespace.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.noded.process_conformance import PYTHONPATH

NAMESPACE = ("unshare", "--net", "--kill-child", "--")
"""
Runs a program where nothing but a loopback interface of its own can be reached.
"""


def missing() -> str | None:
    """
    Why packets cannot be dropped here.
    """
    if os.geteuid() != 0:
        return "only root can have a network namespace"
    for each in ("unshare", "ip", "tc"):
        if shutil.which(each) is None:
            return f"there is no {each}"
    drop = "ip link set lo up && tc qdisc add dev lo root blackhole"
    tried = subprocess.run([*NAMESPACE, "sh", "-c", drop], capture_output=True, text=True, timeout=20)
    return f"this kernel does not let us: {tried.stderr.strip()}" if tried.returncode else None


class NamespaceTests(SynchronousTestCase):
    """
    Runs the tests of silence.
    """

    def test_silence(self) -> None:
        """
        Both show within the limit, and their calls go on afterwards.
        """
        if why := missing():
            self.skipTest(why)
        above = tempfile.mkdtemp(prefix="gnt-")
        self.addCleanup(shutil.rmtree, above)
        trial = [sys.executable, "-m", "twisted.trial", f"--temp-directory={Path(above) / 'trial'}"]
        ran = subprocess.run(
            [*NAMESPACE, *trial, "tests.functional.silent_nodes"],
            env={**os.environ, "PYTHONPATH": PYTHONPATH},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=200,
        )
        self.assertEqual(ran.returncode, 0, ran.stdout)
        self.assertIn("PASSED (successes=2)", ran.stdout)
