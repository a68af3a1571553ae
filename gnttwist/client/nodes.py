"""
gnt-masterd's side of calls to nodes: StartFunction, then WaitForFunction until the end, through broken connections
and restarts of the node daemon.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from attrs import define

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from gnttwist.client.node_body import Body, Unreachable
from gnttwist.client.node_http import NodeHTTP, Reply
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
from gnttwist.net.tls import MutualTLS
from gnttwist.net.tls_files import FileTLS
from gnttwist.wire import rpc
from gnttwist.wire.calls import FUNCTIONS, NORMAL

PORT = 1811
"""
Ganeti's.
"""

START_TIMEOUT = 10.0
WAIT_TIMEOUT = 60.0
"""
Seconds that a node is asked to wait before it answers: the seed's first wait, and those after it.
"""

SILENCE = 30.0
"""
Seconds without a byte after which a node is not answering: six of its keepalives.
"""

PATIENCE = 300.0
"""
Seconds that a job waits for a node that is not answering, where the cluster does not say otherwise: longer than a
machine takes to boot.
"""

RETRY_FIRST, RETRY_MOST = 0.1, 5.0
"""
Seconds between attempts: the first, and doubled each time, the most.
"""

QUERY_TIMEOUT = 10.0
"""
Seconds for a question whose answer somebody waits for at a terminal.
"""

FORGET_AT_ONCE = 1000
"""
Most keys in one acknowledgement: 0.2 MB.
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
class _Progress:
    """
    How far a call is, as its caller knows.

    @ivar id: What to wait for: its key, or its ID once that is known; C{None} while it is to be started.
    @ivar heard: When the node last said something, by the reactor's clock.
    """

    call: Call
    on_feedback: Callable[[Feedback], None]
    heard: float
    seen: int
    id: str | None = None

    def take(self, message: rpc.FeedbackMessage) -> None:
        """
        Deliver feedback that was not delivered before: a start that is repeated tells everything again.
        """
        if message.serial > self.seen:
            self.seen = message.serial
            self.on_feedback(Feedback(message.serial, message.time, message.type, message.payload))


