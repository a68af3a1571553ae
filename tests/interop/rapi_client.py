"""
Calling Ganeti 3.0.2's own Python RAPI client, unmodified.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.interop.ganeti import NODE, TIMEOUT, SandboxTestCase

CALLS = Path(__file__).parent / "rapi_calls.py"

Step = tuple[Any, ...]
"""
A method of the client and its arguments, the last of which may be keywords.
"""


class RAPITestCase(SandboxTestCase):
    """
    Tests that call a sandbox's remote API.
    """

    def called(self, *calls: Step) -> list[Any]:
        """
        Make calls.

        @return: Of each C{["ok", answer]}, or the error's class and text.
        """
        assert self.directory is not None
        root = self.directory / "s" / NODE
        address = (root / "var/lib/ganeti/ssconf_node_primary_ips").read_text().split()[1]
        user, password, _ = (root / "var/lib/ganeti/rapi/users").read_text().split()
        lines = []
        for method, *arguments in calls:
            keywords = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
            lines.append(json.dumps([method, arguments, keywords]))
        share = self.ganeti / "root/usr/share/ganeti/3.0"
        done = subprocess.run(
            # -P: this directory has a ganeti.py of its own.
            [str(self.ganeti / "python/bin/python"), "-P", str(CALLS), address, user, password],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(share)},
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(each) for each in done.stdout.splitlines()]

    def good(self, *calls: Step) -> list[Any]:
        """
        Make calls that must succeed.
        """
        outcomes = self.called(*calls)
        for each, (kind, value) in zip(calls, outcomes, strict=True):
            self.assertEqual(kind, "ok", (each, value))
        return [value for _, value in outcomes]

    def done(self, *steps: Step) -> list[Any]:
        """
        Make calls that submit jobs, one after the other, each of which must succeed.

        @return: Each opcode's result, of each job.
        """
        results = []
        for each in steps:
            (job,) = self.good(each)
            # The client's own way to wait; it looks at once, and then every tenth of a second.
            wait = ("WaitForJobCompletion", job, {"period": 0.1, "retries": 600})
            over, status = self.good(wait, ("GetJobStatus", job))
            self.assertTrue(over, (each, status["opresult"]))
            results.append(status["opresult"])
        return results

    def refused(self, *calls: Step) -> list[str]:
        """
        Make calls that the server must refuse.

        @return: What the client says of each.
        """
        outcomes = self.called(*calls)
        for each, (kind, text) in zip(calls, outcomes, strict=True):
            self.assertEqual(kind, "GanetiApiError", (each, text))
        return [text for _, text in outcomes]
