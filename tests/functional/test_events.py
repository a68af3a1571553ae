"""
Events of a real sandbox, read over a real connection.
"""

import re
from base64 import b64encode
from http.client import HTTPResponse
from typing import Any

import msgspec

from tests.functional.rapi_sandbox import RAPITestCase


class EventTests(RAPITestCase):
    """
    Tests for C{/2/events}.
    """

    def follow(self, last: str | None = None, path: str = "/2/events") -> HTTPResponse:
        """
        Begin to hear of events.
        """
        headers = {"Authorization": "Basic " + b64encode(self.user.encode()).decode()}
        if last is not None:
            headers["Last-Event-ID"] = last
        connection = self.connected()
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        self.assertEqual((response.status, response.headers["Content-Type"]), (200, "text/event-stream"))
        self.addCleanup(connection.close)
        return response

    def event(self, response: HTTPResponse) -> tuple[str, str, Any]:
        """
        The next one: its id, name and data.
        """
        found: dict[str, str] = {}
        while True:
            line = response.readline().decode().rstrip("\n")
            if not line and "data" in found:
                return found.get("id", ""), found["event"], msgspec.json.decode(found["data"])
            name, colon, value = line.partition(": ")
            if colon and name:
                found[name] = value

    def until_over(self, response: HTTPResponse, job: int) -> tuple[list[str], list[str], str]:
        """
        A job's course: its states and lines, each as it is told, and the last event's id.
        """
        states: list[str] = []
        lines: list[str] = []
        while True:
            id, _, data = self.event(response)
            for each in data.get("jobs", ()):
                if each["id"] == job:
                    states.append(each["status"])
                    lines += [str(line["payload"]) for line in each["log"]]
            if states and states[-1] in ("success", "error"):
                return states, lines, id

    def test_course(self) -> None:
        """
        A job is followed to its end, line by line; a change of the configuration is told; after a restart of
        gnt-masterd, and with the id of an earlier event, it goes on without a loss.
        """
        events = self.follow()
        begun, name, _ = self.event(events)
        self.assertEqual(name, "begin")
        create = {
            "__version__": 1, "mode": "create", "instance_name": "web.example.com", "os_type": "noop",
            "disk_template": "diskless", "disks": [], "nics": [], "ip_check": False, "name_check": False,
            "pnode": self.paths.hostname, "ignore_ipolicy": True,
        }  # fmt: skip
        status, job, _ = self.ask("POST", "/2/instances", create)
        self.assertEqual(status, 200, job)
        states, lines, last = self.until_over(events, job)
        self.assertEqual(states[-1], "success")
        self.assertIn("* Starting instance web.example.com", lines)
        self.assertEqual(len(lines), len(set(lines)))
        # From the beginning once more: the newest state, with all lines.
        again, all_lines, _ = self.until_over(self.follow(begun), job)
        self.assertEqual((again, all_lines), (["success"], lines))
        names = set()
        objects = self.follow(begun, "/2/events?kind=instance")
        _, name, data = self.event(objects)
        names |= {(each["kind"], each["name"], each["there"]) for each in data["objects"]}
        self.assertEqual((name, names), ("objects", {("instance", "web.example.com", True)}))
        self.restart_master()
        status, job, _ = self.ask("PUT", "/2/instances/web.example.com/shutdown", {})
        self.assertEqual(status, 200, job)
        for stream in (events, self.follow(last)):
            states, _, _ = self.until_over(stream, job)
            self.assertEqual(states[-1], "success")

    def test_refused(self) -> None:
        """
        Wrong ids and filters are refused, each by name, and without a user there is nothing to hear.
        """
        for path, headers, word in (
            ("/2/events", {"Last-Event-ID": "x"}, "Last-Event-ID"),
            ("/2/events?kind=elephant", {}, "kind"),
            ("/2/events?job=x", {}, "job"),
        ):
            status, document, _ = self.ask("GET", path, headers=headers)
            self.assertEqual(status, 400, document)
            self.assertRegex(document["explain"], re.escape(word))
        self.user = "nobody:x"
        self.assertEqual(self.ask("GET", "/2/events")[0], 401)