class HTTPNodeCaller:
    """
    The L{gnttwist.jobs.calls.NodeCaller} over HTTPS.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        tls: MutualTLS | FileTLS,
        now: Callable[[], float],
        port: int = PORT,
        patience: Callable[[], float] = lambda: PATIENCE,
        http: NodeHTTP | None = None,
    ) -> None:
        """
        @param tls: What L{gnttwist.net.tls.for_client} makes.
        @param now: Seconds since the epoch.
        @param patience: Seconds that a node may be silent before its calls are given up; asked each time.
        @param http: Connections to use instead of own ones.
        """
        self._clock: IReactorTime = reactor
        self._now = now
        self._patience = patience
        self._http = http or NodeHTTP(reactor, tls, port)

    def close(self) -> Deferred[None]:
        """
        Close the connections that are not in use.
        """
        return self._http.close()

    # The interface

    def call(self, node: Node, call: Call, on_feedback: Callable[[Feedback], None]) -> Deferred[Any]:
        """
        See L{gnttwist.jobs.calls.NodeCaller.call}.
        """
        return Deferred.fromCoroutine(self._call(node, call, on_feedback))

    def abort(self, node: Node, key: str) -> Deferred[None]:
        """
        See L{gnttwist.jobs.calls.NodeCaller.abort}.

        @raise NotAnswering: (Deferred) The node was silent for too long.
        """
        return Deferred.fromCoroutine(self._insist(node, rpc.ABORT, rpc.encode_abort(key)))

    def forget(self, node: Node, keys: Sequence[str]) -> Deferred[None]:
        """
        See L{gnttwist.jobs.calls.NodeCaller.forget}.

        @raise NotAnswering: (Deferred) The node was silent for too long.
        """
        return Deferred.fromCoroutine(self._forget(node, keys))

    def query(
        self, node: Node, function: str, arguments: Sequence[Any], timeout: float = QUERY_TIMEOUT
    ) -> Deferred[Any]:
        """
        Ask a node something that changes nothing, once.

        @return: The function's payload.
        @raise FunctionFailed: (Deferred) It ended with a failure.
        @raise NotAnswering: (Deferred) No answer within C{timeout} seconds, or the node is marked offline.
        """
        return Deferred.fromCoroutine(self._query(node, function, arguments, timeout))

    # Calls

    async def _call(self, node: Node, call: Call, on_feedback: Callable[[Feedback], None]) -> Any:
        limit = FUNCTIONS[call.function].limit if call.function in FUNCTIONS else NORMAL
        deadline = self._now() + limit if call.deadline is None else call.deadline
        progress = _Progress(call, on_feedback, self._clock.seconds(), call.seen)
        if call.key is not None and call.seen:
            # It was started, or nobody could have heard from it.
            progress.id = call.key
        pause = RETRY_FIRST
        while True:
            _check_online(node)
            left = deadline - self._now()
            if left <= 0:
                raise NotAnswering(f"Node {node.name} has not ended {call.function} by its deadline")
            heard = progress.heard
            try:
                answer = await self._ask(node, progress, left)
            except (Unreachable, RemoteError, _NotNow) as reason:
                self._check_patience(node, progress, str(reason))
                if progress.heard > heard:
                    pause = RETRY_FIRST
                await deferLater(self._clock, min(pause, max(0.0, left)))
                pause = min(2 * pause, RETRY_MOST)
            except _OldForm:
                return await self._old_form(node, call, left)
            else:
                pause = RETRY_FIRST
                progress.heard = self._clock.seconds()
                if not isinstance(answer, rpc.Unfinished):
                    return _outcome(node, call.function, answer)
                progress.id = call.key or answer.id

    def _check_patience(self, node: Node, progress: _Progress, reason: str) -> None:
        silent = self._clock.seconds() - progress.heard
        if silent >= self._patience():
            raise NotAnswering(f"Node {node.name} does not answer since {silent:.0f} seconds: {reason}")

    async def _ask(self, node: Node, progress: _Progress, left: float) -> rpc.Answer:
        """
        Start the call or wait for it, once.
        """
        call = progress.call
        if progress.id is None:
            options = None if call.key is None else rpc.StartOptions(call.key)
            body = rpc.encode_start(call.function, call.arguments, min(START_TIMEOUT, left), options)
            path = rpc.START
        else:
            body = rpc.encode_wait(progress.id, min(WAIT_TIMEOUT, left), progress.seen)
            path = rpc.WAIT
        reply = await self._http.ask(node.primary_ip, path, body, SILENCE, stream=True)
        if isinstance(reply, Body):
            return await self._follow(reply, progress)
        if reply.status == 200:
            return rpc.decode_answer(reply.body)
        if reply.status == 404 and progress.id is None:
            raise _OldForm(reply.text)
        if reply.status == 404:
            # A key that is not known was never started; of other calls nobody knows, and they may be repeated.
            progress.id = None
            raise _NotNow(reply.text)
        if reply.status in (400, 413):
            raise NodeError(f"Node {node.name} refuses {call.function}: {reply.text}")
        raise _NotNow(reply.text)

    async def _follow(self, stream: Body, progress: _Progress) -> rpc.Answer:
        ended = False
        try:
            while (data := await stream.next()) is not None:
                message = rpc.decode_message(data)
                progress.heard = self._clock.seconds()
                if progress.call.key is not None:
                    progress.id = progress.call.key
                if isinstance(message, rpc.FeedbackMessage):
                    progress.take(message)
                elif not isinstance(message, rpc.KeepAlive):
                    # The stream ends after this; read so far, its connection can be used again.
                    with suppress(Unreachable):
                        ended = await stream.next() is None
                    return message
            raise Unreachable("the answer ended without a result")
        finally:
            if not ended:
                stream.abandon()

    async def _old_form(self, node: Node, call: Call, left: float) -> Any:
        """
        What nodes of Ganeti's own understand. Nobody can ask again what became of it.
        """
        try:
            reply = await self._http.ask(
                node.primary_ip, call.function, rpc.encode_arguments(call.arguments), left
            )
            return _old_outcome(node, call.function, reply)
        except (Unreachable, RemoteError) as reason:
            raise FunctionDied(
                f"Node {node.name} did not answer {call.function}, and may have carried it out: {reason}"
            ) from reason

    async def _query(self, node: Node, function: str, arguments: Sequence[Any], timeout: float) -> Any:
        _check_online(node)
        body = rpc.encode_arguments(arguments)
        asking = Deferred.fromCoroutine(self._http.ask(node.primary_ip, function, body, timeout))
        try:
            reply = await asking.addTimeout(timeout, self._clock)
            return _old_outcome(node, function, reply)
        except (Unreachable, RemoteError, TimeoutError) as reason:
            raise NotAnswering(f"Node {node.name} does not answer: {reason}") from reason

    # The rest

    async def _forget(self, node: Node, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), FORGET_AT_ONCE):
            await self._insist(node, rpc.FORGET, rpc.encode_forget(keys[start : start + FORGET_AT_ONCE]))

    async def _insist(self, node: Node, path: str, body: bytes) -> None:
        """
        Ask until the node has answered. That it knows nothing of it (404) is an answer.
        """
        began = self._clock.seconds()
        pause = RETRY_FIRST
        while True:
            _check_online(node)
            try:
                reply = await self._http.ask(node.primary_ip, path, body, SILENCE)
                if isinstance(reply, Reply) and reply.status in (200, 404):
                    return
                why = reply.text if isinstance(reply, Reply) else "a stream that nobody asked for"
            except Unreachable as reason:
                why = str(reason)
            silent = self._clock.seconds() - began
            if silent >= self._patience():
                raise NotAnswering(f"Node {node.name} does not answer since {silent:.0f} seconds: {why}")
            await deferLater(self._clock, pause)
            pause = min(2 * pause, RETRY_MOST)


def _check_online(node: Node) -> None:
    if node.offline:
        raise NotAnswering(f"Node {node.name} is marked offline")


def _outcome(node: Node, function: str, answer: rpc.Finished | rpc.Ended) -> Any:
    match answer:
        case rpc.Finished(True, payload):
            return payload
        case rpc.Finished(False, text):
            raise FunctionFailed(str(text) if text else "No error information")
        case rpc.Ended("aborted", detail):
            raise CallAborted(f"Node {node.name}: {function}: {detail}")
        case rpc.Ended(_, detail):
            raise FunctionDied(f"Node {node.name}: {function}: {detail}")
    raise AssertionError("all answers are above")


def _old_outcome(node: Node, function: str, reply: Reply | Body) -> Any:
    if not isinstance(reply, Reply):
        raise RemoteError("a stream that nobody asked for")
    if reply.status == 200:
        return _outcome(node, function, rpc.decode_value(reply.body))
    raise NodeError(f"Node {node.name} refuses {function}: {reply.text}")
