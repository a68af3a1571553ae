"""
gnt-masterd's side of the protocol of nodes. What becomes of one call is for L{gnttwist.client.node_call}.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.client.node_body import Unreachable
from gnttwist.client.node_call import (
    RETRY_FIRST,
    RETRY_MOST,
    RemoteCall,
    check_online,
    no_answer,
    old_outcome,
)
from gnttwist.client.node_http import NodeHTTP, Reply
from gnttwist.client.silence import SILENCE, Silence
from gnttwist.errors import NotAnswering, RemoteError
from gnttwist.jobs.calls import Call, Feedback, OnSilence
from gnttwist.model.objects import Node
from gnttwist.net.tls import MutualTLS
from gnttwist.net.tls_files import FileTLS
from gnttwist.wire import rpc

PORT = 1811
"""
Ganeti's.
"""

PATIENCE = 300.0
"""
Seconds that a node may be silent, where the caller does not say otherwise: the cluster's own default.
"""

QUERY_TIMEOUT = 10.0
"""
Seconds for a question whose answer somebody waits for at a terminal.
"""

FORGET_AT_ONCE = 1000
"""
Most keys in one acknowledgement: 0.2 MB.
"""


class Measured(Protocol):
    """
    Told of calls.
    """

    def calling(self, node: str) -> None:
        """
        A call to a node begins.
        """

    def called(self, node: str, function: str, seconds: float, *, succeeded: bool) -> None:
        """
        A call to a node ended.
        """


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
        silence: float = SILENCE,
        measured: Measured | None = None,
    ) -> None:
        """
        @param tls: What L{gnttwist.net.tls.for_client} makes.
        @param now: Seconds since the epoch.
        @param patience: Seconds that a node may be silent before its calls are given up; asked each time.
        @param http: Connections to use instead of own ones.
        @param silence: Seconds after which a node that says nothing is not answering.
        @param measured: Told of every call.
        """
        self._clock: IReactorTime = reactor
        self._measured = measured
        self._now = now
        self._patience = patience
        self._silence = silence
        self._http = http or NodeHTTP(reactor, tls, port)

    def close(self) -> Deferred[None]:
        """
        Close the connections that are not in use.
        """
        return self._http.close()

    # The interface

    def call(
        self,
        node: Node,
        call: Call,
        on_feedback: Callable[[Feedback], None],
        on_silence: OnSilence | None = None,
    ) -> Deferred[Any]:
        """
        See L{gnttwist.jobs.calls.NodeCaller.call}.
        """
        silence = Silence(self._clock, self._silence, on_silence)
        following = RemoteCall(
            node, call, on_feedback, self._http, self._clock, self._now, self._patience, silence
        )
        return self._timed(node, call.function, Deferred.fromCoroutine(following.run()))

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
        asking = Deferred.fromCoroutine(self._query(node, function, arguments, timeout))
        return self._timed(node, function, asking)

    # The rest

    def _timed(self, node: Node, function: str, calling: Deferred[Any]) -> Deferred[Any]:
        measured, began = self._measured, self._clock.seconds()
        if measured is None:
            return calling
        measured.calling(node.name)

        def ended(result: Any) -> Any:
            seconds = self._clock.seconds() - began
            measured.called(node.name, function, seconds, succeeded=not isinstance(result, Failure))
            return result

        return calling.addBoth(ended)

    async def _query(self, node: Node, function: str, arguments: Sequence[Any], timeout: float) -> Any:
        check_online(node)
        body = rpc.encode_arguments(arguments)
        asking = Deferred.fromCoroutine(self._http.ask(node.primary_ip, function, body, timeout))
        try:
            reply = await asking.addTimeout(timeout, self._clock)
            return old_outcome(node, function, reply)
        except (Unreachable, RemoteError, TimeoutError) as reason:
            raise NotAnswering(f"Node {node.name} does not answer: {reason}") from reason

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
            check_online(node)
            try:
                reply = await self._http.ask(node.primary_ip, path, body, self._silence)
                if isinstance(reply, Reply) and reply.status in (200, 404):
                    return
                why = reply.text if isinstance(reply, Reply) else "a stream that nobody asked for"
            except Unreachable as reason:
                why = str(reason)
            silent = self._clock.seconds() - began
            if silent >= self._patience():
                raise no_answer(node, silent, why)
            await deferLater(self._clock, pause)
            pause = min(2 * pause, RETRY_MOST)
