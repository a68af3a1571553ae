"""
Tests for L{gnttwist.client.rapi}.
"""

import json
from typing import Any

from treq.testing import StringStubbingResource, StubTreq

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.client.rapi import RAPIClient, RAPIError


class Server:
    """
    Answers what it is told to, and keeps what it was asked.
    """

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []

    def __call__(
        self, method: bytes, url: str, params: Any, headers: Any, data: bytes
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        """
        One request.
        """
        path = url.partition("https://cluster.example.com:5080")[2].partition("?")[0]
        self.asked.append((method.decode(), path, json.loads(data) if data else None))
        self.authorization = headers[b"Authorization"]
        status, answer = self.answers.pop(0)
        return status, {}, answer if isinstance(answer, bytes) else json.dumps(answer).encode()


class ClientTests(SynchronousTestCase):
    """
    Tests for L{RAPIClient}.
    """

    def client(self, *answers: tuple[int, Any]) -> RAPIClient:
        """
        A client of a server that gives these answers.
        """
        self.server = Server(*answers)
        # It has the client's methods, though not its class.
        stub: Any = StubTreq(StringStubbingResource(self.server))
        return RAPIClient(stub, "https://cluster.example.com:5080", "ann", "secret")

    def test_reading(self) -> None:
        """
        Names, objects and queries are asked for with the user's name and password.
        """
        client = self.client((200, [{"id": "n1", "uri": "/2/nodes/n1"}]), (200, {"data": [[[0, "n1"]]]}))
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(client.names("nodes"))), ["n1"])
        rows = self.successResultOf(Deferred.fromCoroutine(client.query("node", ["name"])))
        self.assertEqual(rows, [["n1"]])
        self.assertEqual(self.server.asked[0], ("GET", "/2/nodes", None))
        self.assertEqual(
            self.server.asked[1], ("PUT", "/2/query/node", {"fields": ["name"], "qfilter": None})
        )
        self.assertEqual(self.server.authorization, [b"Basic YW5uOnNlY3JldA=="])

    def test_waiting(self) -> None:
        """
        A job is waited for as long as it takes, each time from what is known.
        """
        client = self.client(
            (200, 7),
            (200, {"job_info": ["running", [None]], "log_entries": []}),
            (200, None),
            (200, {"job_info": ["success", [True]], "log_entries": []}),
        )
        job = self.successResultOf(Deferred.fromCoroutine(client.submit({"OP_ID": "OP_TEST_DELAY"})))
        ended = self.successResultOf(Deferred.fromCoroutine(client.ended(job)))
        self.assertEqual(ended, ("success", [True]))
        known = [body["previous_job_info"] for _, path, body in self.server.asked if path == "/2/jobs/7/wait"]
        self.assertEqual(known, [None, ["running", [None]], ["running", [None]]])

    def test_refused(self) -> None:
        """
        An error has the server's explanation and the status; what is no answer says so.
        """
        document = {"code": 404, "message": "Not Found", "explain": "There is no node x"}
        client = self.client((404, document), (502, b"<html>"))
        error = self.failureResultOf(Deferred.fromCoroutine(client.one("nodes", "x")), RAPIError).value
        self.assertEqual((str(error), error.status), ("There is no node x", 404))
        error = self.failureResultOf(Deferred.fromCoroutine(client.info()), RAPIError).value
        self.assertEqual(error.status, 502)
