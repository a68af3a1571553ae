"""
The page and the events while things are taken from under them.
"""

import json
from base64 import b64encode
from http.client import HTTPException, HTTPResponse
from typing import Any

from tests.functional.browser import PageTestCase

LINES = "return document.querySelector(`#jobs li[data-job='${arguments[0]}'] pre`).textContent;"
OVER = """
const row = document.querySelector(`#jobs li[data-job="${arguments[0]}"]`);
return row !== null && ["success", "error"].includes(row.dataset.status) && row.dataset.status;
"""


class FaultTests(PageTestCase):
    """
    Tests for users that are removed and for a gnt-masterd that is killed.
    """

    def follow(self) -> HTTPResponse:
        """
        Begin to hear of events.
        """
        connection = self.connected()
        headers = {"Authorization": "Basic " + b64encode(self.user.encode()).decode()}
        connection.request("GET", "/2/events", headers=headers)
        self.addCleanup(connection.close)
        response = connection.getresponse()
        self.assertEqual(response.status, 200)
        return response

    def test_user_removed(self) -> None:
        """
        When a user is removed, what it was told ends, and the page asks to sign in again.
        """
        browser = self.signed_in()
        stream = self.follow()
        self.paths.rapi_users.write_text("other secret write\n")
        try:
            while stream.readline():
                pass
        except (OSError, HTTPException):
            # Cut off, not closed in good order.
            pass
        browser.until('return !document.getElementById("sign-in").hidden;')
        told = browser.run('return document.getElementById("sign-in-error").textContent;')
        self.assertEqual(told, "wrong user or password")
        self.assertTrue(browser.run('return document.getElementById("board").hidden;'))

    def test_master_moved(self) -> None:
        """
        When another node is the master the page goes there by itself.
        """
        op = {"OP_ID": "OP_TEST_DELAY", "duration": 1.5, "on_master": True, "on_nodes": []}
        browser = self.signed_in()
        self.assertEqual(self.ask("POST", "/2/jobs", {"ops": [op]})[0], 200)
        for name, text in (
            ("node_primary_ips", "other.sandbox.test 127.0.0.1\n"),
            ("master_node", "other.sandbox.test\n"),
        ):
            file = self.paths.ssconf(name)
            file.chmod(0o644)
            file.write_text(text)
        # Nobody listens there, so that the browser shows where it wanted to go, and nothing else.
        browser.until_at("https://127.0.0.1:5080/ui/")

    def test_master_killed(self) -> None:
        """
        While a job is followed gnt-masterd is killed and started again: the page and the events go on by themselves,
        with each line once and no id twice.
        """
        browser = self.signed_in()
        browser.run("window.same = true;")
        stream = self.follow()
        job = self.create("web.example.com", disk_template="file", disks=[{"size": 64}])
        ids: list[str] = []
        lines: list[int] = []
        texts: list[str] = []
        status, name, restarted = "", "", False
        found: dict[str, Any] = {}
        while status not in ("success", "error"):
            line = stream.readline().decode()
            self.assertTrue(line, "the events ended")
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "id":
                ids.append(value)
            if name != "data":
                continue
            found = json.loads(value)
            for each in found.get("jobs", ()):
                if each["id"] == job:
                    status = each["status"]
                    lines += [one["serial"] for one in each["log"]]
                    texts += [str(one["payload"]) for one in each["log"]]
            if lines and not restarted:
                restarted = True
                self.restart_master()
        self.assertTrue(restarted)
        self.assertEqual(len(ids), len(set(ids)), ids)
        self.assertEqual(lines, sorted(set(lines)))
        _, document, _ = self.ask("GET", f"/2/jobs/{job}")
        self.assertEqual([str(each[3]) for each in document["oplog"][0]], texts)
        self.assertEqual(browser.until(OVER, job), status)
        self.assertEqual(browser.run(LINES, job).splitlines(), "\n".join(texts).splitlines())
        self.assertTrue(browser.run("return window.same;"))
