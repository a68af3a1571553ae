"""
One call of a function on a node, as its caller sees it: StartFunction, then WaitForFunction until the end, through
broken connections and restarts of the node daemon.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from attrs import define, field

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from gnttwist.client.node_body import Body, Unreachable
from gnttwist.client.node_http import NodeHTTP, Reply
from gnttwist.client.silence import Silence
from gnttwist.errors import (
    CallAborted,
    FunctionDied,
    FunctionFailed,
    NodeError,
    NotAnswering,
    RemoteError,
)
from gnttwist.jobs.calls import Call, Feedback
from gnttwist.model.objects import Node
from gnttwist.wire import rpc, rpc_answers
from gnttwist.wire.calls import FUNCTIONS, NORMAL

START_TIMEOUT = 10.0
WAIT_TIMEOUT = 60.0
"""
Seconds that a node is asked to wait before it answers: the seed's first wait, and those after it.
"""

RETRY_FIRST, RETRY_MOST = 0.1, 5.0
"""
Seconds between attempts: the first, and doubled each time, the most.
"""


class _NotNow(Exception):
    """
    The node answers, but not this: its text says why.
    """


class _OldForm(Exception):
    """
    The node knows no StartFunction.
    """


@define(eq=False)
class RemoteCall:
    """
    One call.

    @ivar _now: Seconds since the epoch.
    @ivar _patience: Seconds that the node may be silent before the call is given up; asked each time.
    @ivar _silence: When the node last said something.
    @ivar _seen: The serial of the last feedback that was delivered.
    @ivar _id: What to wait for: its key, or its ID once that is known; C{None} while it is to be started.
    """

    _node: Node
    _call: Call
    _on_feedback: Callable[[Feedback], None]
    _http: NodeHTTP
    _clock: IReactorTime
    _now: Callable[[], float]
    _patience: Callable[[], float]
    _silence: Silence
    _seen: int = field(init=False)
    _id: str | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._seen = self._call.seen
        # If something was heard of it, it was started.
        self._id = self._call.key if self._call.seen else None

    async def run(self) -> Any:
        """
        Follow it to its end.

        @return: The function's payload.
        @raise NodeError: As L{gnttwist.jobs.calls.NodeCaller.call} has it.
        """
        with self._silence:
            return await self._run()

    async def _run(self) -> Any:
        function = self._call.function
        limit = FUNCTIONS[function].limit if function in FUNCTIONS else NORMAL
        deadline = self._now() + limit if self._call.deadline is None else self._call.deadline
        pause = RETRY_FIRST
        while True:
            check_online(self._node)
            left = deadline - self._now()
            if left <= 0:
                raise NotAnswering(f"Node {self._node.name} has not ended {function} by its deadline")
            heard = self._silence.heard
            try:
                answer = await self._ask(left)
            except (Unreachable, RemoteError, _NotNow) as reason:
                self._silence.why = str(reason)
                silent = self._silence.seconds
                if silent >= self._patience():
                    raise no_answer(self._node, silent, str(reason)) from reason
                if self._silence.heard > heard:
                    pause = RETRY_FIRST
                await deferLater(self._clock, min(pause, max(0.0, left)))
                pause = min(2 * pause, RETRY_MOST)
            except _OldForm:
                return await self._old_form(left)
            else:
                pause = RETRY_FIRST
                self._silence.broken()
                if not isinstance(answer, rpc_answers.Unfinished):
                    return _outcome(self._node, function, answer)
                self._id = self._call.key or answer.id

    async def _ask(self, left: float) -> rpc_answers.Answer:
        """
        Start the call or wait for it, once.
        """
        call = self._call
        if self._id is None:
            options = None if call.key is None else rpc.StartOptions(call.key)
            body = rpc.encode_start(call.function, call.arguments, min(START_TIMEOUT, left), options)
            path = rpc.START
        else:
            body = rpc.encode_wait(self._id, min(WAIT_TIMEOUT, left), self._seen)
            path = rpc.WAIT
        reply = await self._http.ask(self._node.primary_ip, path, body, self._silence.limit, stream=True)
        if isinstance(reply, Body):
            return await self._follow(reply)
        if reply.status == 200:
            return rpc_answers.decode_answer(reply.body)
        if reply.status == 404 and self._id is None:
            raise _OldForm(reply.text)
        if reply.status == 404:
            # A key that is not known was never started; of other calls nobody knows, and they may be repeated.
            self._id = None
            raise _NotNow(reply.text)
        if reply.status in (400, 413):
            raise NodeError(f"Node {self._node.name} refuses {call.function}: {reply.text}")
        raise _NotNow(reply.text)

    async def _follow(self, stream: Body) -> rpc_answers.Answer:
        ended = False
        try:
            while (data := await stream.next()) is not None:
                message = rpc_answers.decode_message(data)
                self._silence.broken()
                if self._call.key is not None:
                    self._id = self._call.key
                if isinstance(message, rpc_answers.FeedbackMessage):
                    self._take(message)
                elif not isinstance(message, rpc_answers.KeepAlive):
                    # The stream ends after this; read so far, its connection can be used again.
                    with suppress(Unreachable):
                        ended = await stream.next() is None
                    return message
            raise Unreachable("the answer ended without a result")
        finally:
            if not ended:
                stream.abandon()

    def _take(self, message: rpc_answers.FeedbackMessage) -> None:
        """
        Deliver feedback that was not delivered before: a start that is repeated tells everything again.
        """
        if message.serial > self._seen:
            self._seen = message.serial
            self._on_feedback(Feedback(message.serial, message.time, message.type, message.payload))

    async def _old_form(self, left: float) -> Any:
        """
        What nodes of Ganeti's own understand. Nobody can ask again what became of it.
        """
        node, function = self._node, self._call.function
        try:
            body = rpc.encode_arguments(self._call.arguments)
            return old_outcome(node, function, await self._http.ask(node.primary_ip, function, body, left))
        except (Unreachable, RemoteError) as reason:
            raise FunctionDied(
                f"Node {node.name} did not answer {function}, and may have carried it out: {reason}"
            ) from reason


def check_online(node: Node) -> None:
    """
    @raise NotAnswering: The node is marked offline.
    """
    if node.offline:
        raise NotAnswering(f"Node {node.name} is marked offline")


def no_answer(node: Node, silent: float, why: str) -> NotAnswering:
    """
    The error for a node that was silent for too long.

    @param silent: Seconds.
    """
    return NotAnswering(f"Node {node.name} does not answer since {silent:.0f} seconds: {why}")


def old_outcome(node: Node, function: str, reply: Reply | Body) -> Any:
    """
    The payload in an answer to the blocking form.

    @raise NodeError: It is a failure, or a refusal.
    @raise RemoteError: It makes no sense.
    """
    if not isinstance(reply, Reply):
        raise RemoteError("a stream that nobody asked for")
    if reply.status == 200:
        return _outcome(node, function, rpc_answers.decode_value(reply.body))
    raise NodeError(f"Node {node.name} refuses {function}: {reply.text}")


def _outcome(node: Node, function: str, answer: rpc_answers.Finished | rpc_answers.Ended) -> Any:
    match answer:
        case rpc_answers.Finished(True, payload):
            return payload
        case rpc_answers.Finished(False, text):
            raise FunctionFailed(str(text) if text else "No error information")
        case rpc_answers.Ended("aborted", detail):
            raise CallAborted(f"Node {node.name}: {function}: {detail}")
        case rpc_answers.Ended(_, detail):
            raise FunctionDied(f"Node {node.name}: {function}: {detail}")
    raise AssertionError("all answers are above")
