"""
One job, followed in the three ways that there are.
"""

import json
import os
import subprocess
import sys
import threading
from base64 import b64encode
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

from tests.functional.browser import PageTestCase
from tests.functional.rapi_sandbox import TIMEOUT

GNT = str(Path(sys.executable).parent / "gnt")

OBSERVE = """
window.seen = [];
new MutationObserver(() => {
  for (const bar of document.querySelectorAll("#jobs progress")) {
    const now = `${bar.getAttribute("aria-label")}: ${bar.value} of ${bar.max}`;
    if (!window.seen.includes(now)) window.seen.push(now);
  }
}).observe(document.getElementById("jobs"), { childList: true, subtree: true });
"""

ENDED = """return document.querySelector(`#jobs li[data-job="${arguments[0]}"][data-status="success"]`) !== null;"""

LOG = "return document.querySelector(`#jobs li[data-job='${arguments[0]}'] pre`).textContent;"


class SameProgressTests(PageTestCase):
    """
    Tests for C{gnt job watch}, the page and the events together.
    """

    def test_creation(self) -> None:
        """
        The creation of an instance shows the same lines, and on the page the progress that events tell of, wherever
        it is followed.
        """
        status, job, _ = self.ask("PUT", "/2/modify", {"prealloc_wipe_disks": True})
        self.assertEqual(status, 200, job)
        browser = self.signed_in()
        browser.run(OBSERVE)
        browser.until('return document.getElementById("connection").textContent === "Live";')
        events = self.events()
        told: list[dict[str, Any]] = []
        job = self.create(
            "web.example.com", disk_template="file", disks=[{"size": 256}, {"size": 256}], start=True
        )
        follower = threading.Thread(target=self.until_over, args=(events, job, told))
        follower.start()
        environ = {
            **os.environ,
            "GANETI_ROOTDIR": str(self.paths.root),
            "GANETI_HOSTNAME": self.paths.hostname,
        }
        watched = subprocess.run(
            [GNT, "job", "watch", str(job)],
            env=environ,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        self.assertEqual(watched.returncode, 0, watched.stdout + watched.stderr)
        follower.join(TIMEOUT)
        self.assertFalse(follower.is_alive())
        browser.until(ENDED, job)
        lines = [str(line["payload"]) for each in told for line in each["log"]]
        self.assertIn("* Starting instance web.example.com", lines)
        self.assertEqual(watched.stdout.splitlines(), lines)
        self.assertEqual(browser.run(LOG, job).splitlines(), lines)
        progress = {
            f"{what} of job {job}: {far['done']} of {far['total']}"
            for each in told
            if each["status"] != "success"
            for what, far in (each["progress"] or {}).items()
        }
        shown = {each for each in browser.run("return window.seen;") if f"of job {job}:" in each}
        self.assertTrue(progress)
        self.assertEqual(shown, progress)

    def events(self) -> HTTPResponse:
        """
        Begin to hear of events.
        """
        headers = {"Authorization": "Basic " + b64encode(self.user.encode()).decode()}
        connection = self.connected()
        connection.request("GET", "/2/events?kind=job", headers=headers)
        self.addCleanup(connection.close)
        response = connection.getresponse()
        self.assertEqual(response.status, 200)
        return response

    def until_over(self, response: HTTPResponse, job: int, told: list[dict[str, Any]]) -> None:
        """
        Gather what is told of a job until it ends.
        """
        while not (told and told[-1]["status"] in ("success", "error")):
            line = response.readline().decode()
            if not line:
                return
            if line.startswith("data: "):
                told += [
                    each
                    for each in json.loads(line.removeprefix("data: ")).get("jobs", ())
                    if each["id"] == job
                ]
