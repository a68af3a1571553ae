"""
Tests for L{gnttwist.wire.rpc} and L{gnttwist.wire.rpc_answers}.
"""

import contextlib
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import RemoteError
from gnttwist.wire import rpc, rpc_answers
from gnttwist.wire.framing import Splitter

json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(max_size=4), each, max_size=4),
    max_leaves=8,
)
keys = st.text(
    st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=40
).map(lambda each: "k/" + each)
timeouts = st.floats(0, rpc.LONGEST_TIMEOUT)
answers: st.SearchStrategy[rpc_answers.Answer] = st.one_of(
    st.builds(rpc_answers.Unfinished, st.just("1:2:3.0:ab")),
    st.builds(rpc_answers.Finished, st.booleans(), json),
    st.builds(rpc_answers.Ended, st.sampled_from(["died", "aborted"]), st.text(max_size=20)),
)
DECODERS = (
    rpc.decode_arguments,
    rpc.decode_start,
    rpc.decode_wait,
    rpc.decode_abort,
    rpc.decode_forget,
    rpc_answers.decode_answer,
    rpc_answers.decode_value,
    rpc_answers.decode_message,
)


class RequestTests(SynchronousTestCase):
    """
    Tests for requests.
    """

    @given(st.lists(json, max_size=4), timeouts, st.none() | keys)
    def test_start(self, arguments: list[Any], timeout: float, key: str | None) -> None:
        """
        A StartFunction arrives as it was sent, its arguments as the JSON that POST /FUNCTION would carry.
        """
        options = None if key is None else rpc.StartOptions(key, 7.5)
        request = rpc.decode_start(rpc.encode_start("test_delay", arguments, timeout, options))
        self.assertEqual((request.function, request.timeout), ("test_delay", timeout))
        self.assertEqual(request.options, options or rpc.StartOptions())
        self.assertEqual(bytes(request.arguments), rpc.decode_arguments(rpc.encode_arguments(arguments)))

    @given(keys, timeouts, st.integers(0, 1000))
    def test_wait(self, key: str, timeout: float, seen: int) -> None:
        """
        A WaitForFunction arrives as it was sent.
        """
        request = rpc.decode_wait(rpc.encode_wait(key, timeout, seen))
        self.assertEqual((request.call, request.timeout, request.options.seen), (key, timeout, seen))

    @given(st.lists(keys, min_size=1))
    def test_abort_and_forget(self, several: list[str]) -> None:
        """
        Keys to abort and to forget arrive as they were sent.
        """
        self.assertEqual(rpc.decode_abort(rpc.encode_abort(several[0])), several[0])
        self.assertEqual(rpc.decode_forget(rpc.encode_forget(several)), several)

    def test_seeds_own_form(self) -> None:
        """
        The seed's three and two members are enough.
        """
        self.assertEqual(rpc.decode_start(b'["version", [], 0]').options.key, None)
        self.assertEqual(rpc.decode_wait(b'["1:2:3.4:ff", 10]').call, "1:2:3.4:ff")

    def test_refused(self) -> None:
        """
        What a request may not hold is refused: wrong members, unknown options, keys and times out of bounds.
        """
        for body in (
            b'["version", {}, 0]',
            b'["version", [], -1]',
            b'["version", [], 1e9]',
            b'["version", [], NaN]',
            b'["../version", [], 0]',
            b'["version", []]',
            b'["version", [], 0, {"keys": "k/1"}]',
            b'["version", [], 0, {"key": "1:2:3:4"}]',
            b'["version", [], 0, {"key": "k/a b"}]',
            b'["version", [], 0, {"limits": {"memory": 1}}]',
            b'["version", [], 0, {}, 1]',
        ):
            self.assertRaises(RemoteError, rpc.decode_start, body)
        self.assertRaises(RemoteError, rpc.decode_wait, b'["version", 1]')
        self.assertRaises(RemoteError, rpc.decode_wait, b'["k/1", 1, {"seen": -1}]')
        self.assertRaises(RemoteError, rpc.decode_arguments, b'{"a": 1}')

    def test_no_arguments(self) -> None:
        """
        An empty body is no arguments.
        """
        self.assertEqual(rpc.decode_arguments(b""), b"[]")

    def test_deep_nesting(self) -> None:
        """
        Arguments nested deeper than can be read are refused, not a crash.
        """
        deep = b"[" * 200_000 + b"]" * 200_000
        self.assertRaises(RemoteError, rpc.decode_arguments, deep)
        self.assertRaises(RemoteError, rpc.decode_start, b'["version", ' + deep + b", 0]")


