"""
OS scripts in function processes that are killed.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

PATIENCE = 20.0
"""
Seconds within which each step happens, even on a busy machine.
"""

INSTALL = """
import sys
from pathlib import Path
from gnttwist.functions.osapi.output import Output
from gnttwist.functions.osapi.script import Script

Script("It", ["/bin/sh", "-c", "echo $$; sleep 60"], Path("/"), {"PATH": "/bin:/usr/bin"}, 60).run(
    Output(lambda type, payload: print(payload, flush=True))
)
"""


class KilledTests(SynchronousTestCase):
    """
    Tests for a function process that is killed while its script runs.
    """

    def test_script_dies_too(self) -> None:
        """
        The script does not outlive its function process, which would let it write to disks that are being removed.
        """
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        above = Path(__file__).resolve().parents[2]
        with subprocess.Popen(
            [sys.executable, "-c", INSTALL],
            cwd=directory,
            env={"PYTHONPATH": str(above)},
            stdout=subprocess.PIPE,
        ) as process:
            try:
                assert process.stdout is not None
                self.assertTrue(
                    select.select([process.stdout], [], [], PATIENCE)[0], "the script did not start"
                )
                script = os.pidfd_open(int(process.stdout.readline()))
                self.addCleanup(os.close, script)
            finally:
                process.send_signal(signal.SIGKILL)
        self.assertTrue(select.select([script], [], [], PATIENCE)[0], "the script still runs")
