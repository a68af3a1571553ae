"""
Tests for L{gnttwist.client.luxi}, on real unix sockets.
"""

import shutil
import socket
import tempfile
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.client.luxi import LuxiClient, NotReachable
from gnttwist.errors import JobLost
from gnttwist.testing.luxi import FakeMaster, HangUp
from gnttwist.wire import luxi, luxi_messages


class LuxiClientTests(SynchronousTestCase):
    """
    Tests for L{LuxiClient}.
    """

    def setUp(self) -> None:
        # A unix socket's path is limited to 107 bytes, so it cannot be below trial's directory.
        self.directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.path = self.directory / "socket"
        self.script: list[Any] = []

    def answer(self, call: luxi.Call) -> Any:
        """
        What comes next in the test's script.
        """
        result = self.script.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    def client(self, **options: Any) -> LuxiClient:
        """
        A client of a server that plays the test's script.
        """
        self.master = FakeMaster(self.path, self.answer)
        self.addCleanup(self.master.stop)
        client = LuxiClient(self.path, **options)
        self.addCleanup(client.close)
        return client

    def test_calls(self) -> None:
        """
        Calls of one connection are answered one after the other.
        """
        self.script = [["a"], 17]
        client = self.client()
        self.assertEqual(client.call("QueryTags", "cluster", ""), ["a"])
        self.assertEqual(client.call("SubmitJob", []), 17)
        self.assertEqual(self.master.calls, [luxi.QueryTags("cluster", ""), luxi.SubmitJob([])])

    def test_failure(self) -> None:
        """
        A call's failure is raised as the class that it had in the daemon, and the connection stays usable.
        """
        self.script = [JobLost("no such job"), True]
        client = self.client()
        self.assertEqual(str(self.assertRaises(JobLost, client.call, "ArchiveJob", 3)), "no such job")
        self.assertIs(client.call("ArchiveJob", 3), True)

    def test_refusal(self) -> None:
        """
        What the daemon cannot read is told apart from what it cannot do.
        """
        client = self.client()
        self.assertIn("Nope", str(self.assertRaises(luxi_messages.Refused, client.call, "Nope")))

    def test_nobody(self) -> None:
        """
        Where nobody listens, the error names the socket.
        """
        client = LuxiClient(self.path)
        self.assertIn(str(self.path), str(self.assertRaises(NotReachable, client.call, "QueryClusterInfo")))

    def test_broken_connection(self) -> None:
        """
        A connection that breaks in the middle of a call is made again, and the call with it.
        """
        self.script = [HangUp(), 17]
        client = self.client()
        self.assertEqual(client.call("SubmitJob", []), 17)
        self.assertEqual(len(self.master.calls), 2)

    def test_not_repeated(self) -> None:
        """
        A call that would do its work twice is not sent again.
        """
        self.script = [HangUp()]
        client = self.client()
        filter: list[object] = [None, 0, [], "ACCEPT", []]
        self.assertIn(
            "not known", str(self.assertRaises(NotReachable, client.call, "ReplaceFilter", *filter))
        )
        self.assertEqual(len(self.master.calls), 1)

    def test_gone(self) -> None:
        """
        A daemon that does not come back is given up in the end.
        """
        self.script = [HangUp()] * 10
        client = self.client(patience=0.0)
        self.assertRaises(NotReachable, client.call, "QueryClusterInfo")

    def test_silence(self) -> None:
        """
        A daemon that accepts and never answers is given up after the read timeout.
        """
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(self.path))
        listener.listen()
        client = LuxiClient(self.path, read_timeout=0.05)
        self.addCleanup(client.close)
        self.assertRaises(NotReachable, client.call, "QueryClusterInfo")

    def test_wait_for_job(self) -> None:
        """
        A job is followed with what was seen last, until an answer without log lines shows it ended.
        """
        line = [4, [1, 2], "message", "hello"]
        self.script = [[["running"], []], "nochange", [["success"], [line]], [["success"], []]]
        client = self.client()
        self.assertEqual(
            list(client.wait_for_job(7)),
            [(["running"], []), (["running"], []), (["success"], [line]), (["success"], [])],
        )
        calls = [each for each in self.master.calls if isinstance(each, luxi.WaitForJobChange)]
        self.assertEqual(
            [(each.previous, each.log_serial) for each in calls],
            [(None, None), (["running"], None), (["running"], None), (["success"], 4)],
        )
