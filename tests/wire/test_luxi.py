"""
Tests for L{gnttwist.wire.luxi}.
"""

import contextlib
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import JobQueueFull, OperationError, OpPrereqError, RemoteError
from gnttwist.wire import luxi, luxi_messages
from gnttwist.wire.framing import Splitter, frame

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)

RECORDED: list[tuple[bytes, luxi.Call]] = [
    (b'{"method": "QueryClusterInfo", "args": []}', luxi.QueryClusterInfo()),
    (
        b'{"method": "QueryConfigValues", "args": [["cluster_name", "master_node"]]}',
        luxi.QueryConfigValues(["cluster_name", "master_node"]),
    ),
    (b'{"method": "QueryTags", "args": ["cluster", ""]}', luxi.QueryTags("cluster", "")),
    (
        b'{"method": "QueryJobs", "args": [[1, 99999], ["id", "status"]]}',
        luxi.QueryJobs([1, 99999], ["id", "status"]),
    ),
    (
        b'{"method": "QueryInstances", "args": [["inst1"], ["name"], false]}',
        luxi.QueryInstances(["inst1"], ["name"], False),
    ),
    (
        b'{"method": "Query", "args": ["node", ["name"], ["=", "name", "nope"]]}',
        luxi.Query("node", ["name"], ["=", "name", "nope"]),
    ),
    (b'{"method": "QueryFields", "args": ["job", null]}', luxi.QueryFields("job", None)),
    (
        b'{"method": "WaitForJobChange", "args": [1, ["status"], null, null, 1]}',
        luxi.WaitForJobChange(1, ["status"], None, None, 1.0),
    ),
    (b'{"method": "CancelJob", "args": [1]}', luxi.CancelJob(1)),
    (b'{"method": "ArchiveJob", "args": [99999]}', luxi.ArchiveJob(99999)),
    # What Python clients send: a version, and a newline at the end.
    (
        b'{"method": "CancelJob", "args": ["7", true], "version": 3010000}\n',
        luxi.CancelJob("7", True),
    ),
]
"""
Requests that real clients sent, and what they mean.
"""


OWN = {"QueryJobBlockers", "QueryMetrics", "SetQueueLimits", "WaitForAnyJobChange", "WaitForConfigChange"}
"""
Methods that Ganeti does not have.
"""


class RequestTests(SynchronousTestCase):
    """
    Tests for L{luxi_messages.decode_request}.
    """

    def refused(self, message: bytes) -> str:
        """
        Why C{message} is not a request.
        """
        return str(self.assertRaises(luxi_messages.Unintelligible, luxi_messages.decode_request, message))

    def test_recorded(self) -> None:
        """
        Requests recorded from Ganeti's clients are understood.
        """
        for message, call in RECORDED:
            self.assertEqual(luxi_messages.decode_request(message), call)

    def test_every_method(self) -> None:
        """
        The reference's 25 methods are all known, and our own.
        """
        self.assertEqual(len(luxi.Call.known), 25 + len(OWN))
        self.assertLess(OWN, set(luxi.Call.known))

    def test_unknown_method(self) -> None:
        """
        An unknown method is named in the refusal, and so are the known ones.
        """
        text = self.refused(luxi_messages.encode_request("QueryJbos", []))
        self.assertIn("QueryJbos", text)
        self.assertIn("QueryJobs", text)

    def test_wrong_arguments(self) -> None:
        """
        Too many, too few and wrongly typed arguments are refused with the arguments that the method has.
        """
        wrong: list[list[Any]] = [[], [1, 2, 3, 4, 5, 6], ["x", [], None, None, 1], [-1, [], None, None, 1]]
        for arguments in wrong:
            text = self.refused(luxi_messages.encode_request("WaitForJobChange", arguments))
            self.assertIn("WaitForJobChange(job_id, fields, previous, log_serial, timeout)", text)

    def test_deep_nesting(self) -> None:
        """
        JSON nested beyond any sense is refused like other nonsense.
        """
        deep = b"[" * 200_000 + b"]" * 200_000
        self.refused(b'{"method": "QueryClusterInfo", "args": ' + deep + b"}")

    @given(st.binary(max_size=200))
    def test_garbage(self, message: bytes) -> None:
        """
        Any bytes are either a request or refused in the protocol's own way.
        """
        try:
            luxi_messages.decode_request(message)
        except RemoteError as reason:
            self.assertTrue(str(reason).startswith("Failed to parse request: "))

    @given(st.sampled_from(sorted(luxi.Call.known)), st.lists(JSON, max_size=6))
    def test_wrong_values(self, method: str, arguments: list[Any]) -> None:
        """
        Whatever a method's arguments are, they are accepted or refused, and never anything else.
        """
        try:
            call = luxi_messages.decode_request(luxi_messages.encode_request(method, arguments))
        except luxi_messages.Unintelligible:
            return
        self.assertEqual(type(call).__name__, method)


class ResponseTests(SynchronousTestCase):
    """
    Tests for the encoders of answers and L{luxi_messages.decode_response}.
    """

    @given(JSON)
    def test_success(self, result: Any) -> None:
        """
        A result arrives as it was sent, however odd its text, as one framed message.
        """
        messages = Splitter(luxi.RESPONSE_LIMIT).feed(frame(luxi_messages.encode_success(result)))
        self.assertEqual([luxi_messages.decode_response(each) for each in messages], [result])

    def test_recorded_failure(self) -> None:
        """
        An error recorded from Ganeti's daemon is raised as its class, with its arguments.
        """
        message = (
            b'{"success":false,"result":["OpPrereqError",["Node name nope not found","unknown_entity"]]}'
        )
        error = self.assertRaises(OpPrereqError, luxi_messages.decode_response, message)
        self.assertEqual(error.args, ("Node name nope not found", "unknown_entity"))

    def test_failure_bytes(self) -> None:
        """
        Errors are encoded to the byte as Ganeti's daemon does it.
        """
        error = OpPrereqError("Node name nope not found", "unknown_entity")
        self.assertEqual(
            luxi_messages.encode_failure(error),
            b'{"success":false,"result":["OpPrereqError",["Node name nope not found","unknown_entity"]]}',
        )

    def test_failure_without_arguments(self) -> None:
        """
        An error without arguments survives.
        """
        self.assertRaises(
            JobQueueFull, luxi_messages.decode_response, luxi_messages.encode_failure(JobQueueFull())
        )

    def test_refusal(self) -> None:
        """
        A bare text is the answer to what could not be read, and is no operation's error.
        """
        error = self.assertRaises(
            luxi_messages.Refused, luxi_messages.decode_response, luxi_messages.encode_refusal("no")
        )
        self.assertNotIsInstance(error, OperationError)
        self.assertEqual(str(error), "no")

    def test_no_version(self) -> None:
        """
        Answers hold no version, which clients of another one would take for a mismatch.
        """
        self.assertEqual(
            msgspec.json.decode(luxi_messages.encode_success(None)), {"success": True, "result": None}
        )

    @given(st.binary(max_size=100))
    def test_garbage(self, message: bytes) -> None:
        """
        What is no answer is told apart from one.
        """
        with contextlib.suppress(RemoteError, OperationError):
            luxi_messages.decode_response(message)