class AnswerTests(SynchronousTestCase):
    """
    Tests for answers and messages of streams.
    """

    @given(answers)
    def test_keyed(self, answer: rpc_answers.Answer) -> None:
        """
        A caller with a key gets every answer as it was given, alone and as a stream's last message.
        """
        data = rpc_answers.encode_answer(answer, keyed=True)
        self.assertEqual(rpc_answers.decode_answer(data), answer)
        [message] = Splitter(10**6).feed(rpc_answers.RESULT_PREFIX + data + rpc_answers.RESULT_SUFFIX)
        self.assertEqual(rpc_answers.decode_message(message), answer)

    def test_without_key(self) -> None:
        """
        A caller without a key gets three values even of a call that died.
        """
        data = rpc_answers.encode_answer(rpc_answers.Ended("died", "killed by signal 9"), keyed=False)
        self.assertEqual(data, b'[null,true,[false,"killed by signal 9"]]')

    @given(st.booleans(), json)
    def test_from_spool(self, success: bool, payload: Any) -> None:
        """
        A raw value between its prefix and suffix is the same answer.
        """
        answer = rpc_answers.Finished(success, payload)
        raw = rpc.encode_arguments([success, payload])
        self.assertEqual(
            rpc_answers.decode_answer(rpc_answers.FINISHED_PREFIX + raw + rpc_answers.FINISHED_SUFFIX), answer
        )
        self.assertEqual(rpc_answers.decode_value(raw), answer)

    @given(st.integers(1, 2**50), st.tuples(st.integers(0, 2**40), st.integers(0, 999999)), json)
    def test_feedback(self, serial: int, time: tuple[int, int], payload: Any) -> None:
        """
        Feedback and keepalives arrive as they were sent.
        """
        feedback = rpc_answers.FeedbackMessage(serial, time, "progress", payload)
        messages = Splitter(10**6).feed(rpc_answers.encode_feedback(feedback) + rpc_answers.KEEPALIVE)
        self.assertEqual(
            [rpc_answers.decode_message(each) for each in messages], [feedback, rpc_answers.KeepAlive()]
        )

    def test_contradictions(self) -> None:
        """
        Answers and messages whose members contradict each other are refused.
        """
        for data in (
            b"[null,false,null]",
            b'["1:2:3:4",true,null]',
            b"[null,true,null]",
            b"[null,true,[1,2,3]]",
        ):
            self.assertRaises(RemoteError, rpc_answers.decode_answer, data)
        for data in (b"{}", b'{"feedback":[1,[1,2],"a",null],"result":["1:1",false,null]}'):
            self.assertRaises(RemoteError, rpc_answers.decode_message, data)

    def test_rows(self) -> None:
        """
        A list of calls is read as it was written, with feedback and without.
        """
        row = rpc_answers.CallRow("1:2:3:4", None, "version", "c", "running", 1.0, 2.0, 2, 0, [])
        told = msgspec.structs.replace(row, key="k/1", last_feedback=msgspec.Raw(b'[1,[2,3],"message","x"]'))
        for each in (row, told):
            self.assertEqual(rpc_answers.decode_rows(rpc_answers.encode_rows([each])), [each])
        self.assertRaises(RemoteError, rpc_answers.decode_rows, b'[{"id":1}]')

    @given(st.binary(max_size=60) | json.map(lambda each: rpc.encode_arguments([each])[1:-1]))
    def test_garbage(self, data: bytes) -> None:
        """
        Whatever arrives, it is read or refused with L{RemoteError}.
        """
        for decode in DECODERS:
            with contextlib.suppress(RemoteError):
                decode(data)
